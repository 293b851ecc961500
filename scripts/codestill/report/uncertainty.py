"""How sure a number is: intervals over seeds and problems, paired differences, and Holm's correction.

Problems dominate the error of pass@k, so that two models are compared on the same resampled problems; seeds are
resampled as an outer level (Bowyer et al., arXiv 2503.01747; Miller, arXiv 2411.00640).
"""

import statistics
from math import comb

DRAWS = 4000
SEED = 20150309  # of the resampling: the same scores give the same intervals
# Two-sided 95 % points of Student's t for 1, 2, ... degrees of freedom; beyond, the normal's.
T975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)


def pass_at_k(n, c, k):
    """Chance that at least one of k samples, drawn from n of which c are right, is right (Chen et al. 2021)."""
    return 1.0 - comb(n - c, k) / comb(n, k) if n >= k else None


def seed_interval(values):
    """95 % interval (low, high) of the mean of one value per seed, by Student's t; (None, None) for one seed."""
    if len(values) < 2:
        return None, None
    t = T975[len(values) - 2] if len(values) - 2 < len(T975) else 1.96
    half = t * statistics.stdev(values) / len(values) ** 0.5
    mean = statistics.fmean(values)
    return mean - half, mean + half


def _matrix(counts, tasks, k):
    import numpy

    return numpy.array([[pass_at_k(*one[task], k) for task in tasks] for one in counts], dtype=float)


def _shared_tasks(*groups):
    sets = [set(one) for group in groups for one in group]
    return sorted(set.intersection(*sets)) if sets else []


def _weights(draw, count):
    return draw.multinomial(count, [1 / count] * count, size=DRAWS) / count


def pass_interval(counts, k):
    """95 % interval (low, high) of mean pass@k of a setting: `counts` holds {task: (n, c)} for each seed.

    Seeds and problems are both resampled. (None, None) where nothing was graded.
    """
    import numpy

    tasks = _shared_tasks(counts)
    if not tasks:
        return None, None
    draw = numpy.random.default_rng(SEED)
    table, problems = _matrix(counts, tasks, k), _weights(draw, len(tasks))
    means = ((_weights(draw, len(counts)) @ table) * problems).sum(axis=1)
    low, high = numpy.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def paired_difference(ours, theirs, k):
    """Mean pass@k of setting `ours` less that of `theirs` on the problems both have.

    Both are lists over seeds of {task: (n, c)}. Returns {difference, low, high, p, problems}: a 95 % bootstrap
    interval whose draws share their problems, and the two-sided bootstrap p of no difference. None without
    problems in common.
    """
    import numpy

    tasks = _shared_tasks(ours, theirs)
    if not tasks or not ours or not theirs:
        return None
    draw = numpy.random.default_rng(SEED)
    one, two = _matrix(ours, tasks, k), _matrix(theirs, tasks, k)
    problems = _weights(draw, len(tasks))
    gaps = ((_weights(draw, len(ours)) @ one - _weights(draw, len(theirs)) @ two) * problems).sum(axis=1)
    low, high = numpy.quantile(gaps, [0.025, 0.975])
    if not one.any() and not two.any():  # resampling zeros would claim certainty
        low, high = -below(len(tasks)), below(len(tasks))
    tail = min((gaps <= 0).sum(), (gaps >= 0).sum())
    return {
        "difference": float(one.mean() - two.mean()),
        "low": float(low),
        "high": float(high),
        "p": float(min(1.0, 2 * (tail + 1) / (DRAWS + 1))),
        "problems": len(tasks),
    }


def holm(ps):
    """Holm's step-down adjusted p-values, in the order given (Holm 1979)."""
    adjusted, running = [0.0] * len(ps), 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=lambda place: ps[place])):
        running = max(running, min(1.0, (len(ps) - rank) * ps[index]))
        adjusted[index] = running
    return adjusted


def below(trials):
    """Upper 95 % bound on a rate that was never seen in `trials`: the rule of three."""
    return min(1.0, 3.0 / trials)
