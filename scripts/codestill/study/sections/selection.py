"""The config's section `selection`: how the settings of the headline are chosen among the candidates."""

from typing import Literal

from codestill.study.section import Name, Section, field

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
