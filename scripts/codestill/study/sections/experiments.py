"""The config's sections `experiments` and `sweeps`: named queries over cells."""

from pydantic import Field

from codestill.study.section import Section, Seed

# bool stands here, and first, so that `true` arrives as itself and is refused, rather than as 1.
Scalar = bool | str | int | float | None
Values = Scalar | list[Scalar]


class Query(Section):
    """A set of cells: the product of `grid`'s lists and of the rows of `zip`, less `exclude`, for each seed."""

    grid: dict[str, Values] = Field(default_factory=dict, description="axis: value or list; all combinations")
    zip: dict[str, list[Scalar]] = Field(default_factory=dict, description="axis: list; walked in step")
    exclude: list[dict[str, Scalar]] = Field(default_factory=list, description="partial cells to leave out")
    seeds: list[Seed] | None = Field(None, min_length=1, description="seeds of these cells; null means the study's")
