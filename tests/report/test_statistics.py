"""What the report concludes, on made-up cells whose right conclusion is known."""

import random

import pytest

from codestill.kit.files import read_json, write_json
from codestill.report import sweeps
from codestill.report.paired_differences import comparison_frame
from codestill.report.results import Results
from codestill.report.settings import setting_frame
from codestill.statistics import uncertainty


def study(folder, losses, passes=None):
    """A study whose cells are the keys (T, alpha, seed) of `losses`, with those validation losses."""
    models = {"teacher": {"role": "teacher", "cell": None}}
    for (temperature, alpha, seed), loss in losses.items():
        name = f"T-{temperature}_alpha-{alpha}_seed-{seed}"
        models[name] = {"role": "cell", "cell": {"temperature": temperature, "alpha": alpha, "seed": seed}}
        write_json(folder / "models" / name / "eval_results.json", {"eval_loss": loss})
        for task, c in enumerate((passes or {}).get((temperature, alpha, seed), ())):
            path = folder / "scores/pocket" / f"{name}.json"
            old = read_json(path)["per_problem"] if path.exists() else {}
            counts = old | {f"p/{task}": {"n": 5, "c": c}}
            rate = sum(one["c"] for one in counts.values()) / 5 / len(counts)
            write_json(path, {"pass@1": rate, "n_problems": len(counts), "per_problem": counts})
    described = {"study": "s", "config": {}, "models": models}
    return Results(described | {"benchmarks": {"pocket": {"n": 5, "k": [1], "models": []}}}, folder)


def verdict(results, axis):
    return {one["axis"]: one for one in sweeps.axis_verdicts(results)}[axis]


def test_an_axis_matters_only_past_twice_the_seed_deviation(tmp_path):
    noise = {0: -0.01, 1: 0.01}  # a deviation of 0.01414 within each setting
    losses = {(t, 0.5, s): 2.0 + gap + n for (t, gap) in ((1.0, 0.0), (4.0, 0.1)) for s, n in noise.items()}
    one = verdict(study(tmp_path / "far", losses), "T")
    assert one["verdict"] == "matters" and one["range"] == pytest.approx(0.1)
    assert one["noise"] == pytest.approx(2 * 0.0141421, rel=1e-4)
    near = {key: loss - (0.08 if key[0] == 4.0 else 0) for key, loss in losses.items()}
    assert verdict(study(tmp_path / "near", near), "T")["verdict"] == "within seed noise"
    single = {key: loss for key, loss in losses.items() if key[2] == 0}
    results = study(tmp_path / "single", single)
    assert verdict(results, "T")["verdict"] == "one seed: cannot be said"
    assert "its noise is unknown" in sweeps.sentences(results)[0]


def test_fine_tuning_alone_stands_at_the_end_of_every_alpha_ladder(tmp_path):
    losses = {(2.0, 0.0, 0): 2.0, (2.0, 0.0, 1): 2.0, (2.0, 0.5, 0): 2.0, (2.0, 0.5, 1): 2.0}
    results = study(tmp_path, losses | {(None, 1.0, 0): 2.5, (None, 1.0, 1): 2.52})
    one = verdict(results, "alpha")
    assert one["range"] == pytest.approx(0.51) and "alpha 1" in one["settings"]


def test_paired_intervals_see_what_unpaired_ones_cannot():
    draw = random.Random(1)
    hard = [draw.random() for _ in range(60)]
    ours = {f"p{i}": (10, min(10, round(10 * h) + 1)) for i, h in enumerate(hard)}
    theirs = {f"p{i}": (10, round(10 * h)) for i, h in enumerate(hard)}
    paired = uncertainty.paired_difference([ours], [theirs], 1)
    assert 0 < paired["low"] < paired["difference"] < paired["high"] and paired["p"] < 0.01
    separate = [uncertainty.pass_interval([one], 1) for one in (ours, theirs)]
    assert separate[0][0] < separate[1][1]  # side by side they overlap
    assert uncertainty.paired_difference([ours], [{"elsewhere": (5, 1)}], 1) is None
    assert uncertainty.pass_interval([ours], 20) == (None, None)


def test_holm_by_hand():
    assert uncertainty.holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert uncertainty.holm([]) == []


def test_seed_interval_by_hand():
    low, high = uncertainty.seed_interval([1.0, 2.0, 3.0])
    assert (low, high) == pytest.approx((2 - 4.303 / 3**0.5, 2 + 4.303 / 3**0.5))
    assert uncertainty.seed_interval([1.0]) == (None, None)


def test_settings_are_means_over_seeds(tmp_path):
    results = study(tmp_path, {(2.0, 0.5, 0): 1.0, (2.0, 0.5, 1): 3.0})
    row = setting_frame(results).iloc[0]
    assert (row["value"], row["seeds"]) == (2.0, 2) and row["sd"] == pytest.approx(2**0.5)


def test_only_the_cell_chosen_on_validation_is_a_headline(whole):
    frame = comparison_frame(Results.load(whole / "study.json", whole))
    head = frame[frame["label"] == "headline"]
    assert list(head["setting"]) == ["T 2, alpha 0.5"] * 2 and head["p_holm"].isna().all()
    rest = frame[frame["label"] == "exploratory"]
    assert (rest["p_holm"] >= rest["p"]).all() and len(rest) > 5
