"""A study's config: every mistake ends in one line that names the file, the field and the remedy."""

import copy
import json
import typing
from pathlib import Path

import pytest
import yaml

from codestill.data import instruct
from codestill.data.sources import FIELDS
from codestill.kit.program import UserError
from codestill.study.config import load_study, schema
from codestill.study.field_tables import with_fields
from codestill.study.grid import build_grid
from codestill.study.layout import Layout
from codestill.study.sections.corpus import Column

CONFIG = Path(__file__).resolve().parents[2] / "config"
STUDIES = sorted(path.name for path in CONFIG.glob("*.yaml"))


def mistaken(path, value):
    """The home study's config with the field at `path` set to `value` (or, for `...`, removed)."""
    raw = copy.deepcopy(yaml.safe_load((CONFIG / "config.yaml").read_text()))
    *parents, last = path.split(".")
    section = raw
    for part in parents:
        section = section.setdefault(part, {})
    if value is ...:
        del section[last]
    else:
        section[last] = value
    return raw


# (field to set, its wrong value, the field the message names, a piece of the remedy)
MISTAKES = [
    ("studdy", "x", "studdy", "did you mean study?"),
    ("study", ..., "study", "missing"),
    ("study", "a/b", "study", "letters, digits"),
    ("teacher", ..., "teacher", "missing"),
    ("teacher.name", ..., "teacher", "exactly one origin"),
    ("teacher.shape", {"model_type": "gpt2"}, "teacher", "exactly one origin"),
    ("teacher.name", "", "teacher.name", "at least 1 characters"),
    ("teacher", "microsoft/CodeGPT", "teacher", "a mapping of fields, not 'microsoft/CodeGPT'"),
    ("student.nme", "x", "student.nme", "did you mean name?"),
    ("student", {"shape": {"n_layer": 2}}, "student.shape", "model_type"),
    ("student.every_layer_of_teacher", 2, "student", "exactly one origin"),
    ("vocabulary.policy", "merge", "vocabulary.policy", "'transfer', 'same' or 'shared'"),
    ("corpus.sources", {}, "corpus.sources", "at least 1"),
    ("corpus.sources", {"mine": {"kind": "files"}}, "corpus.sources.mine.path", "needs path"),
    ("corpus.sources", {"mine": {"kind": "hub"}}, "corpus.sources.mine.name", "needs name"),
    ("corpus.sources", {"mine": {"kind": "web"}}, "corpus.sources.mine.kind", "'hub', 'files'"),
    ("corpus.sources", {"a/b": {"kind": "stdlib"}}, "corpus.sources.a/b", "letters, digits"),
    ("corpus.validation_fraction", 0, "corpus.validation_fraction", "greater than 0"),
    ("tokens.max_seq_length", 0, "tokens.max_seq_length", "16"),
    ("tokens.layout", "dense", "tokens.layout", "'packed' or 'padded'"),
    ("selection.by", "loss", "selection.by", "'auto', 'pass@1'"),
    ("selection.by", "pass@1", "selection.by", "use: development"),
    ("selection", {"by": "pass@1", "on": "humaneval"}, "selection.on", "humaneval is reported, so it cannot choose"),
    ("selection.on", "nothing", "selection.on", "no benchmark of the study"),
    ("benchmarks.humaneval.use", "both", "benchmarks.humaneval.use", "'reported', 'development' or 'training'"),
    ("benchmarks.humaneval.use", "development", "benchmarks", "nothing would be reported"),
    ("training.epochs", -1, "training.epochs", "greater than or equal to 0"),
    ("training.batch_size", 0, "training.batch_size", "greater than 0"),
    ("training.batch_size", "six", "training.batch_size", "integer"),
    ("training.learning_rate", 0, "training.learning_rate", "greater than 0"),
    ("training.learning_rate", float("nan"), "training.learning_rate", "finite"),
    ("training.dropout", 1.5, "training.dropout", "less than or equal to 1"),
    ("training.precision", "float16", "training.precision", "'float32', 'bf16' or 'fp16'"),
    ("training.learningrate", 1, "training.learningrate", "did you mean learning_rate?"),
    ("teacher.training", {"epoch": 1}, "teacher.training.epoch", "did you mean epochs?"),
    ("distillation.alpha", 1.2, "distillation.alpha", "less than or equal to 1, not 1.2"),
    ("distillation.alpha", -0.1, "distillation.alpha", "greater than or equal to 0"),
    ("distillation.temperature", 0, "distillation.temperature", "greater than 0"),
    ("distillation.temperature", "hot", "distillation.temperature", "number"),
    ("distillation.objective", "kl", "distillation.objective", "must be 'forward_kl', 'reverse_kl', 'jsd', 'skew_kl'"),
    ("distillation.teacher", "bigger", "distillation.teacher", "it has teacher, student"),
    ("seeds", [], "seeds", "at least 1"),
    ("seeds", [1, 1], "seeds", "distinct"),
    ("seeds", 42, "seeds", "list"),
    ("experiments.experiment_1.grid.alfa", 0, "experiments.experiment_1.grid.alfa", "known axes"),
    ("experiments.experiment_1.grid.alpha", 2, "experiments.experiment_1.grid.alpha", "less than or equal to 1, not 2"),
    (
        "experiments.experiment_1.grid.temperature",
        -3,
        "experiments.experiment_1.grid.temperature",
        "greater than 0",
    ),
    (
        "experiments.experiment_1.grid.temperature",
        True,
        "experiments.experiment_1.grid.temperature",
        "must not be true",
    ),
    ("experiments.experiment_1.grid.batch_size", 2.5, "experiments.experiment_1.grid.batch_size", "fractional part"),
    ("experiments.experiment_1.grid.alpha", [], "experiments.experiment_1.grid.alpha", "empty list"),
    ("experiments.experiment_1.zip", {"alpha": [0.1]}, "experiments.experiment_1.zip.alpha", "keep one"),
    ("experiments.experiment_1.zip", {"epochs": [1], "dropout": [0, 0.1]}, "experiments.experiment_1.zip", "equal"),
    ("experiments.experiment_1.exclude", [{"alpha": 0}], "experiments.experiment_1", "selects no cell"),
    ("experiments.experiment_1.gird", {}, "experiments.experiment_1.gird", "did you mean grid?"),
    ("experiments.experiment_1.seeds", [-1], "experiments.experiment_1.seeds.0", "greater than or equal to 0"),
    ("experiments.all", {}, "experiments.all", "target of the workflow"),
    ("sweeps.default", {}, "experiments.default", "rename one"),
    ("benchmarks", {}, "benchmarks", "at least 1"),
    ("benchmarks.humaneval.k", [1, 100], "benchmarks.humaneval.k", "100 exceeds n = 20"),
    ("benchmarks.humaneval.n", 0, "benchmarks.humaneval.n", "greater than 0"),
    ("benchmarks.humaneval.kind", "human_eval", "benchmarks.humaneval.kind", "'humaneval'"),
    ("benchmarks.mine", {"kind": "file"}, "benchmarks.mine.path", "the kind file needs path"),
    ("generation.top_p", 0, "generation.top_p", "greater than 0"),
    ("generation.temperature", -1, "generation.temperature", "greater than or equal to 0"),
    ("grading.timeout", 0, "grading.timeout", "greater than 0"),
    ("plan.gpus", -1, "plan.gpus", "greater than or equal to 0"),
    ("plan.max_gpu_hour", 5, "plan.max_gpu_hour", "did you mean max_gpu_hours?"),
    ("plan.gpu", {"float32": 1e13}, "plan.gpu.half", "missing"),
    ("plan.written", 0, "plan.written", "greater than 0"),
    ("plan.models", {"a/b": {"layers": 2}}, "plan.models.a/b.width", "missing"),
    # What YAML makes of a slip: other types, lists where scalars belong, words that it reads as truth values.
    ("study", 12, "study", "must be text, not 12"),
    ("study", False, "study", "YAML reads yes, no, on and off so"),
    ("teacher.shape", ["gpt2"], "teacher.shape", "a mapping of fields"),
    ("student", {"shape": {"model_type": "gpt2", "n_layer": [1]}}, "student.shape.n_layer", "text, a number"),
    ("student", {"shape": {"model_type": "gpt2", "n_layer": "2"}}, "student.shape.n_layer", "take its quotes away"),
    ("training.epochs", 1e300, "training.epochs", "less than or equal to 1000000"),
    ("student", {"shape": {"model_type": "gpt2"}, "revision": "main"}, "student.revision", "goes with name"),
    ("training", None, "training", "a mapping of fields, not null"),
    ("training.batch_size", True, "training.batch_size", "must not be true"),
    ("training.learning_rate", "-2e-5", "training.learning_rate", "greater than 0, not '-2e-5'"),
    ("training.processes", 3, "training.processes", "gradient_accumulation_steps = 2"),
    ("distillation.alpha", [0.1, 0.5], "distillation.alpha", "number, not [0.1, 0.5]"),
    ("distillation.temperature", float("inf"), "distillation.temperature", "finite number"),
    ("vocabulary.size", 10, "vocabulary.size", "greater than or equal to 258"),
    (
        "vocabulary",
        {"policy": "same", "embeddings": "teacher"},
        "vocabulary.embeddings",
        "policy is transfer",
    ),
    ("corpus.sources", ["stdlib"], "corpus.sources", "a mapping of fields"),
    ("corpus.sources", {"mine": {"kind": "stdlib", "path": "x"}}, "corpus.sources.mine.path", "files or python"),
    ("corpus.sources", {"mine": {"kind": "pocket", "columns": {"code": "x"}}}, "corpus.sources.mine.columns", "hub or"),
    (
        "corpus.sources",
        {"mine": {"kind": "files", "path": "x", "columns": {"docs": "d"}}},
        "corpus.sources.mine.columns.docs",
        "'docstring'",
    ),
    ("seeds", [True], "seeds", "must not be true"),
    ("seeds", [2**32], "seeds.0", "less than 4294967296"),
    ("experiments.experiment_1", 3, "experiments.experiment_1", "a mapping of fields, not 3"),
    ("experiments.experiment_1", {"alpha": 0}, "experiments.experiment_1.alpha", "known here: grid, zip"),
    ("experiments.experiment_1.grid", [1], "experiments.experiment_1.grid", "a mapping of fields"),
    ("experiments.experiment_1.grid.alpha", [float("nan")], "experiments.experiment_1.grid.alpha", "finite numbers"),
    ("experiments.experiment_1.grid.alpha", "nan", "experiments.experiment_1.grid.alpha", "finite number"),
    ("experiments.experiment_1.grid.alpha", [[0, 1]], "experiments.experiment_1.grid.alpha", "list of values"),
    ("experiments.experiment_1.grid.alpha", None, "experiments.experiment_1.grid.alpha", "number, not null"),
    (
        "experiments.experiment_1.grid.objective",
        "klx",
        "experiments.experiment_1.grid.objective",
        "must be 'forward_kl', 'reverse_kl', 'jsd', 'skew_kl' or 'skew_reverse_kl'",
    ),
    ("experiments.experiment_1.grid.seed", -1, "experiments.experiment_1.grid.seed", "greater than or equal to 0"),
    ("experiments.experiment_1.zip", {"epochs": 3}, "experiments.experiment_1.zip.epochs", "list, not 3"),
    (
        "experiments.experiment_1.exclude",
        [{"alpha": [0, 1]}],
        "experiments.experiment_1.exclude.0.alpha",
        "must be one value",
    ),
    ("experiments.distill", {}, "experiments.distill", "target of the workflow"),
    ("experiments.learn_task", {}, "experiments.learn_task", "target of the workflow"),
    ("experiments.sweep_epochs", {}, "experiments.sweep_epochs", "target of the workflow"),
    ("experiments.my experiment", {}, "experiments.my experiment", "letters, digits"),
    ("benchmarks.humaneval.k", 1, "benchmarks.humaneval.k", "list, not 1"),
    ("generation.stop", [""], "generation.stop.0", "at least 1 characters"),
]


