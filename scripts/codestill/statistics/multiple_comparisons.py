"""Many comparisons at once: Holm's correction, and one test of whether an axis matters."""

import itertools
from dataclasses import dataclass

import numpy
from scipy import stats

from codestill.statistics.min_f_prime import METHOD, Variance, compare, seeds_of_difference, unit_variance

DRAWS = 10_000


def holm(ps):
    """Holm's step-down adjusted p-values, in the order given (Holm 1979)."""
    adjusted, running = [0.0] * len(ps), 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=lambda place: ps[place])):
        running = max(running, min(1.0, (len(ps) - rank) * ps[index]))
        adjusted[index] = running
    return adjusted


@dataclass(frozen=True)
class AxisTest:
    """p of no difference between any two levels; which two settings (family, first, second) differ most, by how much.

    `family` is an index into the families given, first and second are indices into it; difference is first less second.
    """

    p: float
    family: int
    first: int
    second: int
    difference: float


def axis_test(families, pool, draws=DRAWS, seed=0):
    """Does any level of an axis differ from another? None where seeds are too few to say it of a method.

    families: lists of Observations, the levels of the axis with everything else alike; one Observations may stand in
    several. The smallest p over all pairs of levels is held against its distribution where no level differs,
    simulated for all pairs jointly (they share settings, problems and the pool of seeds), so that looking at many pairs
    costs what it should.
    """
    if pool is None:
        return None
    settings = list({id(one): one for family in families for one in family if len(one.seeds) > 1}.values())
    place = {id(one): number for number, one in enumerate(settings)}
    found, pairs = [], []
    for number, family in enumerate(families):
        for i, j in itertools.combinations(range(len(family)), 2):
            if id(family[i]) in place and id(family[j]) in place:
                gap = compare(family[i], family[j], pool)
                if gap is not None and gap.about == METHOD:
                    found.append((gap.p, number, i, j, gap.difference))
                    pairs.append((place[id(family[i])], place[id(family[j])]))
    if not found:
        return None
    best = min(found)
    p = float(numpy.mean(_smallest_ps(settings, pairs, pool, draws, seed) <= best[0]))
    return AxisTest(max(p, 1 / (draws + 1)), *best[1:])


def _smallest_ps(settings, pairs, pool, draws, seed):
    """The smallest p over `pairs` in each draw of a world where no two settings differ, [draws]."""
    random = numpy.random.default_rng(seed)
    means = _units(settings, random, draws)
    # A pair's seeds are the sum of its two settings' own, of which each has half the pair's component.
    moved = numpy.array([_moved(one, pool) for one in settings])
    means += random.standard_normal((draws, len(settings))) * moved**0.5
    smallest = numpy.ones(draws)
    shrink = {}
    for first, second in pairs:
        one, two = settings[first], settings[second]
        units, units_df = (0.0, 1) if one.units is None else unit_variance(_gap(one, two))
        _, seeds_df, _, _ = seeds_of_difference(one, two, pool)
        variance = Variance(units, units_df, moved[first] + moved[second], seeds_df)
        if not variance.value:
            continue
        for df in (units_df, seeds_df):  # one chance of each estimate of variance, shared by all pairs
            if df not in shrink:
                shrink[df] = random.chisquare(df, draws) / df
        drawn = variance.units * shrink[units_df] + variance.seeds * shrink[seeds_df]
        t = abs(means[:, first] - means[:, second]) / numpy.sqrt(drawn)
        smallest = numpy.minimum(smallest, 2 * stats.t.sf(t, variance.df))
    return smallest


def _gap(one, two):
    place = {name: number for number, name in enumerate(two.names)}
    kept = [(number, place[name]) for number, name in enumerate(one.names) if name in place]
    mine, theirs = zip(*kept, strict=True)
    return one.over_units()[list(mine)] - two.over_units()[list(theirs)]


def _moved(one, pool):
    """The variance of a setting's mean from its seeds, as far as it does not cancel between settings."""
    return pool.between.value * one.slope() / len(one.seeds)


def _units(settings, random, draws):
    """Errors of the settings' means from the units drawn, jointly normal with their covariance, [draws, settings]."""
    if settings[0].units is None:
        return numpy.zeros((draws, len(settings)))
    known = [set(one.names) for one in settings]
    names = [name for name in settings[0].names if all(name in own for own in known)]
    if len(names) < 2:
        return numpy.zeros((draws, len(settings)))
    table = numpy.array([one.units_only(names).over_units() for one in settings])
    table -= table.mean(axis=1, keepdims=True)
    # A sum over units with random weights has their covariance.
    return random.standard_normal((draws, len(names))) @ table.T / (len(names) * (len(names) - 1)) ** 0.5
