"""Finalists and fresh seeds: which models they add to a study, what those read, and every mistake in one line."""

from pathlib import Path

import pytest
import yaml

from codestill.kit.program import UserError
from codestill.study.commands import Commands
from codestill.study.config import load_study
from codestill.study.grid import build_grid
from codestill.study.layout import Layout

TINY = yaml.safe_load((Path(__file__).resolve().parents[2] / "tests/workflow/tiny.yaml").read_text())
SWEEPS = {
    "mine": {"grid": {"alpha": [0.5, 0.0], "temperature": [2, 3]}, "seeds": [1]},
    "alone": {"grid": {"alpha": 1, "learning_rate": [5e-3, 1e-2]}, "seeds": [1]},
}
CONFIG = TINY | {"seeds": [1, 2, 3], "experiments": {}, "sweeps": SWEEPS}


def layout_of(selection, **changes):
    study = load_study({**CONFIG, "selection": selection, **changes}, "my.yaml")
    return Layout(study, build_grid(study, "my.yaml"))


def test_without_them_a_study_has_no_other_models():
    place = layout_of({})
    assert place.graph.later == {} and place.shortlisted == []
    assert place.contenders("best_distilled") == place.candidates("best_distilled")
    assert place.models == [*place.graph.bases, *place.grid.cells]


def test_finalists_are_trained_on_the_seeds_that_candidates_lack():
    place = layout_of({"finalists": 2})
    distilled = [f"finalist-{rank}_distilled_seed-{seed}" for rank in (1, 2) for seed in (2, 3)]
    assert place.finalists("best_distilled") == distilled
    assert place.finalists("best_finetuned") == [name.replace("distilled", "finetuned") for name in distilled]
    assert place.axes_of(distilled[0]) == ["results/tiny/shortlist/best_distilled.json"]
    # The control has every seed: it may be a finalist, and then is not trained again.
    assert place.same_seed("finalist-1_finetuned_seed-2") == ["alpha-1.0_seed-2"]
    assert place.same_seed(distilled[0]) == []
    assert place.graph.nodes[distilled[0]].needs == ("student", "teacher")
    assert set(distilled) < set(place.judged("greetings"))  # without fresh seeds the headline is theirs
    more = layout_of({"finalists": 3})
    assert len(more.finalists("best_distilled")) == 6 and len(more.finalists("best_finetuned")) == 4  # all there are
    everywhere = layout_of({"finalists": 1}, sweeps={}, experiments={"default": {}})
    assert everywhere.graph.later == {}  # all candidates have all seeds


def test_fresh_seeds_are_judged_and_finalists_then_choose_alone():
    place = layout_of({"finalists": 1, "fresh_seeds": [7, 8]})
    fresh = [f"{side}_seed-{seed}" for side in ("best_distilled", "best_finetuned") for seed in (7, 8)]
    assert place.reported_later == fresh
    judged = place.judged("greetings")
    assert set(fresh) < set(judged) and not any(name.startswith("finalist") for name in judged)
    assert place.axes_of(fresh[0]) == ["results/tiny/models/best_distilled/chosen.json"]
    assert place.same_seed(fresh[0]) == [] and place.teachers_of(fresh[2]) == ([], [])
    assert place.resolved()["models"][fresh[1]] == {
        "role": "fresh", "cell": None, "of": "best_distilled", "rank": 0, "seed": 8
    }  # fmt: skip


def test_a_development_benchmark_judges_candidates_and_finalists():
    problems = {"kind": "file", "path": "more.jsonl", "use": "development"}
    place = layout_of({"finalists": 1, "fresh_seeds": [7]}, benchmarks=TINY["benchmarks"] | {"problems": problems})
    later = [f"finalist-1_{side}_seed-{seed}" for side in ("distilled", "finetuned") for seed in (2, 3)]
    assert place.judged("problems") == [*place.grid.cells, *later]
    assert place.measures_of(later[:1]) == ["results/tiny/scores/problems/finalist-1_distilled_seed-2.json"]


