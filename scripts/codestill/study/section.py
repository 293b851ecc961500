"""What every part of a config is made of: its base class and the types that its fields share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # numpy takes no other
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+-]*(_[A-Za-z0-9.+-]+)*$", max_length=60)]


def wrong(field, message):
    """What a validator of a whole section raises where one of its fields is at fault: the message names that one."""
    return PydanticCustomError("wrong", "{message}", {"message": message, "field": field})


class Section(BaseModel):
    """A part of the config: unknown fields are errors, and so is `true` where a number is meant."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth(cls, value):
        # No field of a config is a truth value; pydantic would read true as 1, and YAML reads yes, no, on and off so.
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, bool):
                raise ValueError(f"must not be {str(one).lower()}; YAML reads yes, no, on and off so: quote a word")
        return value