@pytest.mark.parametrize(("path", "value", "field", "remedy"), MISTAKES)
def test_a_mistake_is_one_line_with_file_field_and_remedy(path, value, field, remedy):
    with pytest.raises(UserError) as caught:
        build_grid(load_study(mistaken(path, value), "config/config.yaml"), "config/config.yaml")
    message = str(caught.value)
    assert message.startswith(f"config/config.yaml: {field}:"), message
    assert remedy in message
    assert "\n" not in message


def test_an_error_that_shows_twice_is_counted_once():
    with pytest.raises(UserError) as caught:
        load_study(mistaken("training.epochs", -1) | {"seeds": 42})
    assert str(caught.value).endswith("not -1 (and 1 more)")  # the seeds; teacher.training echoes the epochs


def test_the_columns_of_a_source_are_those_that_its_reader_takes():
    assert typing.get_args(Column) == (*FIELDS, *instruct.FIELDS)


def test_an_axis_is_shared_out_among_processes_too():
    raw = mistaken("training.processes", 2)
    raw["sweeps"] = {"steps": {"grid": {"gradient_accumulation_steps": [2, 3]}}}
    with pytest.raises(UserError, match=r"sweeps\.steps: gradient_accumulation_steps = 3 is no multiple of"):
        build_grid(load_study(raw))


