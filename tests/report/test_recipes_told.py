"""The recipe of a model stands wherever its T and alpha do, and the report says how much of a text passed."""

import pytest
import yaml

from codestill.kit.files import write_json
from codestill.report.comparisons import _families
from codestill.report.family import family_rows
from codestill.report.model_card import _kind
from codestill.report.objectives import objective_of
from codestill.report.page import cell_rows
from codestill.report.results import Results
from codestill.report.settings import role_of, settings
from codestill.report.study_facts import data, texts
from codestill.report.table import score_frame, setting_label
from codestill.study.config import load_study
from codestill.study.grid import build_grid
from codestill.study.layout import Layout
from codestill.study.recipe_words import recipe_words
from shared_data import ROOT

RECIPES = ("corpus", "teacher", "verified")
CONFIG = {
    "seeds": [1],
    "distillation": {"temperature": 2.0, "alpha": 0.5, "teacher": "teacher", "recipe": "corpus", "on_policy": 0.0},
}


def axes_of(alpha, recipe, own=0.0, refresh=None):
    """The axes of a cell as study.json has them: without a teacher where none acts."""
    taught, written = alpha < 1, recipe != "corpus"
    teacher = "teacher" if taught or written else None
    acts = {"temperature": 2.0, "on_policy": own, "on_policy_refresh": refresh}
    objective = acts if taught else dict.fromkeys(acts)
    return {**objective, "alpha": alpha, "teacher": teacher, "recipe": recipe, "seed": 1}


@pytest.fixture
def results(tmp_path):
    cells = {f"{alpha} {recipe}": axes_of(alpha, recipe) for alpha in (0.5, 1.0) for recipe in RECIPES}
    models = {"teacher": {"role": "teacher", "cell": None}}
    models |= {name: {"role": "cell", "cell": axes} for name, axes in cells.items()}
    account = {"completions": 1600, "passed": 1210, "kept": 1200, "prompts": 400, "prompts_kept": 350}
    account |= {"recipe": "verified", "dropped": {"failed": 390, "unfinished": 10}, "seed": 0}
    write_json(tmp_path / "recipes/verified/teacher/text.json", account)
    study = {"study": "made", "models": models, "benchmarks": {}, "config": CONFIG}
    return Results(study, tmp_path)


def test_labels_objectives_tables_and_cards_name_the_recipe(results):
    found = {name: model for name, model in results.by_name.items() if model.role == "cell"}
    labels = {name: setting_label(results, model) for name, model in found.items()}
    assert labels["0.5 verified"] == "T 2, alpha 0.5, recipe verified"
    assert labels["1.0 teacher"] == "alpha 1, recipe teacher"
    assert len(set(labels.values())) == 6
    for name, model in found.items():
        words = objective_of(model.axes)[0]
        assert ("completions" in words) is (model.recipe != "corpus"), words
        assert _kind(model) == ("alone" if name == "1.0 corpus" else "distilled")
    columns, rows = cell_rows(results, {"scores": score_frame(results)})
    place = columns.index("recipe")
    assert columns[:5] == ["model", "T", "alpha", "recipe", "seed"]
    assert [row["cells"][place][0] for row in rows] == ["–", *RECIPES, *RECIPES]


OWN = {
    "corpus": (0.5, "corpus"),
    "corpus, half own text": (0.5, "corpus", 0.5, 1),
    "corpus, half own text, refresh 8": (0.5, "corpus", 0.5, 8),
    "teacher, 25 % own text": (0.5, "teacher", 0.25, 1),
    "corpus, own text alone": (0.0, "corpus", 1.0, 1),
}


def own_results(folder, asked, **distillation):
    models = {"teacher": {"role": "teacher", "cell": None}, "student": {"role": "student", "cell": None}}
    models |= {f"cell {number}": {"role": "cell", "cell": axes_of(*one)} for number, one in enumerate(asked)}
    made_from = {name: ["student", "teacher"] for name, one in models.items() if one["role"] == "cell"}
    config = {**CONFIG, "distillation": {**CONFIG["distillation"], **distillation}}
    return Results({"study": "made", "models": models, "made_from": made_from, "config": config}, folder)


def test_own_text_is_told_wherever_the_recipe_is(tmp_path):
    results = own_results(tmp_path, OWN.values())
    cells = [model for model in results.models if model.role == "cell"]
    labels = [setting_label(results, model) for model in cells]
    assert [label.partition("recipe ")[2] for label in labels] == list(OWN)
    assert labels[2] == "T 2, alpha 0.5, recipe corpus, half own text, refresh 8"
    columns, rows = cell_rows(results, {"scores": score_frame(results)})
    found = [row["cells"][columns.index("recipe")][0] for row in rows]
    assert found == ["–", "–", *OWN]
    (box,) = [row["words"].split("|") for row in family_rows(results) if row["kind"] == "cell"]
    lines = [f"recipe {words}" for words in OWN]
    assert box == ["distilled: 5 models", "T 2", "alpha 0, 0.5", *lines[:2], "and 3 recipes more"]


def test_own_text_that_every_cell_shares_is_told_though_it_is_the_studys_default(tmp_path):
    results = own_results(tmp_path, [(0.5, "corpus", 0.5, 8), (0.0, "corpus", 0.5, 8)], on_policy=0.5)
    told = "recipe corpus, half own text, refresh 8"
    assert setting_label(results, results.by_name["cell 0"]) == f"T 2, alpha 0.5, {told}"
    assert "recipe" in cell_rows(results, {"scores": score_frame(results)})[0]
    assert [row["words"].rpartition("|")[2] for row in family_rows(results) if row["kind"] == "cell"] == [told]


