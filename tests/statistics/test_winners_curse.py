"""The best of many noisy values flatters itself; finalists do so less, and seeds that did not choose do not at all.

Thirty settings that are all alike, each trained once and judged on validation and on reported problems; the best by
validation is chosen as scripts/choose.py chooses. What its reported value is above the truth is the headline's bias.
"""

import sys
from pathlib import Path

import numpy
import pytest
from simulated_studies import draw_scores, observed

from codestill.kit.files import write_json
from codestill.statistics.min_f_prime import compare
from codestill.statistics.seed_variance import design_of, pool

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
import choose

SETTINGS, RATE, DEVIATION, PROBLEMS = 30, 0.5, 0.03, 160
SEEDS, FRESH = [0, 1, 2], [3, 4, 5]


def records(scores, sides, seeds):
    """The candidates of a side as choose.py has them, from validation scores [settings, seeds, problems]."""
    means = scores[..., :PROBLEMS].mean(axis=-1)
    return choose.ranked(
        [
            {
                "axes": {"setting": setting},
                "cells": [
                    {"cell": "", "seed": seed, "eval_loss": 0.0, "pass@1": means[setting, seed]} for seed in seeds
                ],
            }
            for setting in sides
        ],
        "pass@1",
    )


def chosen(scores, sides, path):
    """(best by one seed, best of three finalists by all seeds) of a side."""
    one = records(scores, sides, SEEDS[:1])
    write_json(path, {"candidates": one[:3]})
    best = choose.finalists(records(scores, sides, SEEDS), path, SEEDS, "pass@1")
    assert len(best) == 3 and best[0]["pass@1"] >= best[-1]["pass@1"]
    return one[0]["axes"]["setting"], best[0]["axes"]["setting"]


@pytest.fixture(scope="module")
def headlines(tmp_path_factory):
    """[draws, 3] of the chosen setting's reported value less the truth: by the seed that chose, by all, by fresh ones.

    And how often the chosen one of thirty is told from the one setting of the other side, by all seeds and by fresh.
    """
    random, path = numpy.random.default_rng(11), tmp_path_factory.mktemp("choice") / "short.json"
    rows, apart = [], []
    for _ in range(150):
        scores = draw_scores(random, [RATE] * (SETTINGS + 1), 6, 2 * PROBLEMS, DEVIATION)
        best, final = chosen(scores, range(SETTINGS), path)
        reported = scores[..., PROBLEMS:]
        values = [reported[best, 0].mean(), reported[final, SEEDS].mean(), reported[final, FRESH].mean()]
        rows.append([value - reported.mean() for value in values])  # all settings are alike, so their mean is the truth
        found = []
        for seeds in (SEEDS, FRESH):
            few = observed(reported[[final, SETTINGS, *range(6)]][:, seeds])
            variance = pool(few, design_of([one.seeds for one in few]))
            found.append(compare(few[0], few[1], variance).p < 0.05)
        apart.append(found)
    return numpy.array(rows), numpy.array(apart).mean(axis=0)


def test_the_seed_that_chose_flatters_finalists_less_and_fresh_seeds_not(headlines):
    gaps, _ = headlines
    bias, error = gaps.mean(axis=0), gaps.std(axis=0, ddof=1) / len(gaps) ** 0.5
    by_one, by_all, by_fresh = bias
    assert by_one > 0.03 and by_one > 10 * error[0]
    assert 3 * error[1] < by_all < 0.7 * by_one
    assert abs(by_fresh) < 3 * error[2] < 0.01


def test_fresh_seeds_hold_the_level_of_the_headline(headlines):
    _, (by_all, by_fresh) = headlines
    assert by_fresh <= 0.06
    assert by_all >= by_fresh