@pytest.mark.parametrize("name", STUDIES)
def test_ready_studies_are_sound(name):
    study = load_study(yaml.safe_load((CONFIG / name).read_text()), name)
    grid = build_grid(study)
    three = {"experiment_1", "experiment_2", "experiment_3"}
    assert set(grid.experiments) >= (set() if name in ("pilot.yaml", "recipes.yaml", "smol.yaml") else three)
    assert grid.controls


def test_the_home_study_is_the_one_that_was_run():
    study = load_study(yaml.safe_load((CONFIG / "config.yaml").read_text()))
    assert (study.training.epochs, study.training.batch_size, study.training.gradient_accumulation_steps) == (3, 6, 2)
    assert (study.training.learning_rate, study.training.warmup_steps, study.tokens.max_seq_length) == (5e-5, 1000, 512)
    benchmark, generation = study.benchmarks["humaneval"], study.generation
    assert (benchmark.n, benchmark.k) == (20, [1, 10, 20])
    assert (generation.temperature, generation.top_p, generation.max_new_tokens) == (0.8, 0.95, 256)


def test_the_teacher_trains_like_the_student_unless_told():
    raw = mistaken("teacher.training", {"epochs": 1})
    study = load_study(raw)
    assert study.teacher.training.epochs == 1
    assert study.teacher.training.warmup_steps == study.training.warmup_steps == 1000


