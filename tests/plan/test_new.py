"""`codestill new`: from one's own code to a config that loads, with its price."""

import importlib.util
import json
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
import yaml

from codestill.data.sources import load
from codestill.kit.program import UserError
from codestill.plan.proposal import (
    Code,
    Machine,
    config_text,
    fitting_size,
    not_looked_at,
    not_smaller,
    propose,
    shape_of,
    size_of,
)
from codestill.study.config import load_study
from shared_data import ROOT

FUNCTION = 'def add_{0}(a, b):\n    """Add {0} to the sum of a and b."""\n    return a + b + {0}\n\n\n'


def new(folder, *words, code=0):
    command = [sys.executable, ROOT / "scripts/new.py", *words]
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, check=False, input="")
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def load_program(name):
    """A program's module: `new` is run as a script, and imported by none."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"scripts/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def source(tmp_path):
    """Seventy documented functions, two without a docstring, and a file that is no Python."""
    folder = tmp_path / "my code"
    (folder / "pkg").mkdir(parents=True)
    (folder / "pkg/a.py").write_text("".join(FUNCTION.format(n) for n in range(70)))
    (folder / "b.py").write_text("def f(x):\n    return x\n\n\nclass A:\n    def g(self):\n        return 1\n")
    (folder / "old.py").write_text("print 1\n")
    return folder


def test_a_folder_becomes_a_study_with_its_price(source, tmp_path):
    said = new(tmp_path, source, "--output", "mine.yaml", "--minutes", "5")
    assert "code: 70 documented functions" in said and "2 undocumented ones left out, 1 files unreadable" in said
    assert "next:  codestill plan --configfile mine.yaml" in said and "price: " in said
    study = load_study(yaml.safe_load((tmp_path / "mine.yaml").read_text()))
    assert study.study == "my-code" and study.corpus.sources["own"].path == str(source)
    assert study.plan.functions == 56 and study.tokens.max_seq_length == 256
    assert list(study.benchmarks) == ["completions"] and study.training.threads >= 1
    assert study.teacher.audit == "warn" and study.teacher.shape["num_hidden_layers"] == 2
    minutes = said.split("about ")[-1].split()[:2]
    assert minutes[1] == "s" or (minutes[1] == "min" and int(minutes[0]) <= 6)
    assert "asked for" not in said and "remark: " not in said
    before = (tmp_path / "mine.yaml").read_text()
    told = new(tmp_path, source, "--output", "mine.yaml", code=2)
    assert told == "error: mine.yaml: is there already; give --output or --study, or remove it\n"
    assert (tmp_path / "mine.yaml").read_text() == before


def test_rows_of_a_file_are_read_by_the_columns_that_they_have(tmp_path):
    rows = [{"whole_func_string": FUNCTION.format(n), "summary": "Add." if n else ""} for n in range(60)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert "59 documented functions" in new(tmp_path, "rows.jsonl", "--output", "r.yaml")
    study = load_study(yaml.safe_load((tmp_path / "r.yaml").read_text()))
    assert study.corpus.sources["own"].columns == {"code": "whole_func_string", "docstring": "summary"}


def test_code_without_docstrings_is_taken_with_its_names_and_comments(tmp_path):
    """Sixty undocumented functions in Latin-1, as their coding line says, and ten documented ones."""
    (tmp_path / "own").mkdir()
    bare = "# Größe\ndef size_{0}(a):\n    return a + {0}\n\n\n"
    latin = "# -*- coding: latin-1 -*-\n" + "".join(bare.format(n) for n in range(60))
    (tmp_path / "own/a.py").write_bytes(latin.encode("latin-1"))
    (tmp_path / "own/b.py").write_text("".join(FUNCTION.format(n) for n in range(10)))
    told = (
        "code: 10 documented functions and 60 undocumented ones, taken as any code: 70 functions, classes and scripts"
    )
    assert told in new(tmp_path, "own", "--output", "mine.yaml", "--minutes", "3")
    text = (tmp_path / "mine.yaml").read_text()
    study = load_study(yaml.safe_load(text))
    assert study.corpus.sources["own"].format == "code" and study.plan.functions == 56
    rows = list(load(study.corpus.sources["own"], {}))
    assert len(rows) == 70 and rows[3]["code"] == "# Größe\ndef size_3(a):\n    return a + 3"
    assert "# most functions have no docstring: name and comments are their prompt" in text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["absent"], "absent: no folder or file here, and no name of a data set on the hub (OWNER/NAME)"),
        (["SOURCE", "--teacher", "4M", "--student", "gpt2"], "--student: a teacher from scratch needs a student from"),
        (["SOURCE", "--teacher", "900M"], "900M: no shape from scratch is near; take one of 1M, 4M, 12M, 34M, 88M"),
        (["SOURCE", "--teacher", "0M"], "0M: no shape from scratch is near; take one of 1M, 4M, 12M, 34M, 88M"),
        (["SOURCE", "--teacher", "1M", "--student", "0.0M"], "0M: no shape from scratch is near; take one of 1M"),
        (["SOURCE", "--minutes", "0"], "--minutes 0: give minutes above 0, at most 525,600 (a year)"),
        (["SOURCE", "--minutes=-5"], "--minutes -5: give minutes above 0, at most 525,600 (a year)"),
        (["SOURCE", "--minutes", "inf"], "--minutes inf: give minutes above 0, at most 525,600 (a year)"),
        (["SOURCE", "--minutes", "nan"], "--minutes nan: give minutes above 0, at most 525,600 (a year)"),
        (["SOURCE/b.py"], "SOURCE/b.py: 2 functions, classes and scripts, and 50 are the least to learn from"),
        (
            ["SOURCE/old.py"],
            "SOURCE/old.py: 0 functions with a docstring, and 50 are the least to learn from; 1 of",
        ),
        (["SOURCE", "--teacher", "/nonexistent/folder"], "mine.yaml: teacher.name: no folder /nonexistent/folder"),
        (["SOURCE/b.jsonl"], "SOURCE/b.jsonl: no column for code and docstring among text"),
        (["SOURCE", "--study", "a/b"], "mine.yaml"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(words, told, source, tmp_path):
    (source / "b.jsonl").write_text('{"text": "x"}\n')
    words = [word.replace("SOURCE", str(source)) for word in words]
    error = new(tmp_path, *words, "--output", "mine.yaml", code=2)
    assert error.startswith("error: " + told.replace("SOURCE", str(source))) and error.count("\n") == 1
    assert not (tmp_path / "mine.yaml").exists()


def test_models_of_the_hub_on_a_gpu():
    """The batch is what the GPU holds, in bf16; a smaller GPU gets a smaller one with as many rows in a step."""
    code = Code(documented=1000, characters=[900] * 1000)
    teacher, student = "Qwen/Qwen2.5-Coder-1.5B", "Qwen/Qwen2.5-Coder-0.5B"
    assert (size_of(teacher), size_of(student), size_of("distilgpt2")) == (1.5e9, 0.5e9, None)
    found = {}
    for memory in (20, 80):
        machine = Machine(cores=16, gpus=1, memory=memory)
        numbers = propose(code, machine, teacher, student, minutes=10)
        text = config_text("s", ["kind: python", f"path: {ROOT}"], code, machine, teacher, student, numbers)
        study = load_study(yaml.safe_load(text))
        assert study.training.precision == "bf16" and study.vocabulary.policy == "same" and study.seeds == [42, 43, 44]
        found[memory] = study.training.batch_size, study.training.gradient_accumulation_steps
    assert found[20][0] < found[80][0] and found[20][0] * found[20][1] == found[80][0] * found[80][1] == 32


def test_without_a_gpu_the_teacher_is_what_the_minutes_can_train():
    """With some 20 tokens a parameter; on a GPU from scratch as before."""
    machines = (2, 10), (64, 10), (64, 600)
    assert [fitting_size(Machine(cores), minutes) for cores, minutes in machines] == ["1M", "4M", "12M"]
    assert fitting_size(Machine(8, 1, 24.0), 10) == "4M"


def test_shapes_are_of_their_size():
    """Counted by transformers."""
    from transformers import AutoConfig, AutoModelForCausalLM

    for size in (1e6, 4e6, 12e6, 34e6, 88e6):
        shape = dict(shape_of(size))
        model = AutoModelForCausalLM.from_config(
            AutoConfig.for_model(shape.pop("model_type"), vocab_size=4096, **shape)
        )
        assert model.num_parameters() == pytest.approx(size, rel=0.08)


def test_a_data_set_of_the_hub_is_not_looked_at(tmp_path):
    """The usage line of the program's own header, reckoned with what a plan assumes of a data set."""
    models = ["--teacher", "microsoft/CodeGPT-small-py", "--student", "distilbert/distilgpt2"]
    said = new(tmp_path, "owner/dataset", *models, "--output", "hub.yaml")
    told = "not looked at, since the data set is not downloaded before a run; reckoned with 100,000 functions of 270"
    assert f"code: {told}" in said and "price: " in said and "documented" not in said
    text = (tmp_path / "hub.yaml").read_text()
    study = load_study(yaml.safe_load(text))
    assert f"# Source: {told}" in text and "  max_seq_length: 512 # the default: the data set was not looked at" in text
    assert study.corpus.sources["own"].kind == "hub" and study.plan.functions is None
    assert not_looked_at("code_x_glue_ct_code_to_text").assumed == 251_820 + 13_914 + 14_918


