"""Do two settings differ? Clark's min F': problems and seeds are both random, each with its own degrees of freedom.

The difference d of two means has the variance V = A + B: A from the units (problems, functions) that were asked, B from
the seeds that were trained. d / sqrt V is compared with Student's t at Satterthwaite's degrees of freedom (Clark 1973,
J. Verbal Learning 12, 335-359). B comes from all settings of a study together (`seed_variance`), or from the pair where
that is larger; where the pair spreads more than twice as much as the pool, from the pair alone (Welch's form).
For why problems and seeds matter: Miller 2024 (arXiv 2411.00640), Bowyer et al. 2025 (arXiv 2503.01747).
"""

from dataclasses import dataclass

import numpy
from scipy import special

from codestill.statistics.seed_variance import CROSSED

TOO_WIDE = 2.0  # times the pool's deviation of seeds: beyond, the pool does not speak for this pair

METHOD, MODELS = "method", "models"


@dataclass(frozen=True)
class Difference:
    """first less second, its interval, two-sided p, degrees of freedom, and what it rests on.

    about: `method` where both sides have two seeds or more (or are fixed), else `models`: these trained models alone.
    ratio: the pair's own deviation of seeds over the pool's, None without either. welch: whether it was the pair's.
    """

    difference: float
    low: float
    high: float
    p: float
    df: float
    about: str
    units: int
    seeds: tuple
    ratio: float | None = None
    welch: bool = False

    @property
    def apart(self):
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Variance:
    """A variance of an estimate in its two parts, with what their sum's degrees of freedom are."""

    units: float
    units_df: float
    seeds: float
    seeds_df: float

    @property
    def value(self):
        return self.units + self.seeds

    @property
    def df(self):
        parts = self.units**2 / self.units_df + (self.seeds**2 / self.seeds_df if self.seeds else 0)
        return self.value**2 / parts if parts else self.units_df


def unit_variance(contributions, confidence=0.95):
    """(variance of the mean of [units], degrees of freedom). Where all are alike, what an exact bound leaves open.

    n units without a single exception bound the share of exceptions by 1 - (alpha / 2)^(1 / n) (Clopper & Pearson).
    """
    count = len(contributions)
    df = max(count - 1, 1)
    spread = float(contributions.var(ddof=1)) / count if count > 1 else 0.0
    if spread <= 1e-24:
        bound = 1 - ((1 - confidence) / 2) ** (1 / count)
        spread = float(bound / special.stdtrit(df, (1 + confidence) / 2)) ** 2
    return spread, df


def paired(first, second):
    """The two on the units that both have, in one order; None where they share none. Without units as they are."""
    if first.units is None or second.units is None:
        return first, second
    known = set(second.names)
    names = [name for name in first.names if name in known]
    if not names:
        return None
    return first.units_only(names), second.units_only(names)


def compare(first, second, pool=None, confidence=0.95):
    """The Difference of two Observations; None where they share no unit, or nothing says how either varies.

    pool: the study's SeedVariance. Where a side has one seed, the seed that both have is compared (else all there
    are), problems alone are random, and the answer is about these models.
    """
    sides = paired(first, second)
    if sides is None:
        return None
    single = [len(side.seeds) == 1 and not side.fixed for side in sides]
    if any(single):
        shared = [seed for seed in sides[0].seeds if seed in sides[1].seeds]
        if shared and not sides[0].fixed and not sides[1].fixed:
            sides = [side.seeds_only(shared[:1]) for side in sides]
    variance, ratio, welch = _variance(*sides, pool if not any(single) else None, confidence)
    if variance is None:
        return None
    difference = sides[0].mean - sides[1].mean
    low, high, p = t_interval(difference, variance, confidence)
    return Difference(
        difference, low, high, p, variance.df, MODELS if any(single) else METHOD,
        0 if sides[0].units is None else len(sides[0].names), tuple(side.seeds for side in sides), ratio, welch,
    )  # fmt: skip