def test_the_manual_has_every_field():
    manual = (CONFIG / "README.md").read_text()
    assert manual == with_fields(manual), "run: python scripts/write_schema.py"
    for name in ("max_train_samples", "every_layer_of_teacher", "top_p", "columns", "exclude"):
        assert f"| `{name}` |" in manual


def test_the_committed_schema_is_the_models_schema():
    assert json.loads((CONFIG / "schema.json").read_text()) == schema(), "run: python scripts/write_schema.py"


def test_what_chooses_is_never_what_is_reported():
    raw = mistaken("benchmarks.problems", {"kind": "mbpp", "path": "mbpp.jsonl", "use": "development"})
    study = load_study(raw)
    assert study.chosen_by == ("pass@1", "problems")
    assert (study.development, study.reported) == (["problems"], ["humaneval"])
    grid = build_grid(study)
    place = Layout(study, grid)
    assert set(grid.cells) <= set(place.judged("problems"))
    wanted = [f"{place.results}/scores/problems/{cell}.json" for cell in place.candidates("best_finetuned")]
    assert place.measures_of(place.candidates("best_finetuned")) == wanted
    assert not any("/problems/" in path for path in [*place.measured(), *place.comparison([])])
    assert load_study(mistaken("study", "plain")).chosen_by == ("bodies_exact", None)
    by_loss = load_study(mistaken("selection.by", "eval_loss"))
    assert Layout(by_loss, build_grid(by_loss)).measures_of(["a"]) == []


def with_benchmarks(**benchmarks):
    return load_study(mistaken("benchmarks", benchmarks), "my.yaml")


def chooses(kind, **more):
    return {"kind": kind, "use": "development", **more}


