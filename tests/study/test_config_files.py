"""Config files as they were written: keys that stand twice, which file is at fault, paths that are not there."""

from pathlib import Path

import pytest
import yaml

from codestill.kit.program import UserError
from codestill.study.config import load_study
from codestill.study.config_files import ConfigFiles, read_config
from codestill.study.grid import build_grid
from codestill.study.local_paths import check_local
from codestill.study.reading import open_study, options_of

HOME = (Path(__file__).resolve().parents[2] / "config/config.yaml").read_text()


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def files(tmp_path, *texts):
    paths = [tmp_path / f"{letter}.yaml" for letter in "abcd"[: len(texts)]]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    return paths


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("study: a\nseeds: [1]\nstudy: b\n", "a.yaml:3: study: stands twice (before in line 1)"),
        ("a:\n  b: {c: 1, d: 2, c: 3}\n", "a.yaml:2: c: stands twice (before in line 2)"),
        ("study: [1, 2\n", "a.yaml:2: not YAML"),
        ("study: a\n\tseeds: 1\n", "a.yaml:2: not YAML"),
        ("study: a\n---\nstudy: b\n", "a.yaml:2: not YAML"),
        ("", "a.yaml: a config is a mapping"),
        ("- a\n", "a.yaml: a config is a mapping"),
        ("a:\n  seed: 010\n", "a.yaml:2: 010: YAML reads this in base 8"),
        ("a: 1\nb: 1:30\n", "a.yaml:2: 1:30: YAML reads this in base 60"),
        ("since: 2024-02-30\n", "a.yaml: not YAML (day is out of range for month); correct the date, or quote it"),
        ("selection: {on: a, 'on': b}\n", "a.yaml:1: on: stands twice"),
    ],
)
def test_what_yaml_would_drop_or_refuse_is_named_by_file_and_line(tmp_path, text, message):
    (path,) = files(tmp_path, text)
    with pytest.raises(UserError) as caught:
        read_config(path)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_anchors_merge_keys_and_json_are_read_as_snakemake_reads_them(tmp_path):
    merged, json_with_tabs = files(tmp_path, "a: &a {x: 1}\nb:\n  <<: *a\n  x: 2\n", '{"a":\t1}')
    assert read_config(merged) == yaml.safe_load(merged.read_text()) == {"a": {"x": 1}, "b": {"x": 2}}
    assert read_config(json_with_tabs) == {"a": 1}


def test_of_two_files_the_one_that_holds_the_field_is_named(tmp_path):
    origin = ConfigFiles(files(tmp_path, HOME, "distillation: {alpha: 2}\nsweeps: {more: {grid: {alfa: 1}}}\n"))
    raw = yaml.safe_load(HOME)
    with pytest.raises(UserError, match=r"^b.yaml: distillation.alpha: "):
        load_study(raw | {"distillation": {"alpha": 2}}, origin)
    with pytest.raises(UserError, match=r"^a.yaml: training.epochs: "):
        load_study(raw | {"training": {"epochs": -1}}, origin)
    with pytest.raises(UserError, match=r"^a.yaml \+ b.yaml: study: missing"):
        load_study(
            {key: value for key, value in raw.items() if key != "study"}, ConfigFiles(files(tmp_path, "x: 1", "y: 1"))
        )
    with pytest.raises(UserError, match=r"^b.yaml: sweeps.more.grid.alfa: "):
        build_grid(load_study(raw | {"sweeps": {"more": {"grid": {"alfa": 1}}}}, origin), origin)


def test_what_the_command_line_lays_over_the_files_is_blamed_on_it(tmp_path):
    origin = ConfigFiles(files(tmp_path, HOME), {"distillation": {"alpha": 2}})
    with pytest.raises(UserError, match=r"^--config: distillation.alpha: "):
        load_study(yaml.safe_load(HOME) | {"distillation": {"alpha": 2}}, origin)


def test_a_key_of_the_users_own_may_hold_anchors(tmp_path):
    (path,) = files(
        tmp_path, "x-usual: &usual {eval_batch_size: 2}\n" + HOME.replace("training:\n", "training:\n  <<: *usual\n", 1)
    )
    assert load_study(read_config(path)).training.eval_batch_size == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"teacher": {"name": "./gone"}}, "study: teacher.name: no folder ./gone here"),
        ({"student": {"name": "Code GPT"}}, "study: student.name: 'Code GPT' is no folder here"),
        (
            {"corpus": {"sources": {"mine": {"kind": "python", "path": "gone"}}}},
            "study: corpus.sources.mine.path: no",
        ),
        ({"benchmarks": {"mine": {"kind": "file", "path": "gone"}}}, "study: benchmarks.mine.path: no file"),
    ],
)
def test_a_path_that_is_not_there_is_said_unless_what_it_named_was_brought(tmp_path, changes, message):
    study = load_study(yaml.safe_load(HOME) | changes)
    with pytest.raises(UserError) as caught:
        check_local(study, tmp_path / "inputs", "study")
    assert str(caught.value).startswith(message)
    for brought in (
        "models/teacher/config.json",
        "models/student/config.json",
        "sources/mine.jsonl.gz",
        "benchmarks/mine.jsonl",
    ):
        (tmp_path / "inputs" / brought).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "inputs" / brought).touch()
    check_local(study, tmp_path / "inputs", "study")


