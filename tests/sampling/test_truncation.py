"""Draws have the distribution of transformers' warpers, repeat, and are called sure only where they are."""

import numpy as np
import pytest
import torch
from transformers import TemperatureLogitsWarper, TopPLogitsWarper

from codestill.sampling.truncation import BadLogits, choose, gumbel, row_key, step_words


def chi_square_z(counts, expected):
    """Chi-square of counts against expected counts, standardised (about N(0, 1) under the null), cells >= 5."""
    keep = expected >= 5
    counts = np.append(counts[keep], counts[~keep].sum())
    expected = np.append(expected[keep], expected[~keep].sum())
    counts, expected = counts[expected > 0], expected[expected > 0]
    value = ((counts - expected) ** 2 / expected).sum()
    freedom = len(expected) - 1
    return (value - freedom) / (2 * freedom) ** 0.5


def words_of(rows, step=0, seed=0):
    keys = np.array([row_key(seed, "task", sample) for sample in range(rows)], np.uint64)
    return torch.from_numpy(step_words(keys, np.full(rows, step)))


def warped(logits, temperature, top_p):
    scores = TemperatureLogitsWarper(temperature)(None, logits[None])
    return TopPLogitsWarper(top_p)(None, scores).softmax(-1)[0].double().numpy()


@pytest.mark.parametrize(
    ("width", "spread", "temperature", "top_p"),
    [(50, 2.0, 0.8, 0.95), (1500, 3.0, 0.8, 0.95), (1200, 0.1, 1.0, 0.9), (600, 2.0, 1.3, 1.0), (600, 3.0, 0.7, 0.5)],
)
@pytest.mark.parametrize("slack", [0.0, 1e-4])
def test_draws_follow_the_warped_softmax(width, spread, temperature, top_p, slack):
    logits = torch.randn(width, generator=torch.Generator().manual_seed(width)) * spread
    draws = 8000
    words = words_of(draws)
    ids, sure = choose(logits.expand(draws, -1), words, temperature, top_p, slack)
    if not sure.all():  # decided alone, as the sampling loop does
        unsure = words[~sure]
        ids[~sure] = choose(logits.expand(len(unsure), -1), unsure, temperature, top_p, 0.0)[0]
    expected = warped(logits, temperature, top_p) * draws
    counts = np.bincount(ids.numpy(), minlength=width)
    assert counts[expected == 0].sum() == 0, "a token outside the nucleus was drawn"
    assert abs(chi_square_z(counts, expected)) < 4.5


def test_noise_is_uniform_and_unlike_between_steps_rows_and_tokens():
    draws = 20000
    ids = torch.arange(2).expand(draws, -1)
    now, later = (gumbel(words_of(draws, step), ids).double() for step in (0, 1))
    ranks = torch.stack([now[:, 0], now[:, 1], later[:, 0], now[:, 0].roll(1)])
    uniform = torch.exp(-torch.exp(-ranks)).numpy()
    for one in uniform:
        counts = np.histogram(one, 64, (0, 1))[0]
        assert abs(chi_square_z(counts, np.full(64, draws / 64))) < 4.5
    for other in uniform[1:]:
        counts = np.histogram2d(uniform[0], other, 16, [(0, 1), (0, 1)])[0].ravel()
        assert abs(chi_square_z(counts, np.full(256, draws / 256))) < 4.5


def test_keys_depend_on_seed_task_and_sample_and_on_nothing_that_looks_alike():
    keys = {row_key(seed, task, sample) for seed in (0, 1, 11) for task in ("a", "1", "a1") for sample in (0, 1, 11)}
    assert len(keys) == 27


@pytest.mark.parametrize(("temperature", "top_p"), [(0.8, 0.95), (1.0, 1.0), (0.5, 0.6), (0, 1.0)])
@pytest.mark.parametrize("width", [40, 700, 3000])
def test_sure_draws_survive_every_change_within_the_slack(temperature, top_p, width):
    slack, rows = 2e-3, 400
    generator = torch.Generator().manual_seed(width)
    logits = torch.randn(rows, width, generator=generator) * 2.5
    half = logits[: rows // 2]
    half[:, 1::2] = half[:, ::2] + 1e-3  # half of the rows are full of near ties
    words = words_of(rows)
    ids, sure = choose(logits, words, temperature, top_p, slack)
    for _ in range(4):
        change = (torch.rand(rows, width, generator=generator) * 2 - 1) * slack
        moved, _ = choose(logits + change.sign() * slack * 0.999, words, temperature, top_p, 0.0)
        assert torch.equal(moved[sure], ids[sure])
        moved, _ = choose(logits + change, words, temperature, top_p, 1e-5)
        assert torch.equal(moved[sure], ids[sure])
    assert sure.float().mean() > 0.4
    if temperature == 0:
        assert not sure[: rows // 2].any()


def test_batched_and_lone_draws_agree_whatever_list_they_come_from():
    logits = torch.randn(200, 5000, generator=torch.Generator().manual_seed(3))
    logits *= torch.linspace(0.05, 8, 200)[:, None]  # from flat (sorted whole) to steep (the shortest list)
    batched, sure = choose(logits, words_of(200), 0.8, 0.95, 1e-5)
    lone, all_sure = choose(logits, words_of(200), 0.8, 0.95, 0.0)
    assert all_sure.all() and sure.float().mean() > 0.95
    assert torch.equal(batched[sure], lone[sure])


@pytest.mark.parametrize(("temperature", "top_p"), [(0.8, 0.95), (0.8, 1.0), (0, 1.0)])
def test_logits_so_large_that_the_slack_is_below_their_spacing(temperature, top_p):
    logits = torch.randn(50, 600, generator=torch.Generator().manual_seed(1)) * 5000
    batched, sure = choose(logits, words_of(50), temperature, top_p, 1e-5)
    assert torch.equal(batched[sure], choose(logits, words_of(50), temperature, top_p, 0.0)[0][sure])
    assert sure.float().mean() > 0.5


@pytest.mark.parametrize(("temperature", "top_p"), [(0.8, 0.95), (0.8, 1.0), (0, 1.0)])
@pytest.mark.parametrize("slack", [0.0, 1e-4])
@pytest.mark.parametrize("value", ["nan", "inf"])
def test_nan_and_infinity_are_refused(temperature, top_p, slack, value):
    logits = torch.zeros(2, 600)
    logits[1, 5] = float(value)
    with pytest.raises(BadLogits):
        choose(logits, words_of(2), temperature, top_p, slack)


def test_one_token_only():
    ids, sure = choose(torch.zeros(3, 1), words_of(3), 0.8, 0.95, 1e-4)
    assert ids.tolist() == [0, 0, 0] and sure.all()