LIVE = {"kind": "livecodebench", "path": "live.jsonl"}
SHARED = [
    ({"kind": "pocket", "seed": 1}, chooses("pocket", seed=1), "let kind pocket_validation, whose"),
    ({"kind": "humaneval"}, chooses("humaneval"), "let kind mbpp_development, whose"),
    ({"kind": "humaneval+"}, chooses("humaneval", problems=20), "mbpp_development"),
    ({"kind": "humaneval"}, chooses("humaneval+", path="mine.jsonl"), "mbpp_development"),
    ({"kind": "mbpp+"}, chooses("mbpp+"), "mbpp_development"),
    ({"kind": "mbpp+"}, chooses("mbpp", path="mbpp.jsonl"), "mbpp_development"),
    ({"kind": "file", "path": "a.jsonl"}, chooses("file", path="./b/../a.jsonl"), "let other problems choose"),
    ({"kind": "file", "path": "a.jsonl"}, chooses("apps", path="a.jsonl"), "let other problems choose"),
    (LIVE, {**LIVE, **chooses("livecodebench", until="2024-06-30")}, "let other problems choose"),
]


@pytest.mark.parametrize(("reported", "chooser", "remedy"), SHARED)
def test_problems_that_are_reported_choose_under_no_other_name(reported, chooser, remedy):
    with pytest.raises(UserError) as caught:
        with_benchmarks(told=reported, chooser=chooser)
    text = str(caught.value)
    assert text.startswith("my.yaml: benchmarks.chooser.use: chooser has problems of told, which is reported; ")
    assert remedy in text and "\n" not in text


@pytest.mark.parametrize(
    ("reported", "chooser"),
    [
        ({"kind": "pocket"}, chooses("pocket_validation")),
        ({"kind": "mbpp+"}, chooses("mbpp_development")),
        ({"kind": "mbpp", "path": "mbpp.jsonl"}, chooses("mbpp_development", path="mbpp.jsonl")),
        ({"kind": "humaneval+"}, chooses("mbpp", path="mbpp.jsonl")),
        ({"kind": "file", "path": "a.jsonl"}, chooses("file", path="b.jsonl")),
        ({"kind": "completions"}, chooses("completions")),  # of the test functions, and of the validation functions
        ({**LIVE, "since": "2024-07-01"}, {**LIVE, **chooses("livecodebench", until="2024-06-30")}),
    ],
)
def test_parts_that_are_apart_may_choose_and_be_reported(reported, chooser):
    assert with_benchmarks(told=reported, chooser=chooser).development == ["chooser"]


POCKET = {"kind": "pocket", "seed": 1}


@pytest.mark.parametrize(
    ("changes", "first", "other"),
    [
        ({"corpus": {"sources": {"a": POCKET}}}, "corpus.sources.a.seed is 1", "told.seed: 0"),
        (
            {"corpus": {"sources": {"b": POCKET | {"seed": 0}, "a": POCKET}}},
            "corpus.sources.b",
            "corpus.sources.a.seed",
        ),
        (
            {"benchmarks": {"told": POCKET, "own": {"kind": "pocket_training", "use": "training"}}},
            "benchmarks.told.seed is 1",
            "benchmarks.own.seed: 0",
        ),
        (
            {"benchmarks": {"told": POCKET, "own": {"kind": "pocket_validation", "use": "development"}}},
            "benchmarks.told.seed is 1",
            "benchmarks.own.seed: 0",
        ),
        (
            {"tasks": {"t": {"corpus": {"sources": {"a": POCKET}}}}},
            "tasks.t.corpus.sources.a.seed is 1",
            "told.seed: 0",
        ),
    ],
)
def test_pocket_s_parts_have_one_seed(changes, first, other):
    with pytest.raises(UserError) as caught:
        load_study(mistaken("benchmarks", {"told": {"kind": "pocket"}}) | changes, "my.yaml")
    text = str(caught.value)
    assert first in text and other in text and "give both the same" in text and "\n" not in text


def test_the_seed_of_another_source_is_not_pocket_s():
    sources = {"a": POCKET, "lib": {"kind": "stdlib", "seed": 7}}
    assert load_study(mistaken("benchmarks", {"told": POCKET}) | {"corpus": {"sources": sources}})
