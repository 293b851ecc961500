"""Tests of a difference against independent references, and how often they cry wolf where there is none."""

import numpy
import pytest
from scipy import optimize, stats
from simulated_studies import draw_scores, observed

from codestill.statistics.min_f_prime import METHOD, MODELS, compare, ratio
from codestill.statistics.multiple_comparisons import axis_test, holm
from codestill.statistics.observations import of_rates, of_values
from codestill.statistics.seed_variance import CROSSED, WITHIN, design_of, pool


def scores(seed, shape=(3, 120), rate=0.4):
    return (numpy.random.default_rng(seed).random(shape) < rate) * 1.0


def test_two_models_have_the_paired_t_test_over_problems_and_speak_of_no_method():
    one, two = scores(1, (120,)), scores(2, (120,), 0.6)
    found, reference = compare(of_rates(one), of_rates(two)), stats.ttest_rel(one, two)
    assert found.p == pytest.approx(reference.pvalue) and found.about == MODELS
    assert [found.low, found.high] == pytest.approx(list(reference.confidence_interval()))


def test_without_units_and_of_wild_seeds_it_is_welchs_test():
    one, two = of_values([1.0, 1.4, 1.9]), of_values([2.0, 2.3])
    calm = [of_values([1.0, 1.001]), of_values([1.0, 0.999])]
    found = compare(one, two, pool(calm, WITHIN))
    reference = stats.ttest_ind(one.values, two.values, equal_var=False)
    assert found.welch and found.ratio > 2
    assert (found.p, found.df) == pytest.approx((reference.pvalue, reference.df))


def test_the_pool_is_the_mean_square_of_an_analysis_of_variance():
    settings = [of_rates(scores(seed)) for seed in range(5)]
    table = numpy.array([one.stabilised() for one in settings])
    rows, columns = (numpy.repeat(numpy.eye(5), 3, axis=0), numpy.tile(numpy.eye(3), (5, 1)))
    _, within, _, _ = numpy.linalg.lstsq(rows, table.ravel(), rcond=None)
    assert pool(settings, WITHIN).total.value == pytest.approx(within[0] / 10)
    design = numpy.hstack([rows, columns[:, 1:]])
    _, rest, rank, _ = numpy.linalg.lstsq(design, table.ravel(), rcond=None)
    found = pool(settings, CROSSED)
    assert rank == 7 and (found.between.value, found.between.df) == (pytest.approx(rest[0] / 8), 8)
    # What seeds do to all settings alike is no part of a difference, and part of a setting's own value.
    moved = pool([of_rates(one.units * [[0.7], [1.0], [1.0]]) for one in settings], CROSSED)
    assert moved.total.value > 3 * moved.between.value


def test_the_design_is_fixed_by_the_planned_seeds():
    assert design_of([(1, 2)] * 4) == CROSSED
    assert design_of([(1, 2)] * 3) == WITHIN  # two degrees
    assert design_of([(1, 2, 3)] * 3 + [(1,)] * 9) == CROSSED
    assert design_of([(1, 2, 3)] * 3 + [(1, 2)]) == WITHIN


def test_seeds_and_problems_are_paired_by_what_they_are():
    table = scores(3)
    one = of_rates(table, seeds=(1, 2, 3), names="".join(map(chr, range(200, 320))))
    turned = of_rates(table[::-1, ::-1], seeds=(3, 2, 1), names=one.names[::-1])
    found = compare(one, turned, pool([one, turned, *(of_rates(scores(s), (1, 2, 3)) for s in (4, 5))], CROSSED))
    assert found.difference == pytest.approx(0, abs=1e-12) and found.p == pytest.approx(1)
    single = of_rates(scores(6, (1, 120)), seeds=(2,), names=one.names)
    found = compare(one, single)
    assert found.about == MODELS and found.seeds == ((2,), (2,))
    assert found.difference == pytest.approx(table[1].mean() - single.mean)
    assert compare(one, of_rates(scores(7))) is None  # no problem in common