def test_a_path_with_braces_is_refused_since_snakemake_would_fill_them_in(tmp_path):
    study = load_study(yaml.safe_load(HOME) | {"benchmarks": {"mine": {"kind": "file", "path": "a{b}"}}})
    (tmp_path / "a{b}").touch()
    with pytest.raises(UserError, match=r"^study: benchmarks.mine.path: a\{b\}: Snakemake takes"):
        check_local(study, tmp_path, "study")


def test_hub_names_and_folders_of_this_machine_pass(tmp_path):
    (tmp_path / "my model").mkdir()
    study = load_study(yaml.safe_load(HOME) | {"teacher": {"name": "my model"}, "student": {"name": "gpt2"}})
    check_local(study, tmp_path, "study")


def test_a_folder_of_sources_without_python_is_refused(tmp_path):
    (tmp_path / "code").mkdir()
    sources = {"mine": {"kind": "python", "path": "code"}}
    study = load_study(yaml.safe_load(HOME) | {"corpus": {"sources": sources}})
    with pytest.raises(UserError, match=r"^study: corpus.sources.mine.path: no .py file lies in code"):
        check_local(study, tmp_path / "inputs", "study")
    (tmp_path / "code/a.py").touch()
    check_local(study, tmp_path / "inputs", "study")


CHOICE = "selection: {by: pass@1, on: mine}"
CHOOSERS = """
benchmarks:
  mine: {kind: mbpp_development, use: development}
  other: {kind: mbpp_development, use: development}
"""


@pytest.mark.parametrize(
    ("texts", "values", "on"),
    [
        ([CHOICE], None, "mine"),
        ([CHOICE.replace(" on:", ' "on":')], None, "mine"),
        ([CHOICE, "selection: {'on': other}"], None, "other"),  # the last one holds, however each is written
        (["selection: {by: pass@1, 'on': other}", CHOICE], None, "mine"),
        ([CHOICE], "{on: other}", "other"),
    ],
)
def test_the_plain_word_on_is_the_field_that_yaml_reads_as_true(tmp_path, texts, values, on):
    laid = options_of([f"selection={values}"] if values else [])
    study, _, _ = open_study(files(tmp_path, HOME, CHOOSERS, *texts), laid)
    assert study.selection.on == on


def test_a_mistake_in_the_plain_word_on_is_blamed_on_the_file_that_has_it(tmp_path):
    paths = files(tmp_path, HOME, CHOOSERS, "selection: {by: pass@1, on: nothing}")
    with pytest.raises(UserError, match=r"^c\.yaml: selection\.on: 'nothing' is no benchmark of the study"):
        open_study(paths)


TASK = "tasks: {t: {corpus: {sources: {s: {kind: stdlib}}}, of: 1}}"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("experiments: {1: {}}", "experiments: YAML reads a name here as 1; quote it"),
        ("experiments: {off: {}}", "experiments: YAML reads a name here as false (as yes, no, on and off are)"),
        ("sweeps: {2024-01-01: {}}", "sweeps: YAML reads a name here as the date 2024-01-01; quote it"),
        ("sweeps: {a: {grid: {on: 1}}}", "sweeps.a.grid: YAML reads a name here as true"),
        ("models: {1.5: {shape: {model_type: gpt2}}}", "models: YAML reads a name here as 1.5; quote it"),
        ("variants: {~: {cast: bf16}}", "variants: YAML reads a name here as null; quote it"),
        ("selection: {off: mine}", "selection: YAML reads a name here as false"),
        ("yes: 1", "study: YAML reads a name here as true"),
        ("distillation: {teacher: 1}", "distillation.teacher: must be text, not 1; quote it"),
        ("experiments: {a: {grid: {teacher: [off]}}}", "experiments.a.grid.teacher: must not be false; YAML reads"),
        ("experiments: {a: {grid: {teacher: 1}}}", "experiments.a.grid.teacher: must be text, not 1; quote it"),
        ("variants: {a: {cast: bf16, of: 1}}", "variants.a.of: must be text, not 1; quote it"),
        ("variants: {a: {cast: bf16, of: [teacher, 1]}}", "variants.a.of: must be text, not 1; quote it"),
        (TASK, "tasks.t.of: must be text, not 1; quote it"),
        ("student: {revision: 2024-01-01}", "student.revision: must be text, not the date 2024-01-01; quote it"),
        ("corpus: {hold_out: [1]}", "corpus.hold_out.0: must be text, not 1; quote it"),
    ],
)
def test_a_name_that_yaml_takes_for_something_else_is_one_line_that_says_quote_it(tmp_path, text, line):
    with pytest.raises(UserError) as caught:
        open_study(files(tmp_path, HOME, text))
    assert f": {line}" in str(caught.value) and "\n" not in str(caught.value)


def test_names_as_yaml_takes_for_text_need_no_quotes(tmp_path):
    study, _, _ = open_study(files(tmp_path, HOME, "experiments: {y: {}, n: {}, 1a: {}, none: {}}"))
    assert {"y", "n", "1a", "none"} <= set(study.experiments)


def test_a_date_needs_no_quotes(tmp_path):
    (tmp_path / "live.jsonl").touch()
    live = "benchmarks: {live: {kind: livecodebench, path: live.jsonl, since: 2024-06-01, until: '2024-12-31'}}"
    study, _, _ = open_study(files(tmp_path, HOME, live))
    assert (study.benchmarks["live"].since, study.benchmarks["live"].until) == ("2024-06-01", "2024-12-31")
