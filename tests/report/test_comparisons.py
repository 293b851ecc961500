"""What the report concludes, on made-up cells whose right conclusion is known: all from one table of comparisons."""

import random

import pandas
import pytest
import yaml

from codestill.kit.files import read_json, write_json
from codestill.report import advice, summary
from codestill.report.comparisons import AXIS, CONTROL, axis_sentences, comparison_frame, figures_of
from codestill.report.results import Results
from codestill.report.settings import evidence_of, setting_frame
from codestill.report.table import problem_frame, read_csv, score_frame, write_csv
from codestill.study.config import load_study
from codestill.study.grid import build_grid
from codestill.study.reading import merged
from codestill.study.remarks import remarks
from shared_data import ROOT


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


def test_what_a_benchmark_tells_is_told_by_the_p_that_the_table_of_experiments_has(tmp_path):
    """Of five comparisons on one control, one with p = 0.03 shows nothing: its Holm p is 0.15, in both places."""
    results = chosen(tmp_path, 1, 1)
    judged = read_json(tmp_path / f"scores/pocket/{name((None, 1.0, 0))}.json")
    write_json(tmp_path / "scores/pocket/teacher.json", judged)
    found = tables(results)
    frame = found["comparisons"]
    row = (frame["role"] == "teacher") & (frame["measure"] == "pass@1")
    frame.loc[row, ["difference", "low", "high", "p", "p_holm"]] = [0.05, 0.005, 0.095, 0.03, 0.15]
    (said,) = summary.discrimination(results, found)
    assert said.startswith(
        "pocket does not tell the teacher from the student fine-tuned alone (+0.050 [+0.005, +0.095]"
    )
    assert "Holm p = 0.15" in said and "p = 0.03," not in said
    assert "; of these models, not of a method)" in said
    frame.loc[row, ["p", "p_holm", "about"]] = [0.001, 0.005, "method"]
    (said,) = summary.discrimination(results, found)
    assert said.startswith("pocket tells the teacher") and "Holm p = 0.005" in said and "these models, not" not in said


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


def with_fresh_seeds(folder, seeds=3):
    """The study of `chosen`, without a true gap, whose chosen settings were trained on fresh seeds that have one."""
    results = chosen(folder, seeds, 0)
    described, draw = results.study, random.Random(4)
    ease = [draw.random() for _ in range(120)]
    for alias, (temperature, alpha), more in (("best_distilled", (2.0, 0.5), 1), ("best_finetuned", (None, 1.0), 0)):
        for seed in range(7, 7 + seeds):
            model = f"{alias}_seed-{seed}"
            described["models"][model] = {"role": "fresh", "cell": None, "of": alias, "rank": 0, "seed": seed}
            axes = {"temperature": temperature, "alpha": alpha, "seed": seed}
            write_json(folder / "models" / model / "provenance.json", {"cell": axes})
            write_json(folder / "models" / model / "eval_results.json", {"eval_loss": 2.0})
            passes = [min(5, sum(draw.random() < e / 2 for _ in range(5)) + more) for e in ease]
            counts = {f"p/{task}": {"n": 5, "c": c} for task, c in enumerate(passes)}
            scores = {"pass@1": sum(passes) / 600, "n_problems": 120, "per_problem": counts}
            write_json(folder / "scores/pocket" / f"{model}.json", scores)
    return Results(described, folder)


def test_the_headline_is_of_seeds_that_did_not_choose(tmp_path):
    results = with_fresh_seeds(tmp_path)
    found = tables(results)
    row = summary.headline_row(found, "pocket")
    assert (row["seeds"], row["seeds_against"], row["about"]) == ("7 8 9", "7 8 9", "method")
    assert row["difference"] > 0.1 and row["low"] > 0  # of the seeds that chose there is no gap
    assert row["setting"] == "T 2, alpha 0.5, fresh seeds" and row["against"] == "alpha 1, fresh seeds"
    settings = found["settings"].query("measure == 'pass@1'").set_index("setting")
    assert settings.loc["T 2, alpha 0.5", "seed_names"] == "0 1 2"
    assert settings.loc["T 2, alpha 0.5", "role"] == "distilled"
    assert settings.loc["T 2, alpha 0.5, fresh seeds", "role"] == "best distilled"
    assert summary.main_settings(results)["best distilled"] == "T 2, alpha 0.5, fresh seeds"
    axes = found["comparisons"].query("label == 'axis'")
    assert not axes["setting"].str.contains("fresh").any()  # no axis is judged by what was chosen


