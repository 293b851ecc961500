"""How sure a number is, in this room's terms: the judge's bootstrap on counts, seeds, and Holm's correction."""

import statistics

from codestill.statistics import confidence_intervals, pass_at_k

# Two-sided 95 % points of Student's t for 1, 2, ... degrees of freedom; beyond, the normal's.
T975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)
below = pass_at_k.upper_bound


def seed_interval(values):
    """95 % interval (low, high) of the mean of one value per seed, by Student's t; (None, None) for one seed."""
    if len(values) < 2:
        return None, None
    t = T975[len(values) - 2] if len(values) - 2 < len(T975) else 1.96
    half = t * statistics.stdev(values) / len(values) ** 0.5
    mean = statistics.fmean(values)
    return mean - half, mean + half


def _matrix(counts, tasks, k):
    """pass@k of each problem, [seeds, problems]; None where a problem has fewer than k samples."""
    if any(one[task][0] < k for one in counts for task in tasks):
        return None
    return [pass_at_k.per_problem([one[task] for task in tasks], k) for one in counts]


def _shared_tasks(*groups):
    sets = [set(one) for group in groups for one in group]
    return sorted(set.intersection(*sets)) if sets else []


def pass_interval(counts, k):
    """95 % interval (low, high) of mean pass@k of a setting: `counts` holds {task: (n, c)} for each seed.

    Seeds and problems are both resampled. (None, None) where nothing was graded or samples are too few.
    """
    tasks = _shared_tasks(counts)
    table = _matrix(counts, tasks, k) if tasks else None
    return (None, None) if table is None else tuple(confidence_intervals.interval(table))


def paired_difference(ours, theirs, k):
    """Mean pass@k of setting `ours` less that of `theirs` on the problems both have.

    Both are lists over seeds of {task: (n, c)}. Returns {difference, low, high, p, problems}: a 95 % bootstrap
    interval whose draws share their problems, and the two-sided bootstrap p of no difference. None without
    problems in common, or with too few samples.
    """
    tasks = _shared_tasks(ours, theirs) if ours and theirs else []
    one, two = (_matrix(counts, tasks, k) if tasks else None for counts in (ours, theirs))
    if one is None or two is None:
        return None
    found = confidence_intervals.compare(two, one)
    low, high = found["interval"]
    return {"difference": found["difference"], "low": low, "high": high, "p": found["p"], "problems": len(tasks)}


def holm(ps):
    """Holm's step-down adjusted p-values, in the order given (Holm 1979)."""
    adjusted, running = [0.0] * len(ps), 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=lambda place: ps[place])):
        running = max(running, min(1.0, (len(ps) - rank) * ps[index]))
        adjusted[index] = running
    return adjusted
