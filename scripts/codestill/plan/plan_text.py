"""A plan in words: tables for a terminal, Markdown for a pull request, and plain data for JSON."""

import shlex

from codestill.plan.budget import compared
from codestill.plan.plan import HOUR

SHOWN = 12  # causes, stranded outputs and jobs of the critical path that a text shows


def duration(seconds):
    """Seconds as a reader takes them in: 42 s, 12 min, 3.4 h, 2.1 d."""
    for limit, unit, size in ((120, "s", 1), (7200, "min", 60), (172800, "h", 3600)):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}" if unit != "h" else f"{seconds / size:.1f} h"
    return f"{seconds / 86400:.1f} d"


def size(count):
    """Bytes as a reader takes them in."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def hours(middle, low, high):
    """Hours with their range; a dash for none."""
    if not middle:
        return "-"
    digits = 3 if middle < 0.1 else 2 if middle < 10 else 1
    return f"{middle:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def short(text, most):
    """A text of at most so many characters."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def table(rows, markdown):
    """Rows of text, the first the head, aligned: first column left, the others right."""
    rows = [[str(cell).replace("|", "\\|") if markdown else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    if markdown:
        head = "|" + "|".join("---" if not column else "---:" for column in range(len(widths))) + "|"
        lines = ["| " + " | ".join(row) + " |" for row in rows]
        return [lines[0], head, *lines[1:]]
    lines = []
    for row in rows:
        first, *others = [
            cell.ljust(width) if not column else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  " + "  ".join([first, *others]).rstrip())
    return lines


def _sums(found):
    gpu = hours(found.gpu_hours, found.gpu_low, found.gpu_high)
    return [found.jobs, gpu, hours(found.cpu_hours, found.cpu_low, found.cpu_high), size(found.disk), found.source]


def _price(plan, found):
    cost = plan.cost(found)
    return "-" if cost is None else f"{cost:,.2f} {plan.settings.currency}"


def _gpu_hours(plan, found):
    price = "" if plan.cost(found) is None else f" ({_price(plan, found)})"
    return f"{found.gpu_hours:,.1f} GPU-hours{price}"


class PlanText:
    """Writes one plan; `markdown` chooses the form. `cores` bounds a plan without GPUs."""

    def __init__(self, plan, cores, stranded=None, edits=(), configfiles=(), markdown=False, config=()):
        self.plan, self.cores, self.stranded, self.edits = plan, cores, stranded, edits
        self.configfiles, self.markdown, self.config = configfiles, markdown, config
        self.lines = []

    def _head(self, text):
        self.lines += ["", f"## {text}" if self.markdown else text, *([""] if self.markdown else [])]

    def _table(self, rows):
        self.lines += table(rows, self.markdown)

    def _items(self, items):
        self.lines += [f"- {item}" if self.markdown else f"  {item}" for item in items]

    def write(self):
        """The whole plan as text."""
        total = self.plan.total()
        name = self.plan.study.study
        title = f"Plan of the study {name}"
        self.lines = [f"# {title}" if self.markdown else title]
        if total.jobs:
            self._totals(total)
            self._experiments()
            self._rules(total)
            self._teacher()
            self._causes()
            self._path()
            self._sources()
        else:
            self.lines += ["", "Nothing to be done: every output that was asked for is up to date."]
        self._code()
        self._edits()
        self._stranded()
        self._compared()
        return "\n".join(self.lines).strip() + "\n"

    def _totals(self, total):
        new, shared, done = self.plan.cells()
        self._head("In all")
        rows = [["what", "planned (range)"]]
        rows.append(["jobs", f"{total.jobs:,}"])
        rows.append(["cells to train", f"{new + shared:,} ({shared:,} shared by experiments; {done:,} done already)"])
        if self.plan.layout.graph.later:
            rows.append(["finalists and fresh cells to train", f"{self.plan.later():,}"])
        rows.append(["GPU-hours", hours(total.gpu_hours, total.gpu_low, total.gpu_high)])
        rows.append(["core-hours of CPU jobs", hours(total.cpu_hours, total.cpu_low, total.cpu_high)])
        rows.append(["cost", _price(self.plan, total)])
        rows.append(["disk that stays", size(total.disk)])
        rows.append(["disk meanwhile (checkpoints, caches)", size(self.plan.scratch())])
        rows.append(["longest chain of jobs", duration(self.plan.path()[0])])
        for gpus, seconds in self.plan.times(self.cores).items():
            where = f"{gpus} GPU{'s' * (gpus > 1)}" if gpus else f"{self.cores} cores"
            rows.append([f"time on {where}", duration(seconds)])
        self._table(rows)
        half = self.plan.in_bf16()
        if half and half.gpu_hours < 0.95 * total.gpu_hours:
            told, less = (_gpu_hours(self.plan, one) for one in (total, half))
            self.lines += ["", f"float32, as asked: {told}; training.precision and generation.precision bf16: {less}."]
        limit = self.plan.settings.max_gpu_hours
        if limit is not None and total.gpu_hours > limit:
            self.lines += ["", f"Above plan.max_gpu_hours ({limit:g}): a run would refuse to start."]

    def _experiments(self):
        self._head("By experiment (a cell that several ask for stands in each; new: for it alone)")
        rows = [["experiment", "cells", "new", "shared", "done", "jobs", "GPU-hours", "core-hours", "disk", "source"]]
        rows[0].append("without it, saved")
        for row in self.plan.experiments():
            own = row["own"].gpu_hours or row["own"].cpu_hours
            cells = [row[key] if row["cells"] else "-" for key in ("cells", "new", "shared", "done")]
            saved = f"{own:.2f} h" if row["cells"] else "-"
            rows.append([row["name"], *cells, *_sums(row["all"]), saved])
        self._table(rows)

    def _rules(self, total):
        self._head("By rule")
        rows = [["rule", "jobs", "GPU-hours", "core-hours", "disk", "source", "cost"]]
        for rule, found in {**self.plan.rules(), "in all": total}.items():
            rows.append([rule, *_sums(found), _price(self.plan, found)])
        self._table(rows)

    def _teacher(self):
        if not self.plan.layout.taught:
            return
        told = self.plan.teacher()
        self._head("The teacher's states")
        stored = told["pass"] == "cache"
        what = "stored once for all cells" if stored else "the teacher runs within each training"
        rows = [["way", "hours of its body", "cost", "disk"]]
        for way, disk in (("stored", size(told["disk_bytes"])), ("online", "-")):
            cost = told["cost"][way]
            price = "-" if cost is None else f"{cost:,.2f} {self.plan.settings.currency}"
            rows.append([way, f"{told['hours'][way]:.3g}", price, disk])
        self._items([f"{what} ({told['reason']})"])
        for name, bits in told["in_few_bits"].items():
            words = "not the model in full precision; each cell records its KL from that, and the report says it"
            self._items([f"{name} teaches in {bits} (load_in): {words}"])
        self._table(rows)

    def _causes(self):
        self._head("Why they run (jobs after these follow)")
        causes = list(self.plan.causes().items())
        rows = [["why", "jobs", "which"]]
        for (kind, detail), jobs in causes[:SHOWN]:
            rules = ", ".join(dict.fromkeys(job.rule for job in jobs))
            which = jobs[0].key if len(jobs) == 1 else rules
            rows.append([short(f"{kind}: {detail}" if detail else kind, 100), len(jobs), short(which, 60)])
        self._table(rows)
        if len(causes) > SHOWN:
            self._items([f"... and {len(causes) - SHOWN} more (--json has them all)"])

    def _path(self):
        self._head("Longest chain of jobs")
        _, jobs = self.plan.path()
        last = [f"{job.key}: {duration(self.plan.estimates[job.number].seconds)}" for job in jobs]
        self._items(last[:SHOWN])

    def _sources(self):
        self._head("What the estimates rest on")
        device = self.plan.settings.gpu if self.plan.settings.gpus else self.plan.settings.core
        where = "one GPU" if self.plan.settings.gpus else "one core"
        rate = f"{where} at {device.float32:.3g} FLOP/s in float32, {device.half:.3g} in half precision (plan section)"
        others = self.plan.settings.calibrate_from
        self._items(
            [
                *self.plan.estimator.costs.notes,
                rate,
                f"source 'model': the cost model, range a factor {self.plan.settings.uncertainty:g} both ways",
                "source 'measured': finished jobs of the same kind, median, lowest and highest"
                + (f"; also from {', '.join(others)}" if others else ""),
            ]
        )

    def _code(self):
        jobs = self.plan.only_code()
        if not jobs:
            return
        found = self.plan.total(jobs)
        cells = [job for job in jobs if job.rule == "distill"]
        self._head("Would rerun only because code changed")
        spent = f"{hours(found.gpu_hours, found.gpu_low, found.gpu_high)} GPU-hours, "
        spent += f"{hours(found.cpu_hours, found.cpu_low, found.cpu_high)} core-hours"
        self._items([f"{len(jobs)} jobs, {len(cells)} of them cells: {spent}"])
        self._items(["to accept them as they are:", f"    {accept_command(self.plan, self.configfiles, self.config)}"])

    def _edits(self):
        for path in self.edits:
            jobs = self.plan.edited(path)
            found = self.plan.total(jobs)
            cells = sum(job.rule == "distill" for job in jobs)
            spent = f"{hours(found.gpu_hours, found.gpu_low, found.gpu_high)} GPU-hours, "
            spent += f"{hours(found.cpu_hours, found.cpu_low, found.cpu_high)} core-hours"
            self._head(f"An edit of {path} would run")
            self._items([f"{len(jobs)} jobs, {cells} of them cells: {spent}" if jobs else "nothing"])

    def _stranded(self):
        if not self.stranded:
            return
        self._head(f"Stranded: no job of this study makes them ({size(sum(self.stranded.values()))})")
        self._table([["path", "size"], *([path, size(count)] for path, count in list(self.stranded.items())[:SHOWN])])
        if len(self.stranded) > SHOWN:
            self._items([f"... and {len(self.stranded) - SHOWN} more (--json has them all)"])

    def _compared(self):
        rows = compared(self.plan.layout)
        if not rows:
            return
        self._head("Estimate against actual, finished jobs (hours of GPUs, else of cores)")
        shown = [["rule", "jobs", "estimate", "actual", "actual/estimate"]]
        total = {name: sum(row[name] for row in rows) for name in ("jobs", "estimated", "actual")}
        for row in [*rows, {"rule": "in all", **total}]:
            share = row["actual"] / row["estimated"] if row["estimated"] else 0
            shown.append([row["rule"], row["jobs"], f"{row['estimated']:.3f}", f"{row['actual']:.3f}", f"{share:.2f}"])
        self._table(shown)


def accept_command(plan, configfiles, values=()):
    """The command that accepts what would rerun only because code changed, and nothing else."""
    config = "".join(f" --configfile {one}" for one in configfiles)  # plan.py's form
    config += "".join(f" --config {shlex.quote(one)}" for one in values)
    theirs = f" --configfile {' '.join(configfiles)}" if configfiles else ""
    theirs += f" --config {' '.join(map(shlex.quote, values))}" if values else ""
    accepted = {job.number for job in plan.only_code()}
    others = [job for job in plan.running if job.number not in accepted]
    # With no other changed job, all is accepted at once; jobs whose outputs are missing are not made by a touch.
    if all(any(cause.kind == "missing" and not cause.detail for cause in job.causes) for job in others):
        return f"snakemake{theirs} --cores 1 --touch"
    return f"snakemake{theirs} --cores 1 --touch $(python scripts/plan.py{config} --acceptable)"


def acceptable(plan):
    """The outputs to touch: one file of each last job among those of `only_code`."""
    jobs = plan.only_code()
    followed = {need for job in jobs for need in job.needs}
    return [job.output[0] for job in jobs if job.number not in followed]


def _plain(found):
    return {
        "jobs": found.jobs,
        "gpu_hours": [found.gpu_low, found.gpu_hours, found.gpu_high],
        "core_hours": [found.cpu_low, found.cpu_hours, found.cpu_high],
        "disk_bytes": found.disk,
        "sources": dict(found.sources),
    }


def as_data(plan, cores, stranded=None, edits=()):
    """The plan as plain data for JSON; ranges are [low, middle, high]."""
    seconds, path = plan.path()
    keys = {job.number: job.key for job in plan.running}
    only = {job.number for job in plan.only_code()}
    new, shared, done = plan.cells()
    jobs = []
    for job in plan.running:
        estimate = plan.estimates[job.number]
        row = {"rule": job.rule, "name": job.name, "gpus": estimate.gpus, "threads": estimate.threads}
        row |= {"seconds": [estimate.low, estimate.seconds, estimate.high], "source": estimate.source}
        row |= {"needs": sorted(keys[need] for need in job.needs if need in keys)}
        row |= {"causes": [{"kind": cause.kind, "detail": cause.detail} for cause in job.causes]}
        jobs.append(row | {"only_code": job.number in only})
    return {
        "study": plan.study.study,
        "in_bf16": _plain(half) if (half := plan.in_bf16()) else None,
        "total": _plain(plan.total()) | {"cost": plan.cost(plan.total()), "currency": plan.settings.currency},
        "cells": {"new": new, "shared": shared, "done": done},
        "experiments": [
            {key: _plain(value) if key in ("all", "own") else value for key, value in row.items()}
            for row in plan.experiments()
        ],
        "rules": {rule: _plain(found) for rule, found in plan.rules().items()},
        "teacher": plan.teacher() if plan.layout.taught else None,
        "critical_path": {"hours": seconds / HOUR, "jobs": [job.key for job in path]},
        "hours_by_gpus": {str(gpus): time / HOUR for gpus, time in plan.times(cores).items()},
        "only_code": {"jobs": len(only), **_plain(plan.total(plan.only_code()))},
        "edits": {one: _plain(plan.total(plan.edited(one))) for one in edits},
        "stranded": stranded,
        "estimate_against_actual": compared(plan.layout),
        "notes": plan.estimator.costs.notes,
        "jobs": jobs,
    }