def test_without_the_fresh_models_there_is_no_headline_yet(tmp_path):
    results = with_fresh_seeds(tmp_path)
    for seed in (7, 8, 9):
        (tmp_path / f"models/best_distilled_seed-{seed}/provenance.json").unlink()
    results = Results(results.study, tmp_path)
    assert summary.headline_row(tables(results), "pocket") is None
    assert summary.main_settings(results)["best distilled"] is None


def test_a_finalist_that_is_a_cell_of_the_grid_counts_once(tmp_path):
    results = study(tmp_path, noisy({2.0: 2.0}, 2))
    axes = {"temperature": 2.0, "alpha": 0.5, "seed": 1}
    for number, seed in ((1, 1), (2, 5)):
        model = f"finalist-{number}_distilled_seed-{seed}"
        results.study["models"][model] = {"role": "finalist", "of": "best_distilled", "rank": number, "seed": seed}
        write_json(tmp_path / "models" / model / "provenance.json", {"cell": axes | {"seed": seed}})
        write_json(tmp_path / "models" / model / "eval_results.json", {"eval_loss": 2.1})
    results = Results(results.study, tmp_path)
    assert results.by_name["finalist-1_distilled_seed-1"].name == name((2.0, 0.5, 1))
    row = tables(results)["settings"].query("measure == 'eval_loss'").iloc[0]
    assert row["seed_names"] == "0 1 5"


def test_the_gain_stands_beside_both_kinds_of_control(tmp_path):
    results = chosen(tmp_path, 3, 1)
    for entry in results.study["models"].values():
        if entry["cell"]:
            entry["cell"]["label_smoothing"] = 0.0
    results.study["config"]["training"] = {"label_smoothing": 0.0}
    smoothed = {f"alpha-1-smoothed-{seed}": seed for seed in range(3)}
    for model, seed in smoothed.items():
        axes = {"temperature": None, "alpha": 1.0, "label_smoothing": 0.1, "seed": seed}
        results.study["models"][model] = {"role": "cell", "cell": axes}
        plain = read_json(tmp_path / f"scores/pocket/{name((None, 1.0, seed))}.json")
        counts = {task: one | {"c": max(0, one["c"] - 1)} for task, one in plain["per_problem"].items()}
        write_json(tmp_path / f"scores/pocket/{model}.json", plain | {"per_problem": counts})
        write_json(tmp_path / f"models/{model}/eval_results.json", {"eval_loss": 2.0})
    ranking = [
        {"axes": {"alpha": 1.0, "label_smoothing": 0.0}, "cells": [{"cell": name((None, 1.0, 0)), "seed": 0}]},
        {"axes": {"alpha": 1.0, "label_smoothing": 0.1}, "cells": [{"cell": "alpha-1-smoothed-0", "seed": 0}]},
    ]
    results = Results(results.study, tmp_path)
    results.choices["best_finetuned"] |= {"candidates": ranking}
    found = tables(results)
    row = summary.headline_row(found, "pocket", CONTROL)
    head = summary.headline_row(found, "pocket")
    assert (head["against"], row["against"]) == ("alpha 1", "alpha 1, label_smoothing 0.1")
    assert row["difference"] > head["difference"] and row["seeds"] == row["seeds_against"] == "0 1 2"
    _, figures = summary.verdicts(results, found)[0]
    assert f"Over the other control (alpha 1, label_smoothing 0.1) it differs by {figures_of(row)}." in figures
    results.choices["best_finetuned"] |= {"candidates": ranking[:1]}
    assert summary.headline_row(tables(results), "pocket", CONTROL) is None


