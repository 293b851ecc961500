"""Intervals that say how far a benchmark's figures can be trusted: a paired bootstrap over problems.

Problems, not samples, dominate the error of a score, and two models meet the same problems: all models of a
comparison are therefore drawn with the same indices. Where a model stands for several seeds, seeds are drawn first
(an outer level), problems within. Percentile intervals (Efron 1979); for why pairing and problems matter see
Miller 2024 (arXiv 2411.00640); for why few problems ask for care, Bowyer et al. 2025 (arXiv 2503.01747).
"""

import math

import numpy

from codestill.statistics.pass_at_k import upper_bound

DRAWS = 10_000
_CHUNK = 500  # draws at a time, which bounds the memory to [500, problems]


def indices(problems, draws=DRAWS, seed=0):
    """Yield arrays [draws in the chunk, problems] of problem numbers: the same for all models, given the seed."""
    generator = numpy.random.default_rng([seed, problems])
    for start in range(0, draws, _CHUNK):
        yield generator.integers(problems, size=(min(_CHUNK, draws - start), problems))


def _seed_choices(seeds, draws, seed):
    """Which seed each of a draw's slots takes, [draws, seeds]; a stream of its own, so that problems stay shared."""
    return numpy.random.default_rng([seed, 1, seeds]).integers(seeds, size=(draws, seeds))


def _table(values):
    table = numpy.atleast_2d(numpy.asarray(values, dtype=float))
    if table.ndim != 2 or 0 in table.shape or not numpy.isfinite(table).all():
        raise ValueError("values must be finite numbers, [problems] or [seeds, problems], at least one")
    return table


def draws_of(values, draws=DRAWS, seed=0):
    """The mean of `values` ([problems] or [seeds, problems]) in each draw, [draws]."""
    table = _table(values)
    seeds, problems = table.shape
    choices = _seed_choices(seeds, draws, seed)
    means, start = numpy.empty(draws), 0
    for drawn in indices(problems, draws, seed):
        stop = start + len(drawn)
        by_seed = numpy.stack([row[drawn].mean(axis=1) for row in table], axis=1)
        means[start:stop] = numpy.take_along_axis(by_seed, choices[start:stop], axis=1).mean(axis=1)
        start = stop
    return means


def _percentiles(means, confidence):
    tail = (1.0 - confidence) / 2
    low, high = numpy.quantile(means, [tail, 1.0 - tail])
    return [float(low), float(high)]


def interval(values, confidence=0.95, draws=DRAWS, seed=0):
    """[low, high] of the mean of `values`, per-problem scores in 0..1, [problems] or [seeds, problems].

    All zero says little about the rate but bounds it: [0, upper bound], never a width of nothing; all one likewise.
    """
    table = _table(values)
    problems = table.shape[1]
    if not table.any():
        return [0.0, upper_bound(problems, confidence)]
    if (table == 1).all():
        return [1.0 - upper_bound(problems, confidence), 1.0]
    return _percentiles(draws_of(table, draws, seed), confidence)


def median_interval(values):
    """[low, high] of the median of repeated measurements at 95 % or more, by order statistics; of five or fewer, all.

    The median lies below the i-th smallest of n values with the chance of at most i - 1 heads in n tosses.
    """
    ordered, count, cut = sorted(values), len(values), 0
    below = 1
    while below + math.comb(count, cut + 1) <= 0.025 * 2**count:
        cut += 1
        below += math.comb(count, cut)
    return [float(ordered[cut]), float(ordered[count - 1 - cut])]


def compare(first, second, confidence=0.95, draws=DRAWS, seed=0):
    """Can these problems tell two models apart? first, second: scores of the same problems, in the same order.

    Returns {difference (second - first), interval, p (two-sided, from the draws), told_apart, smallest (the gap that
    these problems could just show at this spread)}. Raises ValueError where the problems differ in number.
    """
    first, second = _table(first), _table(second)
    if first.shape[1] != second.shape[1]:
        raise ValueError(f"{first.shape[1]} and {second.shape[1]} problems cannot be paired")
    difference = float(second.mean() - first.mean())
    gaps = draws_of(second, draws, seed) - draws_of(first, draws, seed)
    low, high = _percentiles(gaps, confidence)
    if not first.any() and not second.any():
        bound = upper_bound(first.shape[1], confidence)
        low, high = -bound, bound
    above = (1 + numpy.count_nonzero(gaps >= 0)) / (1 + draws)
    below = (1 + numpy.count_nonzero(gaps <= 0)) / (1 + draws)
    return {
        "difference": difference,
        "interval": [low, high],
        "p": float(min(1.0, 2 * min(above, below))),
        "told_apart": bool(low > 0 or high < 0),
        "smallest": float((high - low) / 2),
    }
