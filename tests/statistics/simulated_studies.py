"""Studies drawn at random, whose settings' true rates are known: what intervals and tests are held against."""

import numpy

from codestill.statistics.observations import of_rates


def draw_scores(random, rates, seeds, problems, deviation, shared=0.0, interaction=0.3, samples=5, difficulty=1.0):
    """Per-problem scores of every setting, [settings, seeds, problems], each setting's expected rate `rates[g]`.

    deviation: of a seed's rate around its setting's, at a rate of one half (less towards 0 and 1: the same angle
    everywhere); one number, or one of each setting. shared: the part of that variance that one seed gives to all
    settings. Problems differ in difficulty, settings in what they find difficult (`interaction`); both are logistic.
    """
    settings, deviation = len(rates), numpy.broadcast_to(deviation, len(rates))
    # E[sin^2 (a + d z)] = (1 - cos 2a exp(-2 d^2)) / 2 is to be the rate.
    cosines = numpy.clip((1 - 2 * numpy.asarray(rates)) * numpy.exp(2 * deviation**2), -1, 1)
    angles = numpy.arccos(cosines)[:, None] / 2 + deviation[:, None] * (
        (1 - shared) ** 0.5 * random.standard_normal((settings, seeds))
        + shared**0.5 * random.standard_normal((1, seeds))
    )
    level = numpy.sin(numpy.clip(angles, 0, numpy.pi / 2)) ** 2
    hard = difficulty * random.standard_normal((1, 1, problems)) + interaction * random.standard_normal(
        (settings, 1, problems)
    )
    chance = _with_mean(level, hard)
    return random.binomial(samples, chance) / samples


def _with_mean(level, hard):
    """Chances [settings, seeds, problems] of logit a + hard whose mean over all that could be drawn is `level`."""
    spread = float(hard.std())
    nodes, weights = numpy.polynomial.hermite_e.hermegauss(31)
    weights = weights / weights.sum()
    grid = numpy.linspace(-14, 14, 1401)
    curve = (1 / (1 + numpy.exp(-(grid[:, None] + spread * nodes)))) @ weights
    shift = numpy.interp(level, curve, grid)
    return 1 / (1 + numpy.exp(-(shift[:, :, None] + hard)))


def observed(scores):
    """The Observations of each setting."""
    return [of_rates(one) for one in scores]
