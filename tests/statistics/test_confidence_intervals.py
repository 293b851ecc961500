"""Intervals: coverage, pairing, seeds as an outer level, and honesty where nothing passed."""

import numpy
import pytest

from codestill.statistics.confidence_intervals import compare, draws_of, indices, interval, median_interval


def test_agrees_with_the_normal_interval_of_a_mean():
    values = numpy.random.default_rng(0).random(400)
    low, high = interval(values)
    half = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_covers_the_true_mean_about_as_often_as_it_says():
    random = numpy.random.default_rng(1)
    hits = 0
    for trial in range(200):
        low, high = interval((random.random(164) < 0.3).astype(float), draws=1000, seed=trial)
        hits += low <= 0.3 <= high
    assert 180 <= hits <= 199


def test_same_indices_for_every_model_and_call():
    first, second = (numpy.concatenate(list(indices(11, 1200, seed=5))) for _ in range(2))
    assert first.shape == (1200, 11) and (first == second).all()
    assert not (first == numpy.concatenate(list(indices(11, 1200, seed=6)))).all()
    values = numpy.arange(11.0)
    assert draws_of(values, 1200, 5).tolist() == values[first].mean(axis=1).tolist()


def test_pairing_tells_apart_what_unpaired_intervals_do_not():
    random = numpy.random.default_rng(2)
    base = random.beta(0.3, 3, size=164)
    better = numpy.clip(base + 0.011 + 0.005 * random.standard_normal(164), 0, 1)
    answer = compare(base, better)
    assert answer["told_apart"] and answer["p"] < 0.05 and answer["interval"][0] > 0
    assert interval(base)[1] > interval(better)[0]
    assert compare(better, base)["difference"] == -answer["difference"]


def test_equal_models_are_not_told_apart():
    values = numpy.random.default_rng(3).random(50)
    answer = compare(values, values)
    assert answer["difference"] == 0 and not answer["told_apart"] and answer["p"] == 1


def test_noise_of_no_size_is_rarely_told_apart():
    random = numpy.random.default_rng(4)
    wrong = sum(compare(random.random(100), random.random(100), draws=500)["told_apart"] for _ in range(100))
    assert wrong <= 13


def test_nothing_passed_has_an_upper_bound():
    low, high = interval(numpy.zeros(164))
    assert low == 0 and high == pytest.approx(0.0181, abs=1e-4)
    assert interval(numpy.ones(164)) == [pytest.approx(1 - 0.0181, abs=1e-4), 1.0]
    answer = compare(numpy.zeros(164), numpy.zeros(164))
    assert not answer["told_apart"] and answer["interval"][0] < 0 < answer["interval"][1]


def test_seeds_that_disagree_widen_the_interval():
    problems = numpy.random.default_rng(5).random(300)
    alike = numpy.stack([problems] * 3)
    apart = numpy.stack([problems * scale for scale in (0.5, 1.0, 1.5)])
    width = {name: numpy.diff(interval(table))[0] for name, table in (("alike", alike), ("apart", apart))}
    assert width["alike"] == pytest.approx(numpy.diff(interval(problems))[0], rel=0.05)
    assert width["apart"] > 3 * width["alike"]


def test_a_single_seed_differs_from_several_in_no_shared_index():
    values = numpy.random.default_rng(6).random(40)
    assert draws_of(values, 100).tolist() == draws_of(numpy.stack([values, values]), 100).tolist()


@pytest.mark.parametrize("values", [[], [float("nan")], [[[1.0]]]])
def test_bad_values_are_refused(values):
    with pytest.raises(ValueError, match="finite"):
        interval(values)
    with pytest.raises(ValueError, match="paired"):
        compare([1.0], [1.0, 0.0])


@pytest.mark.parametrize(
    ("count", "first", "last"), [(5, 1, 5), (6, 1, 6), (9, 2, 8), (10, 2, 9), (20, 6, 15), (25, 8, 18)]
)
def test_median_interval_has_the_ranks_of_the_printed_tables(count, first, last):
    values = [float(rank) for rank in range(count, 0, -1)]
    assert median_interval(values) == [first, last]
