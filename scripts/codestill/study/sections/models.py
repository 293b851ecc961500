"""The config's sections `teacher`, `student`, `models`, `vocabulary`: where models come from, and their token ids."""

import re
from typing import Literal

from pydantic import Field, model_validator

from codestill.study.section import Name, Section, Seed, field, wrong
from codestill.study.sections.training import Training

ORIGINS = ("name", "shape", "every_layer_of_teacher", "layers_of")


class Origin(Section):
    """Where a model comes from: the hub or a folder (`name`), or a shape that is trained from scratch (`shape`)."""

    name: str | None = field(None, "of the hub (owner/name), a folder, a GGUF file, or package:NAME/FILE", min_length=1)
    revision: str | None = field(None, "commit, tag or branch on the hub; null means main")
    seed: Seed = field(42, "of random weights; the teacher's training too", flag=False)
    shape: dict[str, str | int | float | bool] | None = field(
        None, "a transformers config (model_type and sizes) to start from random weights", flag=False
    )

    @model_validator(mode="after")
    def _one_origin(self):
        origins = [key for key in ORIGINS if getattr(self, key, None) is not None]
        if len(origins) != 1:
            raise ValueError(f"give exactly one origin of the model (name or shape), not {origins or 'none'}")
        if self.shape is not None and "model_type" not in self.shape:
            raise wrong("shape", "needs model_type, for example model_type: gpt2")
        for key, value in (self.shape or {}).items():
            if isinstance(value, str) and re.fullmatch(r"[-+]?[\d._]+(e[-+]?\d+)?", value, re.I):
                raise wrong(f"shape.{key}", f"is the text {value!r}, where a number is meant; take its quotes away")
        if self.revision is not None and self.name is None:
            raise wrong("revision", "goes with name; remove it")
        return self


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


class Vocabulary(Section):
    """How teacher and student come to share token ids."""

    policy: Literal["transfer", "same", "shared"] = field(
        "transfer", "transfer: student takes the teacher's tokenizer; same; shared: teacher's extends it"
    )
    embeddings: Literal["pieces", "teacher"] = field(
        "pieces", "transfer only: new rows from the student's pieces, or the teacher's rows"
    )
    size: int = field(2048, "tokens of the byte-level BPE that is trained where the teacher is a shape", ge=258)

    @model_validator(mode="after")
    def _acts(self):
        if self.policy != "transfer" and self.embeddings != "pieces":
            raise wrong("embeddings", f"acts where policy is transfer, not {self.policy}; remove it")
        return self
