"""Recipes: whose text a cell learns from is in its name, its files and its inputs; what cannot be is told at once."""

from pathlib import Path

import pytest
import yaml

from codestill.kit.program import UserError
from codestill.study.commands import Commands
from codestill.study.config import load_study
from codestill.study.grid import build_grid
from codestill.study.layout import Layout
from codestill.study.remarks import remarks

CONFIG = Path(__file__).resolve().parents[2] / "config"
OWN = {"own": {"kind": "pocket_training", "seed": 1, "use": "training", "n": 4, "k": [1]}}


def laid_out(experiments=None, benchmarks=OWN, **changes):
    """The layout of the demo's study with these experiments."""
    raw = yaml.safe_load((CONFIG / "demo.yaml").read_text()) | {"sweeps": {}, "variants": {}, "seeds": [1]} | changes
    raw["benchmarks"] = {**raw["benchmarks"], **benchmarks}
    raw["experiments"] = {name: {"grid": grid} for name, grid in (experiments or {}).items()}
    study = load_study(raw)
    return Layout(study, build_grid(study))


def test_the_recipe_is_told_in_names_and_without_a_teacher_in_the_objective_the_author_is():
    recipes = ["corpus", "teacher", "verified", "unverified"]
    layout = laid_out({"texts": {"recipe": recipes}, "labels": {"alpha": 1, "recipe": recipes, "teacher_seed": [7]}})
    assert layout.grid.experiments["texts"] == [
        "T-2.5_alpha-0.5_seed-1",
        *(f"T-2.5_alpha-0.5_recipe-{recipe}_seed-1" for recipe in recipes[1:]),
    ]
    # Of the corpus' labels no teacher is the author; of another text the one that was asked for.
    assert layout.grid.experiments["labels"] == [
        "alpha-1.0_seed-1",
        *(f"alpha-1.0_teacher_seed-7_recipe-{recipe}_seed-1" for recipe in recipes[1:]),
    ]
    for name, cell in layout.grid.cells.items():
        assert layout.cell(name) == cell
    texts = [f"{recipe}/teacher" for recipe in recipes[1:]]
    assert layout.texts == [*texts, *(f"{text}.seed-7" for text in texts)]
    assert layout.stored == ["teacher", *texts]  # alpha 1 reads no states


def test_cells_that_ask_for_one_text_share_its_files_and_read_their_own_states():
    layout = laid_out({"texts": {"recipe": "verified", "alpha": [0, 0.5, 1]}})
    files = [layout.train_tokens(layout.graph.text_of(layout.cell(name))) for name in layout.grid.experiments["texts"]]
    assert files[0] == files[1] == files[2]
    assert files[0][0].startswith("results/demo/recipes/verified/teacher/tokens/")
    assert layout.stored_tokens("verified/teacher") == files[0]
    assert layout.stored_tokens("teacher") == layout.tokens("train")
    made_of = layout.completed("verified", "teacher")
    assert made_of["samples"] == ["results/demo/verdicts/own/teacher.jsonl"]
    assert layout.completed("teacher", "teacher")["samples"] == ["results/demo/samples/corpus_prompts/teacher.jsonl"]


def test_what_a_teacher_wrote_is_distilled_and_the_control_learns_the_corpus():
    layout = laid_out({"labels": {"alpha": 1, "recipe": "teacher"}}, distillation={"recipe": "verified", "alpha": 0.5})
    written = "alpha-1.0_recipe-teacher_seed-1"
    assert layout.grid.controls == ["alpha-1.0_recipe-corpus_seed-1"]
    assert layout.candidates("best_finetuned") == layout.grid.controls
    assert layout.candidates("best_distilled") == [written]
    assert layout.graph.needs_of(layout.cell(written)) == ("student", "teacher")
    flags = Commands(layout.study, layout).cell(layout.cell(written))
    assert "recipe=teacher" in flags and "teacher=teacher" in flags and "--recipe" not in flags


def test_completions_to_learn_from_are_drawn_by_the_recipes_section():
    layout = laid_out(recipes={"temperature": 0.7, "n": 3, "seed": 5})
    commands = Commands(layout.study, layout)
    assert "--n 3 " in commands.generation("corpus_prompts") and "--n 4 " in commands.generation("own")
    for name in ("corpus_prompts", "own"):
        assert "--temperature 0.7 --top_p 1.0" in commands.generation(name)
        assert "--seed 5" in commands.generation(name)
    assert "--temperature 0.0 --top_p 0.95" in commands.generation("pocket")


def test_a_benchmark_that_is_trained_on_is_no_result_chooses_nothing_and_is_not_held_out():
    layout = laid_out({"texts": {"recipe": "verified"}})
    assert layout.study.reported == ["pocket"] and layout.study.development == ["pocket_validation"]
    assert layout.held_out() == ["pocket", "pocket_validation"]
    assert not any("/own/" in path for path in layout.measured())
    assert layout.judged("own") == ["teacher"]
    assert laid_out(benchmarks={}).texts == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"experiments": {"bad": {"recipe": "verified"}}, "benchmarks": {}},
            "experiments.bad: recipe verified: no benchmark with tests has use: training; add one",
        ),
        ({"benchmarks": {"own": {"kind": "humaneval", "use": "training"}}}, "humaneval has no part to train on"),
        ({"benchmarks": {"own": {"kind": "pocket_training"}}}, "benchmarks.own.use: must be training, not reported"),
        ({"benchmarks": {"own": {"kind": "prompts", "use": "training"}}}, "benchmarks.own: the recipe teacher"),
        ({"selection": {"on": "own"}}, "selection.on: own is trained on, so it cannot choose"),
        ({"distillation": {"recipe": "mine"}}, "distillation.recipe"),
        ({"recipes": {"top_p": 0}}, "recipes.top_p"),
    ],
)
def test_a_recipe_that_cannot_be_is_one_line_before_any_job(changes, told):
    with pytest.raises(UserError) as caught:
        laid_out(**changes)
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_copies_of_one_sample_are_told_by_the_section_that_draws_them():
    def told(**changes):
        layout = laid_out(**changes)
        return [line.partition(":")[0] for line in remarks(layout.study, layout.grid)]

    assert told() == []  # the demo's own samples are greedy, one a problem; these are drawn at 1
    assert told(recipes={"temperature": 0}) == ["benchmarks.own.n"]
    assert told(recipes={"temperature": 0, "n": 2}, benchmarks={}) == ["recipes.n"]


def test_prompts_of_the_corpus_are_completed_by_as_many_jobs_as_the_config_makes_of_them():
    generation = {"samples_per_job": 100, "temperature": 0, "max_new_tokens": 128}
    layout = laid_out(recipes={"max_prompts": 600, "n": 2}, generation=generation)
    assert layout.sampling_jobs["corpus_prompts"] == 12
    assert "corpus_prompts" in layout.drawn_in_parts
