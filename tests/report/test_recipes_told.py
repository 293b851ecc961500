"""The recipe of a model stands wherever its T and alpha do, and the report says how much of a text passed."""

import pytest

from codestill.kit.files import write_json
from codestill.report.comparisons import _families
from codestill.report.model_card import _kind
from codestill.report.objectives import objective_of
from codestill.report.page import cell_rows
from codestill.report.results import Results
from codestill.report.settings import role_of, settings
from codestill.report.study_facts import data, texts
from codestill.report.table import score_frame, setting_label

RECIPES = ("corpus", "teacher", "verified")
CONFIG = {
    "seeds": [1],
    "distillation": {"temperature": 2.0, "alpha": 0.5, "teacher": "teacher", "recipe": "corpus", "on_policy": 0.0},
}


def axes_of(alpha, recipe):
    """The axes of a cell as study.json has them: without a teacher where none acts."""
    taught, written = alpha < 1, recipe != "corpus"
    teacher = "teacher" if taught or written else None
    objective = {"temperature": 2.0, "on_policy": 0.0} if taught else {"temperature": None, "on_policy": None}
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