def test_pass_at_1_without_near_copies_is_of_all_main_models_and_their_seeds(tmp_path):
    results = chosen(tmp_path, 2, 1)
    plain = read_json(tmp_path / f"scores/pocket/{name((None, 1.0, 0))}.json")
    write_json(tmp_path / "scores/pocket/teacher.json", plain)
    assert summary.given_away(Results(results.study, tmp_path)) == []
    for path in (tmp_path / "scores/pocket").glob("*.json"):
        write_json(path, read_json(path) | {"without_near_copies": {"tasks": ["p/0", "p/7"]}})
    results = Results(results.study, tmp_path)
    (said,) = summary.given_away(results)
    assert said.startswith("pocket: 2 problems have near copies in the training text (p/0, p/7); pass@1 without them")
    for column, key in (("fine-tuned alone", (None, 1.0)), ("best distilled", (2.0, 0.5))):
        files = [read_json(tmp_path / f"scores/pocket/{name((*key, seed))}.json") for seed in (0, 1)]
        kept = [file["per_problem"].items() for file in files]
        left = [one["c"] / 5 for rows in kept for task, one in rows if task not in ("p/0", "p/7")]
        clean, whole = sum(left) / len(left), sum(file["pass@1"] for file in files) / 2
        assert f"; {column} (seeds 0 1) {clean:.3f} [" in said and f"], with them {whole:.3f}" in said
    assert "alone: teacher 0." in said
    rows = problem_frame(results).set_index(["model", "task_id"])["near_copy"]
    assert rows["teacher", "p/0"] and rows["teacher", "p/7"] and not rows["teacher", "p/1"]
    for path in (tmp_path / "scores/pocket").glob("*.json"):
        write_json(path, read_json(path) | {"without_near_copies": {"tasks": []}})
    results = Results(results.study, tmp_path)
    assert summary.given_away(results) == ["pocket: no problem has a near copy in the training text."]


def candidates(*settings):
    return [{"axes": {"alpha": 0.5, "epochs": epochs}, "cells": [{"seed": 0}] * seeds} for epochs, seeds in settings]


def advised(folder, by, diagnosis, *settings, asked=None):
    """What is advised of training to a study whose cells all end with this diagnosis, its choice by a measure."""
    results = study(folder, noisy({2.0: 2.0}, 2))
    for cell in [model for model in results.models if model.role == "cell"]:
        write_json(folder / f"models/{cell.name}/eval_results.json", {"eval_loss": 2.0, "diagnosis": diagnosis})
    results = Results(results.study | {"config": {"seeds": [0, 1], "training": {"epochs": 4}, **(asked or {})}}, folder)
    results.choices["best_distilled"] = {"by": by, "candidates": candidates(*settings)}
    return list(advice._training(results)), list(advice._finalists(results))


def test_epochs_are_advised_by_the_measure_that_chooses(tmp_path):
    over = "overfitting: since step 9"
    (by_loss,), _ = advised(tmp_path / "a", "eval_loss", over, (4, 2))
    assert by_loss == ("2 of 2 students show overfitting: fewer epochs.", {"training": {"epochs": 2.0}})
    (untried,), _ = advised(tmp_path / "b", "pass@1", over, (4, 2))
    assert "pass@1 may gain from more epochs" in untried[0]
    assert untried[1]["sweeps"]["epochs"]["grid"] == {"epochs": [2, 4, 8]}
    (more,), _ = advised(tmp_path / "c", "pass@1", over, (8, 2), (4, 2))  # the best first
    assert "the more the better, by pass@1" in more[0] and more[1]["sweeps"]["more_epochs"]["grid"] == {
        "epochs": [8, 16]
    }
    (fewer,), _ = advised(tmp_path / "d", "pass@1", "underfitting: still falling", (2, 2), (4, 2))
    assert "the fewer the better" in fewer[0]
    assert advised(tmp_path / "e", "bodies_exact", over, (4, 2), (2, 2), (8, 2))[0] == []  # best in the middle


def test_many_candidates_of_one_seed_ask_for_finalists(tmp_path):
    single = [(epochs, 1) for epochs in (1, 2, 3, 4)]
    _, ((text, lines),) = advised(tmp_path / "a", "pass@1", "", *single)
    assert text.startswith("4 of 4 candidates have one seed")
    assert lines == {"selection": {"finalists": 3, "fresh_seeds": [2, 3, 4]}}
    asked = {"selection": {"finalists": 1}}
    assert advised(tmp_path / "b", "pass@1", "", *single, asked=asked)[1] == []
    assert advised(tmp_path / "c", "pass@1", "", *[(epochs, 2) for epochs in (1, 2, 3, 4)])[1] == []


