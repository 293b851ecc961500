"""What finished jobs took: Snakemake's benchmark files, and the record of what was planned for them.

A finished job calibrates the cost model for its kind (rule and variant): the ratio of measured to reckoned work. So a
cell of five epochs is planned rightly from cells of three, and a study from its pilot.
"""

import csv
import statistics
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from codestill.kit.files import read_json
from codestill.plan.amounts import counted

# The wildcards in the name of a rule's benchmark file, in their order; other rules have none.
WILDCARDS = {
    "teach": ("base",),
    "compress": ("variant",),
    "prepare_task": ("task",),
    "tokenize_task": ("task",),
    "learn_task": ("base",),
    "audit_teacher": ("base",),
    "match_student": ("base",),
    "match_teacher": ("base",),
    "cache_teacher": ("teacher",),
    "distill": ("cell",),
    "shortlist": ("chosen",),
    "distill_later": ("later",),
    "generate": ("benchmark", "model"),
    "generate_part": ("benchmark", "model", "part"),
    "write_text": ("recipe", "author"),
    "tokenize_text": ("recipe", "author"),
    "gather_samples": ("benchmark", "model"),
    "check_benchmark": ("benchmark",),
    "near_copies": ("benchmark",),
    "complete_without_model": ("benchmark", "model"),
    "grade": ("benchmark", "model"),
    "measure_language": ("model",),
    "measure_validation": ("model",),
    "choose": ("chosen",),
    "download_model": ("base",),
    "download_corpus": ("source",),
    "download_benchmark": ("benchmark",),
    "build_model": ("base",),
    "model_card": ("model",),
}
MANY = 64  # benchmark files of one rule that a request reads at most
RECORD = "work/plan/estimates.json"  # below results/<study>


@dataclass(frozen=True)
class FinishedJob:
    """What one finished job took: seconds, peak resident bytes (None where it ended too fast), when it ended."""

    rule: str
    name: str
    seconds: float
    memory: float | None
    ended: float


@dataclass(frozen=True)
class Ratio:
    """Of one kind's finished jobs: start-up and seconds a reckoned second of work takes, lowest, median, highest."""

    startup: float
    low: float
    middle: float
    high: float
    memory: float  # highest ratio of measured to reckoned bytes; 0 where nothing was measured
    count: int
    studies: tuple


def wildcards_of(rule, name):
    """{wildcard: value} of a benchmark file's name."""
    names = WILDCARDS.get(rule, ())
    return dict(zip(names, name.split("/", len(names) - 1), strict=False)) if names else {}