def test_a_study_of_the_corpus_alone_tells_no_recipe(tmp_path):
    results = own_results(tmp_path, [(0.5, "corpus"), (1.0, "corpus")])
    assert [setting_label(results, results.by_name[f"cell {one}"]) for one in (0, 1)] == ["T 2, alpha 0.5", "alpha 1"]
    assert "recipe" not in cell_rows(results, {"scores": score_frame(results)})[0]
    assert not any("recipe" in row["words"] for row in family_rows(results))


def test_where_the_divergence_teaches_nothing_own_text_is_idle():
    idle = {"alpha": 1.0, "recipe": "teacher", "on_policy": 0.5, "on_policy_refresh": 8}
    assert recipe_words(idle) == "teacher" and recipe_words({}) == "corpus"
    assert recipe_words(idle | {"alpha": 0.9}) == "teacher, half own text, refresh 8"


WRITTEN = ("half own text", "own text alone")


@pytest.mark.parametrize(
    ("grid", "told"),
    [
        ({"alpha": [0.5, 1], "on_policy": [0, 0.5]}, {"corpus", "corpus, half own text, refresh 8"}),
        ({"alpha": 0.5, "on_policy": [0.5, 1]}, {"corpus", *(f"corpus, {own}, refresh 8" for own in WRITTEN)}),
        ({"alpha": [0.5, 1], "on_policy": 0}, {None}),
    ],
)
def test_snakemakes_labels_tell_it_too(grid, told):
    config = yaml.safe_load((ROOT / "config/demo.yaml").read_text()) | {"seeds": [1], "sweeps": {}}
    study = load_study(config | {"distillation": {"on_policy_refresh": 8}, "experiments": {"own": {"grid": grid}}})
    layout = Layout(study, build_grid(study, study.study))
    labels = [layout.labels(cell) for cell in layout.grid.cells.values()]
    assert {one.get("recipe") for one in labels} == told
    assert len({tuple(one.items()) for one in labels}) == len(labels)
    assert not any(axis.startswith("on_policy") for one in labels for axis in one)


SOFT = {"alpha": 0.5, "objective": "forward_kl"}
PLAIN = r"\alpha\,\mathrm{CE} + (1-\alpha)\,T^2\,\mathrm{KL}(p_T \,\|\, q_T)"


@pytest.mark.parametrize(
    ("axes", "words", "latex"),
    [
        ({}, "(teacher ‖ student)", PLAIN),
        (
            {"recipe": "verified", "on_policy": 0.25, "on_policy_refresh": 8},
            ", on those of the teacher's completions that pass their tests and on the student's own text in 25 % of "
            "the batches, written for 8 steps at once",
            PLAIN + r"\allowbreak\mbox{, on those of the teacher's completions that pass their tests}"
            r"\allowbreak\mbox{ and on the student's own text in 25 \% of the batches, written for 8 steps at once}",
        ),
        (
            {"on_policy": 0.5, "on_policy_refresh": 1},
            "(teacher ‖ student), on the student's own text in 50 % of the batches",
            PLAIN + r"\allowbreak\mbox{, on the student's own text in 50 \% of the batches}",
        ),
        (
            {"label_smoothing": 0.1},
            "alpha CE (label smoothing 0.1) + (1 - alpha) T² KL(teacher ‖ student)",
            PLAIN.replace("{CE}", "{CE}_{s = 0.1}"),
        ),
        (
            {"alpha": 1.0, "label_smoothing": 0.1, "recipe": "teacher", "on_policy": 0.5},
            "labels alone (label smoothing 0.1), on the teacher's completions of training prompts",
            r"\mathrm{CE}_{s = 0.1}\allowbreak\mbox{, on the teacher's completions of training prompts}",
        ),
    ],
)
def test_words_and_latex_tell_text_refresh_and_smoothing(axes, words, latex):
    found = objective_of(SOFT | axes)
    assert found[0].endswith(words) and found[1] == latex


def test_a_label_names_a_recipe_that_all_cells_share(tmp_path):
    models = {"one": {"role": "cell", "cell": axes_of(0.5, "teacher")}}
    config = {"distillation": {"recipe": "teacher", "temperature": 2.0, "alpha": 0.5}}
    alike = Results({"study": "made", "models": models, "config": config}, tmp_path)
    assert setting_label(alike, alike.by_name["one"]) == "T 2, alpha 0.5, recipe teacher"


def test_only_the_corpus_own_labels_are_learnt_alone(results):
    roles = {key: role_of(results, models) for key, models in settings(results).items()}
    assert list(roles.values()).count("alone") == 1 and list(roles.values()).count("distilled") == 5


def test_recipes_are_compared_with_and_without_a_teacher_in_the_objective(results):
    class Seen:
        def observed(self, label, benchmark, measure):
            return label

    families = _families(results, Seen(), "recipe", "", "eval_loss")
    assert [[label.rpartition("recipe ")[2] for label, _ in family] for family in families] == [list(RECIPES)] * 2


def test_how_many_passed_is_in_the_report(results):
    assert texts(results) == [
        "The text of the recipe verified is 1,200 of 1,600 completions by teacher, of which 1,210 passed their tests, "
        "of 350 of 400 prompts."
    ]
    assert ("text verified/teacher", "passed", 1210) in data(results)
    assert ("text verified/teacher", "dropped unfinished", 10) in data(results)