def test_two_that_solve_the_same_problems_are_bounded_not_certain():
    none = of_rates([0.0] * 164)
    found = compare(none, none)
    assert found.p == 1 and found.high == pytest.approx(1 - 0.025 ** (1 / 164)) and found.low == -found.high


def test_a_share_has_the_ratios_that_a_paired_t_test_cannot_reject():
    one, two = scores(8, (160,), 0.3), scores(9, (160,), 0.8)

    def margin(r):
        gap = one - r * two
        return abs(gap.mean()) - stats.t.ppf(0.975, 159) * gap.std(ddof=1) / 160**0.5

    share, low, high = ratio(of_rates(one), of_rates(two, fixed=True))
    assert share == pytest.approx(one.mean() / two.mean())
    assert low == pytest.approx(optimize.brentq(margin, 0, share), abs=1e-4)
    assert high == pytest.approx(optimize.brentq(margin, share, 2), abs=1e-4)
    barely = of_rates([1.0] + [0.0] * 159, fixed=True)
    assert ratio(of_rates(one), barely)[2] == float("inf") and ratio(of_rates(one), of_rates([0.0] * 160)) is None


@pytest.mark.parametrize("times", [1.0, 0.5])
def test_a_share_of_sides_that_never_differ_is_as_open_as_an_exact_bound_of_exceptions(times):
    teacher = numpy.repeat([1.0, 0.0], [175, 145])
    share, low, high = ratio(of_rates(times * teacher, fixed=True), of_rates(teacher, fixed=True))
    bound = 1 - 0.025 ** (1 / 320)  # Clopper and Pearson: no exception among 320
    assert share == times
    assert share - low == pytest.approx(bound / teacher.mean(), rel=0.03)
    assert high - share == pytest.approx(bound / teacher.mean(), rel=0.03)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert holm([]) == []


def rejections(seeds, problems, deviation, rate, shared, studies=60):
    random = numpy.random.default_rng(5)
    wrong = axes = 0
    for _ in range(studies):
        settings = observed(draw_scores(random, [rate] * 6, seeds, problems, deviation, shared))
        seed_variance = pool(settings, design_of([one.seeds for one in settings]))
        wrong += sum(compare(*settings[i : i + 2], seed_variance).p < 0.05 for i in (0, 2))
        axes += axis_test([settings[:3], settings[3:]], seed_variance, draws=300).p < 0.05
    return wrong / studies / 2, axes / studies


@pytest.mark.parametrize(("seeds", "problems", "deviation", "rate", "shared"), [
    (2, 400, 0.05, 0.3, 0.0), (3, 164, 0.03, 0.9, 1.0), (2, 40, 0.02, 0.02, 0.5),
])  # fmt: skip
def test_no_difference_is_rarely_called_one(seeds, problems, deviation, rate, shared):
    pair, axis = rejections(seeds, problems, deviation, rate, shared)
    assert pair <= 0.06 and axis <= 0.10  # of 120 and 60 draws; tests/bench/bench_statistics.py draws more


def test_a_true_difference_is_found():
    random = numpy.random.default_rng(6)
    found = axes = 0
    for _ in range(30):
        settings = observed(draw_scores(random, [0.3] * 5 + [0.45], 3, 164, 0.03))
        seed_variance = pool(settings, CROSSED)
        gap = compare(settings[5], settings[0], seed_variance)
        found += gap.p < 0.05 and gap.about == METHOD and gap.low > 0
        test = axis_test([settings[:2], settings[3:]], seed_variance, draws=300)
        axes += test.p < 0.05 and (test.family, test.second) == (1, 2)
    assert found >= 20 and axes >= 15


def test_an_axis_says_nothing_of_one_seed():
    assert axis_test([[of_rates(scores(1, (1, 50))), of_rates(scores(2, (1, 50)))]], None) is None
