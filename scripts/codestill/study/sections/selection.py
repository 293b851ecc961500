"""The config's section `selection`: how the settings of the headline are chosen among the candidates."""

from typing import Literal

from codestill.study.section import Name, Section, Seeds, field

PASS, BODIES, LOSS = "pass@1", "bodies_exact", "eval_loss"


class Selection(Section):
    """By which measure, and on what, a setting is chosen; never on a benchmark that is reported."""

    by: Literal["auto", "pass@1", "bodies_exact", "eval_loss"] = field(
        "auto",
        "pass@1 on a development benchmark; bodies_exact (function bodies predicted to the last token) or eval_loss "
        "(CE a token) on validation functions; auto: pass@1 where a benchmark is for development, else bodies_exact",
        flag=False,
    )
    on: Name | None = field(None, "pass@1 only: which development benchmark; null: the study's first", flag=False)
    finalists: int = field(
        0, "so many settings of each side (all of one with fewer), the best by the seeds that they have, are trained "
        "on all of the study's seeds before one is chosen; 0: every candidate is judged by the seeds that it has",
        flag=False, ge=0,
    )  # fmt: skip
    fresh_seeds: Seeds = field(
        [], "the chosen settings are trained with these too; they did not choose, so the headline is theirs", flag=False
    )