def test_what_makes_no_sense_is_said_beside_the_plan(source, tmp_path):
    """A model that no CPU trains in a minute, and a student larger than its teacher: written, with a word."""
    said = new(tmp_path, source, "--output", "l.yaml", "--minutes", "1", "--teacher", "12M", "--student", "34M")
    assert re.search(r"about \d+ min on \d+ cores: more than the 1 min asked for\n", said)
    assert "remark: the student, 34M, is not smaller than its teacher, 12M: what it learns costs no less to use" in said
    assert not_smaller("Qwen/Qwen2.5-Coder-1.5B", "Qwen/Qwen2.5-Coder-0.5B") is None
    assert not_smaller("gpt2", "distilgpt2") is None and not_smaller("gpt2", "gpt2") and not_smaller("4M", "4m")


def test_questions_on_a_terminal(monkeypatch):
    """A default that is shown as none is read as none; the end of input at a question is a line."""
    asked = load_program("new").asked
    terminal = SimpleNamespace(isatty=lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    for answer, otherwise, wanted in (("none", None, None), ("", "1M", "1M"), (" 4M ", "1M", "4M"), ("x", None, "x")):
        monkeypatch.setattr("builtins.input", lambda _question, answer=answer: answer)
        assert asked(None, "student", otherwise) == wanted and asked("12M", "student", otherwise) == "12M"
    monkeypatch.setattr("builtins.input", ended)
    with pytest.raises(UserError, match="the input ended at a question"):
        asked(None, "student", None)


def test_records_are_reckoned_as_they_are_cut():
    """Of 100 records ten are ten times as long as a row: no plan counts what no row holds."""
    code, machine = Code(undocumented=100, units=[1280] * 90 + [16384] * 10), Machine(cores=2)
    numbers = propose(code, machine, "1M", "", minutes=10)
    text = config_text("s", ["kind: python", f"path: {ROOT}"], code, machine, "1M", None, numbers)
    assert "max_seq_length: 512 # 10 of 100 are cut at 512 tokens, 53% of the text\n" in text
    assert "tokens_per_function: 411\n" in text and "# 64 rows in all" in text
    assert code.cut(5120) == ""


def test_comments_of_the_config_are_true():
    """Little code meets the cap of epochs and has few held-out functions; much code meets neither."""
    found = []
    for count in (90, 9000):
        code, machine = Code(documented=count, characters=[900] * count), Machine(cores=2)
        numbers = propose(code, machine, "1M", "", minutes=10)
        found.append(config_text("s", ["kind: python", "path: x"], code, machine, "1M", None, numbers))
    little, much = found
    assert "  epochs: 8 # the most that is proposed" in little and "problems: 9 # about all that is held out" in little
    assert "# what the trainings' share of the minutes on 2 cores allows" in much and "problems: 100\n" in much
    assert "# chooses" not in little and "problems: 100" not in little


def ended(_question):
    raise EOFError