def read_measures(folder, rule, limit=None):
    """The `FinishedJob`s in one rule's folder of benchmark files; torn files are left out."""
    home = Path(folder) / rule
    files = sorted(home.rglob("*.tsv"))
    if limit and len(files) > limit:
        files = files[:: len(files) // limit + 1]
    found = []
    for path in files:
        try:
            with open(path, newline="", encoding="utf-8") as handle:
                rows = list(csv.DictReader(handle, delimiter="\t"))
            name = path.relative_to(home).with_suffix("").as_posix()
            seconds = sum(float(row["s"]) for row in rows) / len(rows)
            found.append(FinishedJob(rule, name, seconds, _bytes(rows[-1].get("max_rss")), path.stat().st_mtime))
        except (OSError, ValueError, KeyError, ZeroDivisionError, TypeError):
            continue
    return found


def _bytes(text):
    """Bytes from the benchmark's MiB; None where Snakemake writes NA, - or 0."""
    try:
        value = float(text) * 2**20
    except (TypeError, ValueError):
        return None
    return value if value > 0 else None


class History:
    """The finished jobs of a study, and of the studies that calibrate it, against the cost model."""

    def __init__(self, costs, limit=None):
        self.costs, self.limit = costs, limit
        self._ratios, self._models = {}, {}

    @cached_property
    def record(self):
        """{rule/name: what the run that made it had reckoned} of this study."""
        return read_record(self.costs.layout.results)

    def measures(self, rule):
        """The finished jobs of one rule in this study."""
        return read_measures(self.costs.layout.benchmarks, rule, self.limit)

    def ratio(self, rule, variant):
        """The `Ratio` of a kind, else of its rule's other kinds; None where no such job has finished."""
        if rule not in self._ratios:
            self._ratios[rule] = self._of_rule(rule)
        kinds = self._ratios[rule]
        return kinds.get(variant) or kinds.get(None)

    def _of_rule(self, rule):
        rows = [(self.costs.layout.study.study, *row) for row in self._own(rule)]
        for other in self.costs.plan.calibrate_from:
            rows += [(other, *row) for row in self._others(other, rule)]
        kinds = {}
        for row in rows:
            kinds.setdefault(row[1], []).append(row)
        found = {kind: _ratio(of_kind) for kind, of_kind in kinds.items()}
        return {**found, None: _ratio(rows)} if rows else {}

    def _own(self, rule):
        """(variant, reckoned start-up, work, memory, measure) of this study's finished jobs."""
        for measure in self.measures(rule):
            planned = self.record.get(f"{rule}/{measure.name}")
            if planned and planned["gpus"] != self._gpus(rule, measure):
                continue  # measured on another kind of device
            if planned:
                work = planned["work"] * self._growth(self.costs.layout.study.study, planned, measure)
                yield planned["variant"], planned["startup"], work, planned["memory"], measure
                continue
            work = self._work(rule, measure)
            if work:
                yield work.variant, work.startup, work.work, work.memory, measure

    def _work(self, rule, measure):
        try:
            return self.costs.of(rule, wildcards_of(rule, measure.name))
        except Exception:  # a file of a cell or benchmark that the config no longer speaks of
            return None

    def _gpus(self, rule, measure):
        work = self._work(rule, measure)
        return work.gpus if work else 0

    def _others(self, study, rule):
        record = read_record(f"results/{study}")
        for measure in read_measures(f"benchmarks/{study}", rule, self.limit):
            planned = record.get(f"{rule}/{measure.name}")
            if planned and bool(planned["gpus"]) == (self.costs.plan.gpus > 0 or not planned["gpus"]):
                work = planned["work"] * self._growth(study, planned, measure)
                yield planned["variant"], planned["startup"], work, planned["memory"], measure

    def _growth(self, study, planned, measure):
        """Work of a finished job by what is counted now, over its work by what was assumed when its run began."""
        try:
            models = self._models_of(study, planned["made"])
            now, then = (one.of(measure.rule, wildcards_of(measure.rule, measure.name)).work for one in models)
        except Exception:  # a cell or benchmark that this config does not speak of, or a record without facts
            return 1.0
        return now / then if then else 1.0

    def _models_of(self, study, made):
        """(cost model by the present facts of a study, cost model by those that a run of it began with)."""
        if (study, made) not in self._models:
            own = study == self.costs.layout.study.study
            facts = read_facts(f"results/{study}" if not own else self.costs.layout.results)[str(made)]
            now = self.costs if own else self.costs.resting_on(facts | counted(f"results/{study}"))
            self._models[study, made] = now, self.costs.resting_on(facts)
        return self._models[study, made]


def read_record(results):
    """What earlier runs of a study had reckoned for their jobs; {} where none has started."""
    path = Path(results) / RECORD
    return read_json(path)["jobs"] if path.is_file() else {}


def read_facts(results):
    """{when a run was planned: the facts that it reckoned with (`Costs.facts`)} of a study."""
    path = Path(results) / RECORD
    return read_json(path).get("facts", {}) if path.is_file() else {}


def _ratio(rows):
    """The `Ratio` of (study, variant, startup, work, memory, measure) rows; the start-up is never above the fastest."""
    measures = [row[5] for row in rows]
    startup = min(statistics.median(row[2] for row in rows), 0.9 * min(one.seconds for one in measures))
    ratios = [(row[5].seconds - startup) / max(row[3], 1e-9) for row in rows]
    memory = max((row[5].memory / row[4] for row in rows if row[5].memory), default=0.0)
    studies = tuple(dict.fromkeys(row[0] for row in rows))
    return Ratio(startup, min(ratios), statistics.median(ratios), max(ratios), memory, len(rows), studies)
