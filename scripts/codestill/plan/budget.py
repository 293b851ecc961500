"""What a run does with its plan: refuse to start above the budget, remember the estimates, compare them at the end."""

import time
from collections import Counter
from pathlib import Path

from codestill.kit.files import write_json
from codestill.kit.program import UserError
from codestill.plan.estimates import Estimator
from codestill.plan.history import RECORD, read_facts, read_measures, read_record
from codestill.plan.plan import HOUR, Plan


def before_run(jobs, study, layout):
    """Called once when a run starts: its graph stands and no job has started yet.

    Raises UserError where the run is planned above plan.max_gpu_hours. Writes the estimates of the jobs to come, by
    which later plans calibrate themselves and the end of the run is measured.
    """
    plan = Plan(study, layout, jobs, Estimator(study, layout))
    check(plan)
    remember(plan)


def check(plan):
    """Raises UserError where the plan's GPU-hours exceed the config's limit."""
    limit, total = plan.settings.max_gpu_hours, plan.total()
    if limit is not None and total.gpu_hours > limit:
        raise UserError(
            f"plan.max_gpu_hours: this run is planned at {total.gpu_hours:.1f} GPU-hours ({total.gpu_low:.1f} to "
            f"{total.gpu_high:.1f}), above the limit of {limit:g}; nothing was started. Raise the limit, or name fewer "
            "targets; `make plan` shows where the hours go"
        )


def remember(plan):
    """Write the estimates of the jobs that will run beside those of earlier runs."""
    results, made = plan.layout.results, time.time()
    jobs, facts = read_record(results), read_facts(results)
    for job in plan.running:
        jobs[job.key] = plan.estimates[job.number].record() | {"made": made}
    facts[str(made)] = plan.estimator.costs.facts()
    told = {str(job["made"]) for job in jobs.values()}
    write_json(Path(results) / RECORD, {"jobs": jobs, "facts": {run: facts[run] for run in facts if run in told}})


def compared(layout):
    """Rows {rule, jobs, gpus, estimated, low, high, actual} of the finished jobs that a run had planned, hours."""
    record, rows = read_record(layout.results), []
    for rule in dict.fromkeys(key.split("/", 1)[0] for key in record):
        sums = Counter()
        for measure in read_measures(layout.benchmarks, rule):
            planned = record.get(f"{rule}/{measure.name}")
            if planned is None or measure.ended < planned["made"]:
                continue
            held = planned["gpus"] or planned["threads"]
            sums["jobs"] += 1
            sums["gpus"] += planned["gpus"]
            for name, seconds in [(n, planned[n]) for n in ("seconds", "low", "high")] + [("actual", measure.seconds)]:
                sums[name] += seconds * held / HOUR
        if sums["jobs"]:
            rows.append({"rule": rule, "estimated": sums.pop("seconds"), **sums})
    return rows


def summary(layout):
    """The comparison in lines of text; an empty list before anything finished."""
    rows = compared(layout)
    if not rows:
        return []
    lines = ["Estimate against actual, hours of GPUs or cores as they were held:"]
    lines.append(f"  {'rule':<20}{'jobs':>6}{'estimate':>11}{'actual':>11}{'actual/estimate':>17}")
    for kind, on_gpu in (("GPU-hours", True), ("core-hours", False)):
        chosen = [row for row in rows if bool(row.get("gpus")) == on_gpu]
        for row in [*chosen, *_totals(chosen, kind)]:
            share = row["actual"] / row["estimated"] if row["estimated"] else float("nan")
            hours = f"{row['estimated']:>11.3f}{row['actual']:>11.3f}"
            lines.append(f"  {row['rule']:<20}{row['jobs']:>6}{hours}{share:>17.2f}")
    return lines


def _totals(rows, kind):
    if not rows:
        return []
    return [
        {"rule": f"all {kind}"} | {name: sum(row[name] for row in rows) for name in ("jobs", "estimated", "actual")}
    ]
