"""Do the intervals and tests of codestill.statistics hold their level? Simulated studies whose truth is known.

    PYTHONPATH=scripts python tests/bench/bench_statistics.py [--draws 100] [--seeds 2 3 5 10]

For every mix of seeds, problems, deviation of seeds, rate, and part of it that settings share: the share of false
positives of the comparison of two settings and of the test of an axis (nominal 5 %, at most 6 %), and the coverage of
one setting's interval and of its share of a teacher (nominal 95 %, at least 93 %). A mix that fails is drawn ten times
as often before it counts. Then what a true gap of 0.10 is found with, and two cases that the methods do not claim and
their users should know: settings whose seeds spread unlike, and quantities over few functions. Ends with code 1 where a
level is not held.
"""

import argparse
import itertools
import sys
import time
from collections import Counter
from pathlib import Path

import numpy

sys.path.insert(0, str(Path(__file__).parents[1] / "statistics"))
from simulated_studies import draw_scores, observed

from codestill.statistics.confidence_intervals import interval
from codestill.statistics.min_f_prime import compare, ratio
from codestill.statistics.multiple_comparisons import axis_test
from codestill.statistics.observations import of_rates, of_ratios
from codestill.statistics.seed_variance import design_of, pool

MOST_FALSE, LEAST_COVERED = 0.06, 0.93
SETTINGS = 8


def study(mix, draws, stream):
    """Counter of what happened in `draws` studies of a mix (seeds, problems, deviation, rate, shared)."""
    seeds, problems, deviation, rate, shared = mix
    random = numpy.random.default_rng(
        [stream, seeds, problems, int(1000 * deviation), int(100 * rate), int(shared * 2)]
    )
    happened = Counter()
    for number in range(draws):
        scores = draw_scores(random, [rate] * SETTINGS, seeds, problems, deviation, shared)
        settings = observed(scores)
        variance = pool(settings, design_of([one.seeds for one in settings]))
        for first in range(0, SETTINGS, 2):
            happened["pairs"] += 1
            happened["false"] += compare(*settings[first : first + 2], variance).p < 0.05
        if number % 4 == 0:
            happened["axes"] += 1
            happened["axis"] += axis_test([settings[:4], settings[4:]], variance, draws=400).p < 0.05
        for one in settings[:3]:
            low, high = interval(one, variance)
            happened["intervals"] += 1
            happened["covered"] += low <= rate <= high
    return happened


def shares(happened):
    """(false positives of pairs, of axes, coverage) of a Counter."""
    return (
        happened["false"] / happened["pairs"],
        happened["axis"] / happened["axes"],
        happened["covered"] / happened["intervals"],
    )


def held(found):
    pair, axis, covered = found
    return pair <= MOST_FALSE and axis <= MOST_FALSE and covered >= LEAST_COVERED


def power(seeds, draws):
    """How often a gap of 0.10 over 0.30 on 160 problems is found, at a deviation of 0.03 that seeds share by half."""
    random, found = numpy.random.default_rng(9), 0
    for _ in range(draws):
        settings = observed(draw_scores(random, [0.3] * (SETTINGS - 1) + [0.4], seeds, 160, 0.03, 0.5))
        found += compare(settings[-1], settings[0], pool(settings, design_of([o.seeds for o in settings]))).low > 0
    return found / draws


def share_coverage(seeds, draws):
    """How often the interval of a share of a fixed teacher (0.3 of 0.6, 160 problems) holds 0.5."""
    random, hits = numpy.random.default_rng(8), 0
    for _ in range(draws):
        scores = draw_scores(random, [0.3] * (SETTINGS - 1) + [0.6], seeds, 160, 0.03)
        scores[-1] = draw_scores(random, [0.6], 1, 160, 0.0)[0]
        settings = observed(scores[:-1])
        variance = pool(settings, design_of([one.seeds for one in settings]))
        _, low, high = ratio(settings[0], of_rates(scores[-1][:1], fixed=True), variance)
        hits += low <= 0.5 <= high
    return hits / draws


def unlike_spreads(seeds, draws):
    """False positives of two settings of deviation 0.05 where six others, which the pool is of too, have 0.02."""
    random, false = numpy.random.default_rng(7), 0
    for _ in range(draws):
        settings = observed(draw_scores(random, [0.4] * SETTINGS, seeds, 974, [0.05] * 2 + [0.02] * (SETTINGS - 2)))
        false += compare(*settings[:2], pool(settings, design_of([one.seeds for one in settings]))).p < 0.05
    return false / draws


def few_functions(count, spread, draws):
    """(coverage of the interval of one model's bits per byte, part of the bits that the heaviest fifth holds).

    Bytes of a function and bits of a byte are lognormal and independent, so that the truth is exp(spread^2 / 2).
    """
    random, hits, part = numpy.random.default_rng(6), 0, 0.0
    for _ in range(draws):
        lengths = numpy.exp(5.5 + 0.8 * random.standard_normal(count))
        bits = lengths * numpy.exp(spread * random.standard_normal(count))
        low, high = interval(of_ratios(bits, lengths))
        hits += low <= numpy.exp(spread**2 / 2) <= high
        part += numpy.sort(bits)[-count // 5 :].sum() / bits.sum()
    return hits / draws, part / draws


def main():
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--draws", type=int, default=100, help="studies of each mix")
    flags.add_argument("--seeds", type=int, nargs="+", default=[2, 3, 5, 10])
    asked = flags.parse_args()
    begin, failed = time.perf_counter(), []
    for seeds in asked.seeds:
        results = []
        for mix in itertools.product([seeds], (40, 164, 974), (0.0, 0.02, 0.05), (0.02, 0.3, 0.9), (0.0, 1.0)):
            found = shares(study(mix, asked.draws, 1))
            if not held(found):
                found = shares(study(mix, 10 * asked.draws, 2))
                if not held(found):
                    failed.append((mix, found))
            results.append(found)
        pair, axis, covered = numpy.array(results).T
        print(
            f"{seeds:2d} seeds: false positives of pairs mean {pair.mean():.3f} worst {pair.max():.3f}, of axes "
            f"{axis.mean():.3f} / {axis.max():.3f}; coverage mean {covered.mean():.3f} least {covered.min():.3f}; "
            f"power at +.10 {power(seeds, 2 * asked.draws):.2f}; share of the teacher covered "
            f"{share_coverage(seeds, 4 * asked.draws):.3f}  ({time.perf_counter() - begin:.0f} s)",
            flush=True,
        )
    for seeds in asked.seeds:
        print(
            f"{seeds:2d} seeds, spreads unlike: false positives {unlike_spreads(seeds, 4 * asked.draws):.3f}",
            flush=True,
        )
    for count, spread in itertools.product((40, 200), (0.9, 1.2)):
        covered, part = few_functions(count, spread, 20 * asked.draws)
        print(f"{count} functions, the heaviest fifth with {part:.2f} of the bits: bits per byte covered {covered:.3f}")
    for mix, found in failed:
        print("not held: seeds {} problems {} deviation {} rate {} shared {}".format(*mix), found)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
