"""Why a job of a plan runs: the kinds of causes, by Snakemake's own triggers."""

from dataclasses import dataclass

MISSING, PARAMETER, CODE, INPUT = "missing", "parameter", "code", "input"
SOFTWARE, FORCED, INCOMPLETE, UPSTREAM = "software", "forced", "incomplete", "upstream"


@dataclass(frozen=True)
class Cause:
    """One reason: its kind and what exactly it is."""

    kind: str
    detail: str = ""

    def __str__(self):
        return f"{self.kind}: {self.detail}" if self.detail else self.kind
