"""One job of a plan, as plain data."""

from dataclasses import dataclass, field


@dataclass
class PlannedJob:
    """One job. `needs` holds the numbers of the jobs whose files it reads; `run` says whether it will run."""

    number: int
    rule: str
    name: str  # of its benchmark file: wildcards joined by slashes, else the rule's name
    wildcards: dict
    threads: int
    gpus: int  # as its resources ask for them; 0 where they say nothing
    input: list
    output: list
    work: str | None  # its undeclared folder
    code: dict  # {file, from the scripts' folder: digest} of what it runs
    run: bool
    needs: set = field(default_factory=set)
    causes: list = field(default_factory=list)

    @property
    def key(self):
        return f"{self.rule}/{self.name}"

    @property
    def model(self):
        """The model that the job makes or judges; None for jobs of the whole study."""
        named = (self.wildcards.get(name) for name in ("cell", "model", "chosen", "later"))
        return next((name for name in named if name), None)
