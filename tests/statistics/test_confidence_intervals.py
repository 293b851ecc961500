"""Intervals of one setting against independent references, and their coverage where the truth is known."""

import numpy
import pytest
from scipy import stats
from simulated_studies import draw_scores, observed

from codestill.statistics.confidence_intervals import interval, median_interval
from codestill.statistics.observations import SHARE, of_rates, of_ratios, of_values
from codestill.statistics.seed_variance import design_of, pool


@pytest.mark.parametrize(("passed", "count"), [(0, 164), (1, 164), (30, 164), (163, 164), (164, 164), (3, 40)])
def test_one_model_of_one_sample_a_problem_has_clopper_and_pearsons_interval(passed, count):
    found = interval(of_rates([1.0] * passed + [0.0] * (count - passed)))
    exact = stats.binomtest(passed, count).proportion_ci(method="exact")
    # The sample variance has n - 1 beneath it, the exact interval n.
    assert found == pytest.approx([exact.low, exact.high], rel=0.03, abs=1e-9)


def test_nothing_solved_has_a_bound_and_one_problem_solved_once_in_five_a_larger_one():
    nothing, once = interval(of_rates([0.0] * 164)), interval(of_rates([0.2] + [0.0] * 163))
    assert nothing[0] == 0 and nothing[1] == pytest.approx(1 - 0.025 ** (1 / 164))
    assert once[1] > nothing[1]


def test_a_positive_quantity_has_students_t_of_its_logarithm():
    values = numpy.array([0.40, 0.55, 0.47])
    one = of_values(values)
    low, high = stats.ttest_1samp(numpy.log(values), 0).confidence_interval()
    assert interval(one, pool([one], "within")) == pytest.approx([numpy.exp(low), numpy.exp(high)])
    assert interval(of_values([0.4])) is None  # one value alone has no spread


def test_a_ratio_of_sums_varies_over_its_functions_as_the_jackknife_says():
    random = numpy.random.default_rng(0)
    sizes = random.lognormal(5, 0.8, 300)
    nats = sizes * random.gamma(4, 0.05, 300)
    one = of_ratios(nats, sizes)
    assert one.mean == pytest.approx(nats.sum() / sizes.sum())
    left = (nats.sum() - nats) / (sizes.sum() - sizes)
    jackknife = 299 / 300 * ((left - left.mean()) ** 2).sum()
    low, high = interval(one)
    assert low > 0 and (numpy.log(high / low) / 2 / stats.t.ppf(0.975, 299)) ** 2 == pytest.approx(
        jackknife / one.mean**2, rel=0.05
    )


def test_functions_that_are_all_alike_leave_a_share_open():
    for count in (1, 5):
        low, high = interval(of_ratios([3] * count, [4] * count, scale=SHARE))
        assert 0 < low < 0.5 and 0.9 < high < 1
    low, high = interval(of_ratios([1] * 6, [7] * 6, scale=SHARE))  # sevenths differ by rounding alone
    assert 0 < low < 1 / 7 < high < 1


def test_two_seeds_far_apart_keep_a_positive_quantity_positive():
    settings = [of_values([0.05, 0.5]), of_values([0.2, 0.21])]
    low, high = interval(settings[0], pool(settings, "within"))
    assert 0 < low < 0.16 < high


def test_more_seeds_narrow_and_wilder_seeds_widen():
    calm = [of_rates(numpy.full((seeds, 200), 0.3) + spread) for seeds, spread in ((3, 0.0),)]
    random = numpy.random.default_rng(1)
    scores = (random.random((5, 200)) < 0.3) * 1.0
    few, many = of_rates(scores[:2]), of_rates(scores)
    seeds = pool([many], "within")
    assert numpy.diff(interval(many, seeds)) < numpy.diff(interval(few, seeds))
    wild = of_rates(scores + numpy.array([-0.2, -0.1, 0, 0.1, 0.2])[:, None])
    assert numpy.diff(interval(wild, seeds)) > 2 * numpy.diff(interval(many, seeds))
    assert interval(calm[0]) is not None


@pytest.mark.parametrize(("seeds", "problems", "deviation", "rate", "shared"), [
    (2, 164, 0.03, 0.3, 0.0), (2, 400, 0.05, 0.9, 1.0), (3, 40, 0.0, 0.02, 0.0), (5, 164, 0.05, 0.9, 0.5),
])  # fmt: skip
def test_intervals_cover_the_true_rate(seeds, problems, deviation, rate, shared):
    random = numpy.random.default_rng(11)
    hits = 0
    for _ in range(60):
        settings = observed(draw_scores(random, [rate] * 6, seeds, problems, deviation, shared))
        seed_variance = pool(settings, design_of([one.seeds for one in settings]))
        for one in settings[:2]:
            low, high = interval(one, seed_variance)
            hits += low <= rate <= high
    assert hits >= 0.93 * 120 - 6  # two standard errors below what the benchmark shows in full


@pytest.mark.parametrize("values", [[], [float("nan")], [[0.1], [float("inf")]]])
def test_what_is_no_number_is_refused(values):
    with pytest.raises(ValueError, match="finite"):
        of_rates(values)


@pytest.mark.parametrize(
    ("count", "first", "last"), [(5, 1, 5), (6, 1, 6), (9, 2, 8), (10, 2, 9), (20, 6, 15), (25, 8, 18)]
)
def test_median_interval_has_the_ranks_of_the_printed_tables(count, first, last):
    values = [float(rank) for rank in range(count, 0, -1)]
    assert median_interval(values) == [first, last]