def t_interval(estimate, variance, confidence=0.95):
    """(low, high, two-sided p of 0) of an estimate by Student's t."""
    scale = variance.value**0.5
    half = float(special.stdtrit(variance.df, (1 + confidence) / 2)) * scale
    p = float(2 * special.stdtr(variance.df, -abs(estimate) / scale)) if scale else float(estimate == 0)
    return estimate - half, estimate + half, p


def _variance(first, second, pool, confidence):
    """(Variance of the difference or None, ratio of the seeds' deviations, whether the pair's own was taken)."""
    units, units_df = 0.0, 1.0
    if first.units is not None:
        units, units_df = unit_variance(first.over_units() - second.over_units(), confidence)
    elif pool is None:
        return None, None, False
    if pool is None:
        return Variance(units, units_df, 0.0, 1.0), None, False
    seeds, df, ratio, welch = seeds_of_difference(first, second, pool)
    return Variance(units, units_df, seeds, df), ratio, welch


def seeds_of_difference(first, second, pool):
    """(variance of the difference from seeds, degrees of freedom, ratio of own to pooled deviation, whether own)."""
    own, own_df = _own(first, second, pool.design)
    shared = pool.design == CROSSED and set(first.seeds) == set(second.seeds) and not (first.fixed or second.fixed)
    component = pool.between if shared else pool.total
    pooled = component.value * sum(side.slope() / len(side.seeds) for side in (first, second) if not side.fixed)
    ratio = (own / pooled) ** 0.5 if pooled else None
    if ratio is None or ratio > TOO_WIDE:
        return (own, own_df, ratio, True) if own else (pooled, component.df, ratio, False)
    return max(own, pooled), component.df, ratio, False


def _own(first, second, design):
    """The pair's own variance of the difference over seeds, with Welch and Satterthwaite's degrees of freedom."""
    if design == CROSSED and set(first.seeds) == set(second.seeds) and not (first.fixed or second.fixed):
        gaps = first.values - second.seeds_only(first.seeds).values
        return float(gaps.var(ddof=1)) / len(gaps), len(gaps) - 1
    parts = [
        (float(side.values.var(ddof=1)) / len(side.seeds), len(side.seeds) - 1)
        for side in (first, second)
        if not side.fixed and len(side.seeds) > 1
    ]
    total = sum(value for value, _ in parts)
    weight = sum(value**2 / df for value, df in parts)
    return total, total**2 / weight if weight else sum(df for _, df in parts)


def ratio(first, second, pool=None, confidence=0.95):
    """(ratio of the means, low, high): how much of `second` (a fixed model, above 0) `first` reaches.

    Fieller's interval (1954), both measured on the same units; high is inf where `second` is not told from 0.
    (ratio, None, None) where nothing says how it varies; None where it is not defined.
    """
    sides = paired(first, second)
    if sides is None or not sides[1].mean > 0:
        return None
    first, second = sides
    share = first.mean / second.mean
    if first.units is None:
        return share, None, None
    count = len(first.names)
    one, two = first.over_units(), second.over_units()
    v11, df = unit_variance(one, confidence)
    v22, _ = unit_variance(two, confidence)
    v12 = float(numpy.cov(one, two)[0, 1]) / count if count > 1 else 0.0
    # Where one side is the other times the share on every unit, nothing is left to vary but what an exact bound says.
    left = max(v11 - 2 * share * v12 + share**2 * v22, unit_variance(one - share * two, confidence)[0])
    v11 = left + 2 * share * v12 - share**2 * v22
    seeds, seeds_df = 0.0, 1.0
    if pool is not None and len(first.seeds) > 1:
        seeds, seeds_df, _, _ = seeds_of_difference(first, second, pool)
    variance = Variance(left, df, seeds, seeds_df)
    t2 = float(special.stdtrit(max(variance.df, 1), (1 + confidence) / 2)) ** 2
    v11 += seeds
    a, b, c = second.mean**2 - t2 * v22, first.mean * second.mean - t2 * v12, first.mean**2 - t2 * v11
    root = b * b - a * c
    if a <= 0 or root < 0:
        return share, 0.0, float("inf")
    return share, max(0.0, (b - root**0.5) / a), (b + root**0.5) / a
