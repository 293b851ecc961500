"""What was observed of one setting by one measure: a value for each seed, made up of units (problems or functions).

Units are what a benchmark or a test split has drawn from all that could be asked; seeds are what training has drawn.
Both are random in every interval and test of this room, as far as there is more than one of them.
"""

from dataclasses import dataclass

import numpy

RATE, SHARE, POSITIVE = "rate", "share", "positive"


@dataclass(frozen=True)
class Observations:
    """values: [seeds]. seeds: what each row was trained with. units: [seeds, units], row means are the values, or None.

    names: of the units, by which two settings are paired. scale: `rate` (a mean of units in 0..1), `share` (in 0..1,
    of sums over units) or `positive` (> 0). fixed: whether
    this is one given model (a teacher), whose training is not in question.
    """

    values: numpy.ndarray
    seeds: tuple
    scale: str
    units: numpy.ndarray | None = None
    names: tuple = ()
    fixed: bool = False

    def __post_init__(self):
        whole = self.values if self.units is None else self.units
        if not self.seeds or len(self.seeds) != len(self.values) or not numpy.isfinite(whole).all() or 0 in whole.shape:
            raise ValueError("a setting needs at least one seed and one unit, and finite numbers")

    @property
    def mean(self):
        return float(self.values.mean())

    def seeds_only(self, seeds):
        """The same for some of its seeds, in that order."""
        rows = [self.seeds.index(seed) for seed in seeds]
        units = None if self.units is None else self.units[rows]
        return Observations(self.values[rows], tuple(seeds), self.scale, units, self.names, self.fixed)

    def units_only(self, names):
        """The same for some of its units, in that order; the values are then the means over those."""
        place = {name: number for number, name in enumerate(self.names)}
        units = self.units[:, [place[name] for name in names]]
        return Observations(units.mean(axis=1), self.seeds, self.scale, units, tuple(names), self.fixed)

    def over_units(self):
        """The mean over seeds of each unit, [units]."""
        return self.units.mean(axis=0)

    def stabilised(self):
        """The values on a scale where seeds spread alike at every level: arcsin sqrt of a rate, log of a quantity."""
        if self.scale == POSITIVE:
            return numpy.log(numpy.maximum(self.values, numpy.finfo(float).tiny))
        return numpy.arcsin(numpy.sqrt(numpy.clip(self.values, 0, 1)))

    def slope(self):
        """(d value / d stabilised value)^2 at the mean; a rate is drawn towards 1/2, so that 0 has some too."""
        if self.scale == POSITIVE:
            return self.mean**2
        count = len(self.names) or 1
        shrunk = (self.mean * count + 1) / (count + 2)
        return 4 * shrunk * (1 - shrunk)


def of_rates(scores, seeds=None, names=None, fixed=False):
    """Observations of rates: `scores` in 0..1, [units] or [seeds, units]."""
    table = numpy.atleast_2d(numpy.asarray(scores, dtype=float))
    if 0 in table.shape:
        raise ValueError("a setting needs at least one seed and one unit, and finite numbers")
    seeds = range(len(table)) if seeds is None else seeds
    names = range(table.shape[-1]) if names is None else names
    return Observations(table.mean(axis=-1), tuple(seeds), RATE, table, tuple(names), fixed)


def of_ratios(tops, bottoms, seeds=None, names=None, fixed=False, scale=POSITIVE):
    """Observations of a ratio of sums over units, such as bits per byte: tops, bottoms [seeds, units] >= 0.

    A unit's contribution is linearised (Taylor; Cochran 1977, section 6.4): r + (top - r bottom) / mean bottom.
    """
    tops, bottoms = (numpy.atleast_2d(numpy.asarray(one, dtype=float)) for one in (tops, bottoms))
    ratio = tops.sum(axis=1, keepdims=True) / bottoms.sum(axis=1, keepdims=True)
    units = ratio + (tops - ratio * bottoms) / bottoms.mean(axis=1, keepdims=True)
    seeds = range(len(units)) if seeds is None else seeds
    names = range(units.shape[1]) if names is None else names
    return Observations(ratio[:, 0], tuple(seeds), scale, units, tuple(names), fixed)


def of_values(values, seeds=None, scale=POSITIVE):
    """Observations of one number a seed, whose units are not known."""
    values = numpy.asarray(values, dtype=float)
    return Observations(values, tuple(range(len(values)) if seeds is None else seeds), scale)
