"""The config's sections `teacher`, `student`, `models`: where they come from, and how they are trained first."""

from typing import Literal

from pydantic import Field, model_validator

from codestill.study.section import Reference, field, wrong
from codestill.study.sections.origins import Origin
from codestill.study.sections.training import Adapter, Bits, Training


class Loaded(Origin):
    """How a model is held while it teaches or learns."""

    adapter: Adapter | None = field(
        None,
        "what is trained of it (its own training, cells that start from it) is a low-rank adapter, merged into the "
        "model that is written; null: all its weights",
        flag=False,
    )
    load_in: Bits | None = field(
        None, "8 or 4 bits, by bitsandbytes, for its weights while it teaches, or while its adapter learns", flag=False
    )

    @model_validator(mode="after")
    def _adapter_fits(self):
        if self.shape is not None and self.adapter is not None:
            raise wrong("adapter", "fits weights that have learned, not a shape that is drawn at random; remove it")
        if self.load_in == "int8" and self.adapter is not None:
            raise wrong("load_in", "an adapter learns on whole weights or on nf4; take nf4, or leave load_in out")
        return self


class Teacher(Loaded):
    """The model that teaches, and how it is fine-tuned first."""

    training: Training = Field(default_factory=Training, description="overrides of `training` for the teacher")
    audit: Literal["stop", "warn"] = field("stop", "what a teacher that has not learned layout does")


class Student(Loaded):
    """The model that learns."""

    every_layer_of_teacher: int | None = field(
        None, "build the student from every n-th layer of the teacher (DistilBERT's recipe: 2)", flag=False, ge=2
    )

    @model_validator(mode="after")
    def _bits_hold_still(self):
        if self.load_in is not None and self.adapter is None:
            raise wrong("load_in", f"weights in {self.load_in} are not trained; give adapter, too, or remove it")
        return self


def layers_step(part):
    """Of a model that is built of every n-th layer of another, that n."""
    return getattr(part, "every_layer_of_teacher", None) or part.every or 2


class FurtherModel(Loaded):
    """One more model of the study, by a name of its own: the axes teacher and student take it."""

    layers_of: Reference | None = field(
        None, "build it from layers of this model (PARENT.NAME.healed, too), once that is finished", flag=False
    )
    every: int | None = field(None, "layers_of: keep layers 0, n, 2 n, ...; null: every second", flag=False, ge=2)
    reference: bool = field(False, "it is only judged, beside the others: nothing need be made of it", flag=False)
    training: Training | None = field(
        None, "overrides of `training`: it is fine-tuned first, as the teacher is; null: taken as it is", flag=False
    )

    @model_validator(mode="after")
    def _every_acts(self):
        if self.layers_of is None and self.every is not None:
            raise wrong("every", "goes with layers_of; remove it")
        return self
