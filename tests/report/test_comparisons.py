"""What the report concludes, on made-up cells whose right conclusion is known: all from one table of comparisons."""

import random

import pytest

from codestill.kit.files import write_json
from codestill.report import advice, summary
from codestill.report.comparisons import AXIS, axis_sentences, comparison_frame, figures_of
from codestill.report.results import Results
from codestill.report.settings import evidence_of, setting_frame
from codestill.report.table import problem_frame, read_csv, score_frame, write_csv


def study(folder, losses, passes=(), choices=()):
    """A study whose cells are the keys (T, alpha, seed) of `losses`, with those validation losses.

    passes: {cell key: how many of 5 samples passed each problem}. choices: {alias: cell key}.
    """
    models = {"teacher": {"role": "teacher", "cell": None}}
    for key, loss in losses.items():
        temperature, alpha, seed = key
        models[name(key)] = {"role": "cell", "cell": {"temperature": temperature, "alpha": alpha, "seed": seed}}
        write_json(folder / "models" / name(key) / "eval_results.json", {"eval_loss": loss})
        if key in passes:
            counts = {f"p/{task}": {"n": 5, "c": c} for task, c in enumerate(passes[key])}
            rate = sum(passes[key]) / 5 / len(counts)
            scores = {"pass@1": rate, "n_problems": len(counts), "per_problem": counts}
            write_json(folder / "scores/pocket" / f"{name(key)}.json", scores)
    for alias, key in dict(choices).items():
        models[alias] = {"role": "chosen", "cell": None}
        write_json(folder / "models" / alias / "chosen.json", {"cell": name(key), "candidates": [{}]})
    described = {"study": "s", "config": {"seeds": sorted({key[2] for key in losses})}, "models": models}
    return Results(described | {"benchmarks": {"pocket": {"n": 5, "k": [1], "models": []}}}, folder)


def name(key):
    return "T-{}_alpha-{}_seed-{}".format(*key)


def tables(results):
    scores, problems = score_frame(results), problem_frame(results)
    evidence = evidence_of(results, scores, problems)
    return {
        "settings": setting_frame(results, evidence, scores), "comparisons": comparison_frame(results, evidence)
    }  # fmt: skip


def axis_row(results, axis, measure="eval_loss"):
    frame = tables(results)["comparisons"]
    return frame[(frame["label"] == AXIS) & (frame["role"] == axis) & (frame["measure"] == measure)].iloc[0]


def noisy(levels, seeds, deviation=0.01, start=0):
    """Losses of each T around its level, with a deviation of seeds."""
    draw = random.Random(start)
    return {(t, 0.5, s): level + draw.gauss(0, deviation) for t, level in levels.items() for s in range(seeds)}


def test_an_axis_matters_where_its_levels_differ_by_more_than_their_seeds(tmp_path):
    far = axis_row(study(tmp_path / "far", noisy({1.0: 2.0, 2.0: 2.0, 4.0: 2.2}, 3)), "temperature")
    assert far["p"] < 0.01 and "T 4, alpha 0.5" in (far["setting"], far["against"])
    near = axis_row(study(tmp_path / "near", noisy({1.0: 2.0, 2.0: 2.0, 4.0: 2.0}, 3)), "temperature")
    assert near["p"] > 0.05
    single = study(tmp_path / "single", noisy({1.0: 2.0, 4.0: 2.2}, 1))
    assert axis_sentences(tables(single)["comparisons"]) == [
        "Whether T matters for validation CE cannot be said with one seed."
    ]


def test_many_levels_without_an_effect_rarely_matter(tmp_path):
    levels = dict.fromkeys((1.0, 2.0, 3.0, 4.0, 5.0, 6.0), 2.0)
    results = [study(tmp_path / str(draw), noisy(levels, 3, 0.05, draw)) for draw in range(25)]
    assert sum(axis_row(one, "temperature")["p"] < 0.05 for one in results) <= 3


def test_fine_tuning_alone_stands_at_the_end_of_every_alpha_ladder(tmp_path):
    losses = {(2.0, alpha, s): 2.0 + 0.01 * s for alpha in (0.0, 0.5) for s in range(3)}
    row = axis_row(study(tmp_path, losses | {(None, 1.0, s): 2.5 + 0.01 * s for s in range(3)}), "alpha")
    assert row["p"] < 0.05 and "alpha 1" in (row["setting"], row["against"])


def chosen(folder, seeds, gap):
    """A study of one distilled setting that is better by about `gap` of 5 samples, and three that are not."""
    draw, losses, passes = random.Random(3), {}, {}
    ease = [draw.random() for _ in range(120)]
    for key in [(None, 1.0), (2.0, 0.5), (1.0, 0.5), (3.0, 0.5), (4.0, 0.5)]:
        for seed in range(seeds):
            more = gap if key == (2.0, 0.5) else 0
            losses[*key, seed] = 2.0
            passes[*key, seed] = [min(5, sum(draw.random() < e / 2 for _ in range(5)) + more) for e in ease]
    return study(folder, losses, passes, {"best_distilled": (2.0, 0.5, 0), "best_finetuned": (None, 1.0, 0)})


def test_two_seeds_or_more_speak_of_distillation(tmp_path):
    results = chosen(tmp_path, 3, 1)
    found = tables(results)
    (claim, figures), row = summary.verdicts(results, found)[0], summary.headline_row(found, "pocket")
    assert claim == "pocket: distillation helps" and row["about"] == "method" and row["low"] > 0
    assert figures_of(row) in figures and "seeds 0 1 2" in figures and "excludes zero" in figures
    others = found["comparisons"].query("label == 'exploratory' and measure == 'pass@1'")
    assert len(others) == 3 and (others["p_holm"] >= others["p"]).all()


def test_one_seed_speaks_of_two_models_and_asks_for_more(tmp_path):
    results = chosen(tmp_path, 1, 1)
    found = tables(results)
    claim, figures = summary.verdicts(results, found)[0]
    assert claim == "pocket: these two models differ" and "not of distillation" in figures
    steps = advice.steps(results, found)
    assert steps[0][1] == "seeds: [0, 1, 2]\n" and "1 seed" in steps[0][0]


def test_seeds_are_names_in_a_table_that_was_written_and_read(tmp_path):
    """Of one seed a side they look like numbers, and where a side has none, like broken ones."""
    found = tables(chosen(tmp_path, 1, 1))["comparisons"]
    write_csv(found, tmp_path / "comparisons.csv")
    again = read_csv(tmp_path / "comparisons.csv")
    assert list(again["seeds"]) == list(found["seeds"].fillna("")) and "" in list(again["seeds"])
    row = again.query("label == 'headline' and measure == 'pass@1'").iloc[0].to_dict()
    assert figures_of(row).endswith("and seed 0")


def test_settings_are_means_over_seeds(tmp_path):
    results = study(tmp_path, {(2.0, 0.5, 0): 1.0, (2.0, 0.5, 1): 3.0})
    row = tables(results)["settings"].iloc[0]
    assert (row["value"], row["seeds"], row["seed_names"]) == (2.0, 2, "0 1") and row["sd"] == pytest.approx(2**0.5)
    assert 0 < row["low"] < 1.0 and row["high"] > 3.0
