"""The plan of a study: every job with its estimate and its causes, and their sums by rule, experiment and device.

A plan is made from the jobs of a graph and an `Estimator`; it knows nothing of Snakemake.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from codestill.kit.imports import SCRIPTS
from codestill.plan.causes import CODE, UPSTREAM
from codestill.plan.costs import Costs
from codestill.plan.estimates import MEASURED
from codestill.plan.schedule import critical_path, makespan
from codestill.study.grid import build_grid
from codestill.study.layout import Layout

HOUR = 3600.0
FLEETS = (1, 2, 4, 8, 16)


@dataclass
class Sum:
    """Jobs added up. Hours are of GPUs and of CPU cores as they are held; a job on a GPU counts no core hours."""

    jobs: int = 0
    seconds: float = 0.0
    gpu_hours: float = 0.0
    gpu_low: float = 0.0
    gpu_high: float = 0.0
    cpu_hours: float = 0.0
    cpu_low: float = 0.0
    cpu_high: float = 0.0
    disk: float = 0.0
    sources: Counter = field(default_factory=Counter)

    def add(self, estimate):
        """Count one job."""
        self.jobs += 1
        self.seconds += estimate.seconds
        self.disk += estimate.disk
        self.sources[estimate.source] += 1
        held = estimate.gpus or estimate.threads
        hours = [held * one / HOUR for one in (estimate.seconds, estimate.low, estimate.high)]
        if estimate.gpus:
            self.gpu_hours, self.gpu_low, self.gpu_high = _plus(self.gpu_hours, self.gpu_low, self.gpu_high, hours)
        else:
            self.cpu_hours, self.cpu_low, self.cpu_high = _plus(self.cpu_hours, self.cpu_low, self.cpu_high, hours)

    @property
    def source(self):
        """Where the estimates are from, in words."""
        if len(self.sources) > 1:
            return f"measured {self.sources[MEASURED]}/{self.jobs}"
        return next(iter(self.sources), "-")


def _plus(middle, low, high, hours):
    return middle + hours[0], low + hours[1], high + hours[2]


class Plan:
    """What will run and what it takes."""

    def __init__(self, study, layout, jobs, estimator):
        self.study, self.layout, self.jobs, self.estimator = study, layout, jobs, estimator
        self.settings = study.plan
        self.estimates = {}
        for job in jobs:
            found = estimator.of(job.rule, job.wildcards)
            self.estimates[job.number] = _as_run(found, job)

    @property
    def running(self):
        """The jobs that will run."""
        return [job for job in self.jobs if job.run]

    def total(self, jobs=None):
        """The `Sum` of `jobs`, or of all that will run."""
        found = Sum()
        for job in self.running if jobs is None else jobs:
            found.add(self.estimates[job.number])
        return found

    def cost(self, found):
        """The price of a `Sum`; None where the config names none."""
        price = self.settings.price_per_gpu_hour
        return None if price is None else found.gpu_hours * price

    def in_bf16(self):
        """The `Sum` of what will run, were what GPUs multiply in float32 multiplied in bf16; None where nothing is.

        Each job takes the share of its estimate that the cost model gives the one over the other.
        """
        study = _in_bf16(self.study)
        if study == self.study or not any(self.estimates[job.number].gpus for job in self.running):
            return None
        own, other = self.estimator.costs, Costs(study, Layout(study, build_grid(study)))
        found = Sum()
        for job in self.running:
            one = self.estimates[job.number]
            if one.gpus:
                share = other.of(job.rule, job.wildcards).seconds / own.of(job.rule, job.wildcards).seconds
                one = replace(one, seconds=one.seconds * share, low=one.low * share, high=one.high * share)
            found.add(one)
        return found

    # -- by rule and experiment --------------------------------------------------------------------------------

    def rules(self):
        """{rule: Sum} of what will run, the longest first."""
        found = {}
        for job in self.running:
            found.setdefault(job.rule, []).append(job)
        sums = {rule: self.total(jobs) for rule, jobs in found.items()}
        return dict(sorted(sums.items(), key=lambda item: -item[1].seconds))

    def queries(self):
        """{name: cells} of the controls, the experiments and the sweeps."""
        grid = self.layout.grid
        return {"controls": grid.controls, **grid.experiments, **{f"sweep_{n}": c for n, c in grid.sweeps.items()}}

    def experiments(self):
        """A row for each experiment and sweep: its cells (new, shared, done), its jobs and their sums.

        New cells are trained for it alone, shared ones for others too; `own` sums what would be saved without it.
        """
        by_model = {}
        for job in self.jobs:
            by_model.setdefault(job.model, []).append(job)
        trained = {job.model: job for job in self.jobs if job.rule == "distill"}
        asked = Counter(cell for cells in self.queries().values() for cell in dict.fromkeys(cells))
        rows = []
        for name, cells in self.queries().items():
            cells = [cell for cell in dict.fromkeys(cells) if cell in trained]
            todo = [cell for cell in cells if trained[cell].run]
            shared = [cell for cell in todo if asked[cell] > 1]
            jobs = [job for cell in cells for job in by_model[cell] if job.run]
            own = [job for cell in cells if asked[cell] == 1 for job in by_model[cell] if job.run]
            row = {"name": name, "cells": len(cells), "new": len(todo) - len(shared), "shared": len(shared)}
            rows.append(row | {"done": len(cells) - len(todo), "all": self.total(jobs), "own": self.total(own)})
        common = [job for job in self.running if job.model not in asked]
        rows.append({"name": "for all", "cells": 0, "new": 0, "shared": 0, "done": 0})
        rows[-1] |= {"all": self.total(common), "own": self.total(common)}
        return rows

    def cells(self):
        """(new, shared, done) over the whole grid, each cell once."""
        asked = Counter(cell for cells in self.queries().values() for cell in dict.fromkeys(cells))
        trained = [job for job in self.jobs if job.rule == "distill"]
        todo = [job for job in trained if job.run]
        shared = sum(1 for job in todo if asked[job.model] > 1)
        return len(todo) - shared, shared, len(trained) - len(todo)

    def later(self):
        """How many finalists and fresh models are to be trained (or copied, where they turn out to be cells)."""
        return sum(1 for job in self.running if job.rule == "distill_later")

    # -- time --------------------------------------------------------------------------------------------------

    def path(self):
        """(seconds, jobs) of the longest chain of jobs that wait for each other."""
        seconds, numbers = critical_path(*self._graph()[:2])
        at = {job.number: job for job in self.jobs}
        return seconds, [at[number] for number in numbers]

    def times(self, cores):
        """{GPUs: seconds} where the plan has GPU jobs, else {0: seconds on `cores` cores}."""
        graph, seconds, demand = self._graph()
        if not any(gpus for gpus, _ in demand.values()):
            return {0: makespan(graph, seconds, demand, 0, cores)}
        fleets = sorted({*FLEETS, self.settings.gpus} - {0})
        return {gpus: makespan(graph, seconds, demand, gpus) for gpus in fleets}

    def _graph(self):
        running = self.running
        graph = {job.number: job.needs for job in running}
        seconds = {job.number: self.estimates[job.number].seconds for job in running}
        held = {number: (self.estimates[number].gpus, self.estimates[number].threads) for number in graph}
        return graph, seconds, held

    def scratch(self):
        """Bytes of checkpoints while as many trainings run as there are GPUs (else one), and of temporary states."""
        sizes = {"cache_teacher": [], "others": []}
        for job in self.running:
            sizes[job.rule if job.rule in sizes else "others"].append(self.estimates[job.number].scratch)
        largest = sorted(sizes["others"], reverse=True)[: max(1, self.settings.gpus)]
        return sum(largest) + sum(sizes["cache_teacher"])

    def teacher(self):
        """How the teacher teaches: the decision and why, and bytes and hours of one pass and of passes in each cell.

        Hours are of a GPU where the study has some, else of the cores of one job.
        """
        costs = self.estimator.costs
        chosen, amounts = costs.teacher_pass, costs.amounts
        hours = {
            "stored": costs.states_seconds(chosen.stored_tokens(amounts)) / HOUR,
            "online": costs.states_seconds(chosen.online_tokens(amounts)) / HOUR,
        }
        on_gpu = costs.on_gpu(self.layout.states_device)
        price = self.settings.price_per_gpu_hour if on_gpu else None
        return {
            "pass": "cache" if chosen.stored else "online",
            "reason": chosen.reason,
            "in_few_bits": self._in_few_bits(),
            "disk_bytes": sum(chosen.bytes(amounts, costs.architecture_of).values()),
            "hours": hours,
            "cost": {way: price and price * one for way, one in hours.items()},
        }

    def _in_few_bits(self):
        """{teacher: bits} of the teachers whose weights are in few bits while they teach."""
        graph, cells = self.layout.graph, self.layout.grid.cells
        teachers = {graph.teacher_of(cell) for cell in cells.values() if cell.taught}
        return {name: graph.bits_of(name) for name in sorted(teachers) if graph.bits_of(name)}

    # -- causes ------------------------------------------------------------------------------------------------

    def causes(self):
        """{cause in words: [jobs]} of what makes jobs run, most frequent first; what only follows is left out."""
        found = {}
        for job in self.running:
            for cause in job.causes:
                if cause.kind != UPSTREAM:
                    found.setdefault((cause.kind, cause.detail), []).append(job)
        return dict(sorted(found.items(), key=lambda item: -len(item[1])))

    def only_code(self):
        """The jobs that would rerun only because code was edited: theirs, or of a job before them alike."""
        found = {}
        for job in self.jobs:  # each after those that it needs
            if not job.run:
                continue
            upstream = [found.get(need, False) for need in job.needs if self._at(need).run]
            kinds = {cause.kind for cause in job.causes} - {UPSTREAM}
            found[job.number] = kinds <= {CODE} and (CODE in kinds or bool(upstream)) and all(upstream)
        return [job for job in self.running if found[job.number]]

    def _at(self, number):
        return self.jobs[number]

    def edited(self, path):
        """The jobs that an edit of a file would run: those that run or read it and all that follow them.

        `path` is told from here or, for code, from the workflow's folder.
        """
        files = {Path(path).resolve(), SCRIPTS.parent / path}
        code = {file.relative_to(SCRIPTS).as_posix() for file in files if file.is_relative_to(SCRIPTS)}
        touched = set()
        for job in self.jobs:
            if code & job.code.keys() or path in job.input or job.needs & touched:
                touched.add(job.number)
        return [job for job in self.jobs if job.number in touched]


def _in_bf16(study):
    """The study with bf16 wherever it has float32, but for models that no GPU trains."""

    def changed(part):
        usual = part is not None and part.precision == "float32" and part.device != "cpu"
        return part.model_copy(update={"precision": "bf16"}) if usual else part

    def taught(part):
        return part.model_copy(update={"training": changed(part.training)})

    parts = {"training": changed(study.training), "teacher": taught(study.teacher)}
    parts |= {"models": {name: taught(one) for name, one in study.models.items()}}
    return study.model_copy(update=parts | {"generation": changed(study.generation)})


def _as_run(estimate, job):
    """The estimate with the threads and GPUs that the graph gives the job."""
    gpus = max(estimate.gpus, job.gpus) if estimate.gpus else 0
    return replace(estimate, gpus=gpus, threads=job.threads)
