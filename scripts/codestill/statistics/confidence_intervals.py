"""How far the figure of one setting can be trusted: intervals over units (problems, functions) and seeds.

A rate has Korn and Graubard's interval: Clopper and Pearson's exact one at an effective number of problems (Korn &
Graubard 1998, Survey Methodology 24, 193-201), so that 0 of n has an upper bound, and 1 of n a larger one. A quantity
that cannot be negative has Student's t on the log scale.
"""

import math

import numpy
from scipy import special  # scipy.stats would take a second to load, in every grading

from codestill.statistics.min_f_prime import TOO_WIDE, Variance
from codestill.statistics.observations import POSITIVE, RATE


def interval(observed, pool=None, confidence=0.95):
    """[low, high] of the mean of an Observations; None where nothing says how it varies.

    pool: the study's SeedVariance. With one seed or a fixed model only units are random: it is about this model.
    """
    return (_positive if observed.scale == POSITIVE else _rate)(observed, pool, confidence)


def _seeds(observed, pool):
    """(variance of the mean from seeds on the stabilised scale, degrees of freedom); (0, 1) where there are none."""
    count = len(observed.seeds)
    if observed.fixed or count < 2 or pool is None:
        return 0.0, 1.0
    own = float(observed.stabilised().var(ddof=1))
    if own > TOO_WIDE**2 * pool.total.value:
        return own / count, count - 1
    return max(own, pool.total.value) / count, pool.total.df


def _rate(observed, pool, confidence):
    count, seeds = len(observed.names), len(observed.seeds)
    if observed.units is None or not count:
        return None
    mean = observed.mean
    extreme = mean in (0.0, 1.0)
    size = 1.0 if extreme else mean * (1 - mean)
    least = size / (seeds * count) if observed.scale == RATE else 0.0  # what independent draws would vary
    units = 1 / count if extreme else max(_spread(observed) / count, least)
    if units < 1e-12 * size / count:  # all units alike, but for rounding
        units = size / count
    moved, df = _seeds(observed, pool)
    variance = Variance(units, max(count - 1, 1), 4 * moved * size, df)
    normal = float(special.ndtri((1 + confidence) / 2))
    effective = size / variance.value * ((normal / _point(variance, confidence)) ** 2 if moved else 1.0)
    tail = (1 - confidence) / 2
    right = mean * effective
    low = 0.0 if mean == 0 else float(special.betaincinv(right, effective - right + 1, tail))
    high = 1.0 if mean == 1 else float(special.betaincinv(right + 1, effective - right, 1 - tail))
    return [low, high]


def _point(variance, confidence):
    """Student's point of a sum of two variances, each weighted by itself (Cochran & Cox 1950, section 4.14).

    Satterthwaite's degrees would trust seeds of one or two degrees wherever they come out alike by chance.
    """
    points = (float(special.stdtrit(df, (1 + confidence) / 2)) for df in (variance.units_df, variance.seeds_df))
    squares = sum(part * point**2 for part, point in zip((variance.units, variance.seeds), points, strict=True))
    return (squares / variance.value) ** 0.5


def _spread(observed):
    return float(observed.over_units().var(ddof=1)) if len(observed.names) > 1 else 0.0


def _positive(observed, pool, confidence):
    mean = observed.mean
    units, units_df = 0.0, 1.0
    if observed.units is not None and len(observed.names) > 1:
        units, units_df = _spread(observed) / len(observed.names) / mean**2 if mean else 0.0, len(observed.names) - 1
    moved, df = _seeds(observed, pool)
    variance = Variance(units, units_df, moved, df)
    if not variance.value or mean <= 0:
        return None
    half = _point(variance, confidence) * variance.value**0.5
    centre = float(observed.stabilised().mean())
    return [math.exp(centre - half), math.exp(centre + half)]


def median_interval(values):
    """[low, high] of the median of repeated measurements at 95 % or more, by order statistics; of five or fewer, all.

    The median lies below the i-th smallest of n values with the chance of at most i - 1 heads in n tosses.
    """
    ordered = numpy.sort(numpy.asarray(values, dtype=float))
    cut = max(int((special.bdtr(numpy.arange(len(ordered)), len(ordered), 0.5) <= 0.025).sum()), 1)
    return [float(ordered[cut - 1]), float(ordered[len(ordered) - cut])]
