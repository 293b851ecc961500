"""What every part of a config is made of: its base class, the types that fields share, and how a field is declared.

A field is declared once, by `field`: its type, bounds, default and words, and what else is known of it. From there come
the schema, config/README.md, the flags of the programs and of the rules (study/flags.py), the cells and their names
(study/cell.py), and the facts under which a checkpoint may be resumed.
"""

import typing
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError, PydanticUndefined


def _distinct(values):
    if len(set(values)) < len(values):
        raise ValueError("must be distinct")
    return values


Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # numpy takes no other
Seeds = Annotated[list[Seed], AfterValidator(_distinct)]
_WORD = r"^[A-Za-z0-9][A-Za-z0-9.+-]*(_[A-Za-z0-9.+-]+)*$"
MAX_NAME = 200  # bytes of a model's name: what its folder and a suffix take of the 255 that a file system gives
Name = Annotated[str, Field(pattern=_WORD, max_length=60)]
Reference = Annotated[str, Field(pattern=_WORD, max_length=MAX_NAME)]  # a name, or one that the study made of several
References = Annotated[list[Reference], Field(min_length=1), AfterValidator(_distinct)] | Reference
Precision = typing.Literal["float32", "bf16", "fp16"]
Device = typing.Literal["auto", "cpu", "cuda"]


def field(
    default=PydanticUndefined, words="", *, axis=None, flag=None, machine=False, taught=False, escaped=False, **more
):
    """One field of a section, with pydantic's bounds in `more`.

    words: what it means, with units. axis: its key in cells' names, where it may be an axis of a grid. flag: its name
    on the command line where that is not its own; False where no program takes it. machine: it changes how a job runs
    and no result. taught: it acts only where there is a teacher. escaped: a newline is written \\n on a command line.
    """
    known = {"axis": axis, "flag": flag, "machine": machine or None, "taught": taught or None}
    known = {name: value for name, value in {**known, "escaped": escaped or None}.items() if value is not None}
    return Field(default, description=words, json_schema_extra={"x-codestill": known} if known else None, **more)


def known_of(info):
    """What `field` was told of a field beside pydantic's part, {} where nothing."""
    return (info.json_schema_extra or {}).get("x-codestill", {})


def parts_of(annotation):
    """The plain types in an annotation: those of its choices and of its lists' members."""
    inner = typing.get_args(annotation)
    if typing.get_origin(annotation) is Annotated:
        return parts_of(inner[0])
    if typing.get_origin(annotation) is typing.Literal or not inner:
        return [annotation]
    return [part for one in inner for part in parts_of(one)]


def takes_null(info):
    """Whether a field may be null."""
    return type(None) in parts_of(info.annotation)


def wrong(name, message):
    """What a validator of a whole section raises where one of its fields is at fault: the message names that one."""
    return PydanticCustomError("wrong", "{message}", {"message": message, "field": name})


class Section(BaseModel):
    """A part of the config: unknown fields are errors, and so is `true` where a number is meant."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth(cls, value, about):
        # pydantic would read true as 1, and YAML reads yes, no, on and off so.
        if bool in parts_of(cls.model_fields[about.field_name].annotation):
            return value
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, bool):
                raise ValueError(f"must not be {str(one).lower()}; YAML reads yes, no, on and off so: quote a word")
        return value

    def check_kind(self, kinds):
        """Raise where a field does not go with this section's `kind`, by the entries {kind: {takes, needs}}."""
        for name in kinds[self.kind].get("needs", ()):
            if getattr(self, name) is None:
                raise wrong(name, f"missing; the kind {self.kind} needs {name}")
        for name in dict.fromkeys(name for entry in kinds.values() for name in entry.get("takes", ())):
            takers = [kind for kind, entry in kinds.items() if name in entry.get("takes", ())]
            usual = type(self).model_fields[name].get_default(call_default_factory=True)
            if getattr(self, name) != usual and self.kind not in takers:
                raise wrong(name, f"acts on the kind {' or '.join(takers)}, not on {self.kind}; remove it")
