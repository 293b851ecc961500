"""How much training again with another seed moves a value: a variance pooled over all settings of a study.

Two or three seeds of one setting say little about their spread; the settings of a study together say more. Values are
taken on the stabilised scale of `Observations`, where the spread is about alike at every level.
"""

from collections import Counter
from dataclasses import dataclass

import numpy
from scipy import special  # scipy.stats would take a second to load, in every grading

LEAST = 3  # degrees of freedom below which a crossed design is not used

WITHIN, CROSSED = "within", "crossed"


@dataclass(frozen=True)
class Component:
    """A variance of one seed's value (stabilised scale) and its degrees of freedom."""

    value: float
    df: float


@dataclass(frozen=True)
class SeedVariance:
    """total: of a setting's own value. between: of the difference of two settings at one seed, per setting.

    They differ where the design is crossed: what a seed does to all settings alike cancels in a difference.
    """

    design: str
    total: Component
    between: Component


def design_of(seeds_by_setting):
    """`crossed` where all settings of two or more seeds share their seeds and leave >= 3 degrees, else `within`.

    It is to be asked of the seeds that a study plans, before any result is known.
    """
    sets = {frozenset(seeds) for seeds in seeds_by_setting if len(set(seeds)) > 1}
    count = sum(len(set(seeds)) > 1 for seeds in seeds_by_setting)
    if len(sets) == 1 and (count - 1) * (len(next(iter(sets))) - 1) >= LEAST:
        return CROSSED
    return WITHIN


def pool(settings, design):
    """The SeedVariance of these Observations; None where no setting has two seeds.

    A crossed design is of those seeds that leave the most degrees; settings with others are left out of it.
    """
    settings = [one for one in settings if len(one.seeds) > 1 and not one.fixed]
    if not settings:
        return None
    if design == CROSSED:
        tables = Counter(frozenset(one.seeds) for one in settings)
        seeds = sorted(max(tables, key=lambda seeds: ((tables[seeds] - 1) * (len(seeds) - 1), len(seeds))), key=str)
        table = [one.seeds_only(seeds).stabilised() for one in settings if set(one.seeds) == set(seeds)]
        if (len(table) - 1) * (len(seeds) - 1) >= LEAST:
            return _crossed(numpy.array(table))
    spread = [one.stabilised() for one in settings]
    df = sum(len(values) - 1 for values in spread)
    value = sum(float(((values - values.mean()) ** 2).sum()) for values in spread) / df
    component = Component(value, df)
    return SeedVariance(WITHIN, component, component)


def _crossed(table):
    """Two-way analysis of variance of [settings, seeds]: what seeds do alike, and the rest."""
    count, seeds = table.shape
    by_seed, by_setting = table.mean(axis=0), table.mean(axis=1, keepdims=True)
    rest_df, seed_df = (count - 1) * (seeds - 1), seeds - 1
    rest = float(((table - by_setting - by_seed + table.mean()) ** 2).sum()) / rest_df
    alike = count * float(((by_seed - table.mean()) ** 2).sum()) / seed_df
    parts = alike / count, rest * (count - 1) / count
    total = Component(sum(parts), _cochran_and_cox(parts, (seed_df, rest_df)))
    return SeedVariance(CROSSED, total, Component(rest, rest_df))


def _cochran_and_cox(parts, dfs):
    """The degrees at which Student's 97.5 % point is that of the parts, weighted by them (Cochran & Cox 1950, 4.14).

    Satterthwaite's would trust a part of one degree wherever it comes out small by chance.
    """
    if not sum(parts) or min(dfs) == max(dfs):
        return max(dfs)
    from scipy import optimize  # slow to load, and most need it not

    squares = [part * float(special.stdtrit(df, 0.975)) ** 2 for part, df in zip(parts, dfs, strict=True)]
    point = (sum(squares) / sum(parts)) ** 0.5
    return float(optimize.brentq(lambda df: special.stdtrit(df, 0.975) - point, min(dfs) - 1e-9, max(dfs) + 1e-9))