def test_whoever_may_teach_is_an_input_under_the_name_that_the_axes_have():
    big = {"shape": TINY["student"]["shape"], "training": {"epochs": 1}}
    teachers = {"grid": {"teacher": ["teacher", "big"], "teacher_seed": [None, 9]}, "seeds": [1]}
    place = layout_of({"finalists": 1}, models={"big": big}, sweeps={"teachers": teachers})
    name = "finalist-1_distilled_seed-2"
    names = ["teacher", "teacher.seed-9", "big", "big.seed-9"]
    assert place.graph.later[name].teachers == dict(zip(names, names, strict=True))
    files = [path.replace("results/", "elsewhere/results/") for path in place.teachers_of(name)[0]]
    flags = Commands(place.study, place).later_sources(name, files, ["elsewhere/results/tiny/teacher_states/big/x"], [])
    assert "big.seed-9=elsewhere/results/tiny/models/big.seed-9" in flags
    assert flags.endswith("--states big=elsewhere/results/tiny/teacher_states/big")


def test_a_trained_cell_may_teach_where_it_has_the_seed():
    by_cell = {"grid": {"teacher": "assistant"}, "seeds": [1]}
    experiments = {"assistant": {"seeds": [1, 2]}, "second": by_cell}
    place = layout_of({"fresh_seeds": [7]}, experiments=experiments | {"second": {"grid": {"alpha": 0}}})
    assert place.graph.later["best_distilled_seed-7"].teachers == {"teacher": "teacher"}
    with pytest.raises(UserError, match=r"selection.fresh_seeds: assistant has 0 cells of seed 7, where one is needed"):
        layout_of({"fresh_seeds": [7]}, experiments=experiments)


@pytest.mark.parametrize(
    "selection, changes, said",
    [
        ({"finalists": 1}, {"seeds": [1]}, "selection.finalists: are trained on all seeds, and the study has one"),
        (
            {"finalists": 5},
            {},
            "finalists: 5, but there are 4 settings with a teacher and 2 without; ask for 4 at most",
        ),
        ({"finalists": -1}, {}, "selection.finalists: must be greater than or equal to 0"),
        ({"fresh_seeds": [2]}, {}, "selection.fresh_seeds: 2 is a seed of the study"),
        ({"fresh_seeds": [7, 7]}, {}, "selection.fresh_seeds: must be distinct"),
        ({"fresh_seeds": [4]}, {"experiments": {"x": {"seeds": [4]}}}, "selection.fresh_seeds: 4 is the seed of T-2.0"),
    ],
)
def test_a_mistake_is_one_line_with_its_field_and_remedy(selection, changes, said):
    with pytest.raises(UserError) as error:
        layout_of(selection, **changes)
    assert str(error.value).startswith("my.yaml: ") and said in str(error.value) and "\n" not in str(error.value)


def test_a_recipe_s_text_and_its_states_are_named_by_the_axes():
    recipes = {"grid": {"recipe": ["corpus", "teacher"]}, "seeds": [1]}
    place = layout_of({"finalists": 2}, sweeps={"mine": recipes})
    name = "finalist-1_distilled_seed-2"
    assert place.graph.later[name].texts == {"teacher/teacher": "teacher/teacher"}
    texts = place.texts_of(name)
    assert texts == place.train_tokens("teacher/teacher")
    states = [*place.states("teacher"), *place.states("teacher/teacher")]
    flags = Commands(place.study, place).later_sources(name, place.teachers_of(name)[0], states, texts)
    assert flags == (
        "--teachers teacher=results/tiny/models/teacher --states teacher=results/tiny/teacher_states/teacher "
        "teacher/teacher=results/tiny/teacher_states/teacher/teacher "
        "--texts teacher/teacher=results/tiny/recipes/teacher/teacher/tokens"
    )
