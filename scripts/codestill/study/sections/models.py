"""The config's sections `teacher`, `student`, `models`: where they come from, and how they are trained first."""

from typing import Literal

from pydantic import Field, model_validator

from codestill.study.section import Name, field, wrong
from codestill.study.sections.origins import Origin
from codestill.study.sections.training import Training


class Teacher(Origin):
    """The model that teaches, and how it is fine-tuned first."""

    training: Training = Field(default_factory=Training, description="overrides of `training` for the teacher")
    audit: Literal["stop", "warn"] = field("stop", "what a teacher that has not learned layout does")


class Student(Origin):
    """The model that learns."""

    every_layer_of_teacher: int | None = field(
        None, "build the student from every n-th layer of the teacher (DistilBERT's recipe: 2)", flag=False, ge=2
    )


def layers_step(part):
    """Of a model that is built of every n-th layer of another, that n."""
    return getattr(part, "every_layer_of_teacher", None) or part.every or 2


class FurtherModel(Origin):
    """One more model of the study, by a name of its own: the axes teacher and student take it."""

    layers_of: Name | None = field(None, "build it from layers of this model, once that is finished", flag=False)
    every: int | None = field(None, "layers_of: keep layers 0, n, 2 n, ...; null: every second", flag=False, ge=2)
    training: Training | None = field(
        None, "overrides of `training`: it is fine-tuned first, as the teacher is; null: taken as it is", flag=False
    )

    @model_validator(mode="after")
    def _every_acts(self):
        if self.layers_of is None and self.every is not None:
            raise wrong("every", "goes with layers_of; remove it")
        return self