def test_as_many_finalists_are_advised_as_the_larger_side_needs(tmp_path):
    """A control of one setting is a finalist as it is; it is the best of the others that luck made."""
    advised(tmp_path, "pass@1", "", *[(epochs, 1) for epochs in (1, 2, 3, 4)])
    results = study(tmp_path, noisy({2.0: 2.0}, 2))
    results.choices["best_distilled"] = {"candidates": candidates(*[(epochs, 1) for epochs in (1, 2, 3, 4)])}
    results.choices["best_finetuned"] = {"candidates": candidates((4, 1))}
    ((_, lines),) = advice._finalists(results)
    assert lines["selection"]["finalists"] == 3


def solving(folder, teacher, student, config, parameters=None):
    """A study whose teacher and two students solve those of 60 problems, by a config; and its tables."""
    passes = {(None, 1.0, 0): student, (2.0, 0.5, 0): student}
    chosen = {"best_distilled": (2.0, 0.5, 0), "best_finetuned": (None, 1.0, 0)}
    results = study(folder, dict.fromkeys(passes, 2.0), passes, chosen)
    counts = {f"p/{task}": {"n": 5, "c": c} for task, c in enumerate(teacher)}
    scores = {"pass@1": sum(teacher) / 5 / len(counts), "n_problems": len(counts), "per_problem": counts}
    write_json(folder / "scores/pocket/teacher.json", scores)
    if parameters:
        write_json(folder / "efficiency/teacher.json", {"parameters": parameters})
    results = Results(results.study | {"config": config}, folder)
    return results, tables(results)


NONE, SOME, ALL = [0] * 60, [5] * 20 + [0] * 40, [5] * 60


@pytest.mark.parametrize("solved", [NONE, SOME, ALL], ids=["hard", "alike", "easy"])
@pytest.mark.parametrize("temperature", [0, 0.8], ids=["greedy", "sampled"])
@pytest.mark.parametrize("source", ["pocket", "stdlib"])
@pytest.mark.parametrize("parameters", [1_000_000, 300_000_000], ids=["tiny", "large"])
def test_a_benchmark_that_tells_nothing_is_told_with_one_that_could(tmp_path, solved, temperature, source, parameters):
    """What is to be pasted passes the study's own check, and draws no sample twice."""
    raw = yaml.safe_load((ROOT / "config/demo.yaml").read_text())
    seed = {"seed": 4} if source == "pocket" else {}
    raw["corpus"]["sources"] = {"own": {"kind": source, "max_samples": 300, **seed}}
    judged = {"pocket": {"kind": "humaneval", "n": 1, "k": [1]}}
    choosing = {"mine": {"kind": "pocket_validation", "use": "development", "n": 1, "k": [1], **seed}}
    raw |= {"benchmarks": judged | choosing, "generation": {"temperature": temperature}}
    results, found = solving(tmp_path, solved, solved, raw, parameters)
    ((text, lines),) = advice._benchmarks(results, found)
    words = {0: "too hard", 20: "tells none of these models", 60: "too easy"}[solved.count(5)]
    assert text.startswith("pocket ") and words in text
    easy, (name, another) = solved == ALL, list(lines["benchmarks"].items())[-1]
    if source == "pocket" and not easy:
        assert another["kind"] == "pocket" and another["seed"] == 4
    elif parameters < advice.TINY or solved == NONE:
        assert another["kind"] == "completions"
    else:
        assert another["kind"] == "mbpp+"
    assert ("draw more samples" in text) == (temperature > 0 and not easy) == (len(lines["benchmarks"]) > 1)
    made = load_study(merged(raw, yaml.safe_load(yaml.safe_dump(lines))))
    assert made.benchmarks[name].use == "reported"
    assert not [one for one in remarks(made, build_grid(made, made.study)) if "same sample" in one]


def test_a_benchmark_that_tells_models_apart_asks_for_nothing(tmp_path):
    config = {"generation": {"temperature": 0}}
    assert list(advice._benchmarks(*solving(tmp_path, [5] * 50 + [0] * 10, SOME, config))) == []
    results, found = solving(tmp_path / "own", NONE, NONE, config)
    assert len(list(advice._benchmarks(results, found))) == 1
    near = found["settings"].query("benchmark == 'pocket'").head(1).assign(measure="edit_similarity", value=0.6)
    found["settings"] = pandas.concat([found["settings"], near])
    assert list(advice._benchmarks(results, found)) == []
