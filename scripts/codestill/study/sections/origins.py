"""Where a model of a study comes from: what the config's sections of models share, apart from how they are trained."""

import re

from pydantic import model_validator

from codestill.study.section import Section, Seed, field, wrong

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
