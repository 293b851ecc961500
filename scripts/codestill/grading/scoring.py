"""From counts to a scores file: pass@k with intervals, the funnel, and what was incomplete."""

from codestill.grading.funnel import FUNNEL
from codestill.statistics.confidence_intervals import interval
from codestill.statistics.observations import of_rates
from codestill.statistics.pass_at_k import mean, per_problem


def scores(grading, ks):
    """The scores of a finished Grader: n_problems, n_samples, pass@k, per_problem, intervals, funnel, kinds."""
    names = [name for name in grading.problems if name in grading.counts]
    counts = [tuple(grading.counts[name]) for name in names]
    record = {"n_problems": len(names), "n_samples": grading.graded}
    intervals = {}
    for k in ks:
        score = mean(counts, k)
        if score is not None:
            record[f"pass@{k}"] = score
            intervals[f"pass@{k}"] = interval(of_rates(per_problem(counts, k)))
    record["intervals"] = intervals
    record["interval"] = {"kind": "Korn and Graubard", "over": "problems", "confidence": 0.95}
    record["funnel"] = _funnel(grading)
    record["kinds"] = dict(sorted(grading.kinds.items()))
    record["distinct_programs"] = len(grading.verdicts)
    record["run_again_alone"] = grading.run_alone
    record["incomplete"] = incomplete(grading, ks)
    record["per_problem"] = {name: {"n": n, "c": c} for name, (n, c) in zip(names, counts, strict=True)}
    return record


def _funnel(grading):
    """Shares of the graded samples that reached each step; None where the samples do not say how they ended."""
    total = max(1, grading.graded)
    shares = {step: grading.funnel[step] / total for step in FUNNEL}
    if not grading.unfinished_known:
        shares["finished"] = None
    return shares


def incomplete(grading, ks):
    """What a reader of the scores must know: lists of task ids, and the ks that could not be computed."""
    counts = {name: grading.counts[name][0] for name in grading.problems if name in grading.counts}
    most = max(counts.values(), default=0)
    repeated = {name: times for name, times in grading.repeated.items() if times}
    return {
        "missing_tasks": [name for name in grading.problems if name not in counts],
        "fewer_samples": {name: n for name, n in counts.items() if n < most},
        "unknown_tasks": dict(grading.unknown),
        "repeated_samples": repeated,
        "torn_line": grading.samples.torn,
        "not_computed": [f"pass@{k}" for k in ks if k > min(counts.values(), default=0)],
    }


def warnings(record, source, benchmark):
    """One line for each thing that is incomplete."""

    def listed(names):
        names = list(names)
        return ", ".join(map(str, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")

    missing = record["incomplete"]
    if missing["torn_line"]:
        yield f"{source}:{missing['torn_line']}: the last line is cut off and left out"
    if missing["unknown_tasks"]:
        yield f"{source}: task_id unknown to {benchmark}, not counted: {listed(missing['unknown_tasks'])}"
    if missing["repeated_samples"]:
        yield f"{source}: the same sample number comes twice (each row counted): {listed(missing['repeated_samples'])}"
    if missing["missing_tasks"]:
        yield f"{source}: no samples for {len(missing['missing_tasks'])} tasks: {listed(missing['missing_tasks'])}"
    if missing["fewer_samples"]:
        yield f"{source}: fewer samples than for others: {listed(missing['fewer_samples'])}"
    if missing["not_computed"]:
        fewest = min((entry["n"] for entry in record["per_problem"].values()), default=0)
        yield f"{source}: a task has only {fewest} samples; left out: {', '.join(missing['not_computed'])}"
