"""The estimate of each job: from the cost model, or from finished jobs of its kind, and which of the two."""

import math
from dataclasses import asdict, dataclass

from codestill.plan.costs import HEAVY, Costs
from codestill.plan.history import MANY, History
from codestill.plan.partition_limits import NONE

MODEL, MEASURED = "model", "measured"
SPREAD = 1.25  # range of a kind of which one job was measured


@dataclass(frozen=True)
class Estimate:
    """One job: seconds with a range, what it holds meanwhile (GPUs, threads, bytes), what it leaves on disk."""

    seconds: float
    low: float
    high: float
    source: str
    count: int  # finished jobs behind it
    gpus: int
    threads: int
    memory: float
    disk: float
    scratch: float
    variant: str
    startup: float
    work: float
    reckoned_memory: float

    def record(self):
        """What a later plan needs to calibrate itself by this job."""
        kept = asdict(self)
        return {name: kept[name] for name in ("seconds", "low", "high", "source", "gpus", "threads")} | {
            "variant": self.variant,
            "startup": self.startup,
            "work": self.work,
            "memory": self.reckoned_memory,
        }


class Estimator:
    """Estimates the jobs of one study. `limit` bounds the benchmark files that are read of a rule."""

    def __init__(self, study, layout, limit=None):
        self.costs = Costs(study, layout)
        self.history = History(self.costs, limit)
        self.uncertainty = study.plan.uncertainty

    def of(self, rule, wildcards):
        """The `Estimate` of one job."""
        work = self.costs.of(rule, wildcards)
        ratio = self.history.ratio(work.rule, work.variant)
        if ratio is None:
            factor, source, count = self.uncertainty, MODEL, 0
            middle, low, high, memory = work.seconds, work.seconds / factor, work.seconds * factor, work.memory
        else:
            source, count = MEASURED, ratio.count
            low, middle, high = (ratio.startup + one * work.work for one in (ratio.low, ratio.middle, ratio.high))
            if count == 1:
                low, high = middle / SPREAD, middle * SPREAD
            memory = work.memory * ratio.memory if ratio.memory else work.memory
        return Estimate(
            middle,
            low,
            high,
            source,
            count,
            work.gpus,
            work.threads,
            memory,
            work.disk,
            work.scratch,
            work.variant,
            work.startup,
            work.work,
            work.memory,
        )


class Requests:
    """What a job asks a cluster for: time and memory from its estimate, doubled with every attempt.

    `limits` (codestill.plan.partition_limits) are where the doubling stops; None sets none.
    """

    def __init__(self, study, layout, limits=None):
        self.estimator = Estimator(study, layout, limit=MANY)
        self.limits = limits or {"gpu": NONE, "cpu": NONE}

    def _limit(self, rule, which):
        return self.limits["gpu" if rule in HEAVY else "cpu"][which]

    def minutes(self, rule, wildcards, attempt=1):
        """Minutes: half as much again as the estimate's upper end, ten at least."""
        high = self.estimator.of(rule, wildcards).high
        asked = max(10, math.ceil(high * 1.5 / 60)) * 2 ** (attempt - 1)
        return int(min(asked, self._limit(rule, 0)))

    def megabytes(self, rule, wildcards, attempt=1):
        """MB: a third above what was measured, twice what was reckoned, 2,000 at least."""
        found = self.estimator.of(rule, wildcards)
        factor = 1.33 if found.source == MEASURED else 2.0
        asked = max(2000, math.ceil(found.memory * factor / 1e6)) * 2 ** (attempt - 1)
        return int(min(asked, self._limit(rule, 1)))

    def attempts(self, rule, wildcards, most=100):
        """How many attempts a resumed job takes, by the estimate's upper end; at most `most`."""
        needed, granted = self.estimator.of(rule, wildcards).high / 60, 0.0
        for attempt in range(1, most):
            granted += self.minutes(rule, wildcards, attempt)
            if granted >= needed:
                return attempt
        return most
