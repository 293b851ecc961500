"""What every part of a config is made of: its base class and the types that its fields share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+-]*(_[A-Za-z0-9.+-]+)*$", max_length=60)]


class Section(BaseModel):
    """A part of the config: unknown fields are errors, and so is a string where a boolean is meant."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
