"""Within a study a remedy names fields of the config, and every one that it names is there to be set."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from codestill.grading.sandbox.isolation import LEVELS
from codestill.kit import program
from codestill.kit.imports import imports_of
from codestill.study.config import Study
from codestill.study.remedies import fields_of_programs
from codestill.study.section import Section, parts_of
from codestill.study.sections.grading import Grading
from codestill.study.sections.models import Student

ROOT = Path(__file__).resolve().parents[2]
FIELDS = fields_of_programs()
PROGRAMS = sorted(set(re.findall(r'program\("(\w+)"\)', "".join(p.read_text() for p in ROOT.glob("rules/*.smk")))))
# What a rule fills in itself: places of files, and what follows from the layout. No study gets them wrong.
OF_RULES = {
    *(
        "inputs",
        "outputs",
        "measures",
        "protocols",
        "samples",
        "benchmark",
        "checked",
        "layers_of",
        "among",
        "cells",
        "seeds",
        "axes_from",
        "rank",
        "tokenizer",
        "train",
    ),
    *("teacher", "teacher_model_path", "teacher_cache", "train_data", "validation_data", "shard", "model", "cell"),
    *("config", "batch_sizes", "output", "protocol", "figure", "prompts"),
    *("axes_from", "rank", "teachers", "teachers_load_in", "states", "texts", "same_seed", "cells", "seeds", "among"),
}
# Of a program that runs alone, for a reader without a study: no rule passes them.
OF_READERS = {"validation_fraction", "order", "rows"}


def spoken(script):
    """The texts that a program may end in or log: of its own file and of the library files that it imports."""
    for file in [script, *imports_of(script)]:
        tree = ast.parse(Path(file).read_text())
        for node in ast.walk(tree):
            named = isinstance(node, ast.Call) and getattr(node.func, "id", "")
            if named in ("UserError", "log") or isinstance(node, ast.Return | ast.Assign | ast.Yield):
                yield from (one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and _text(one))


def _text(node):
    return isinstance(node.value, str) and "--" in node.value


def known_to(name):
    """The flags that a program may name as fields, over all of its first words."""
    own = [fields for one, fields in FIELDS.items() if one.split(" ")[0] == name]
    return set(FIELDS[""]).union(*own)


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_flag_that_a_program_s_remedies_name_is_a_field(name):
    script = ROOT / f"scripts/{name}.py"
    manual = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True, check=True).stdout
    its_own = set(re.findall(r"^  --(\w+)", manual, re.M))
    for text in spoken(script):
        for flag in re.findall(r"--([a-z][a-z_]+)", text):
            if flag in its_own and flag not in OF_RULES | OF_READERS:
                assert flag in known_to(name), (name, flag, text)


def sections_below(section, where=""):
    """{dotted name: a field's annotation} of a config, with NAME for what the user names."""
    found = {}
    for name, info in section.model_fields.items():
        here = f"{where}{name}"
        found[here] = info.annotation
        for part in parts_of(info.annotation):
            named = "" if isinstance(part, type) and issubclass(part, Section) and part is info.annotation else "NAME."
            for one in (part, *getattr(part, "__args__", ())):
                if isinstance(one, type) and issubclass(one, Section):
                    found |= sections_below(one, f"{here}.{named}")
    return found


def test_every_field_that_is_named_is_one_of_the_config():
    there = set(sections_below(Study)) | {f"MODEL.{name}" for name in Student.model_fields}
    for program_name, fields in FIELDS.items():
        for field, _ in fields.values():
            for one in field.split(" or "):
                assert one in there, (program_name, one)


def test_levels_of_isolation_are_the_sandbox_s_and_the_null_is_the_strongest():
    assert [level.name for level in LEVELS] == parts_of_literal(Grading.model_fields["isolation"].annotation)


def parts_of_literal(annotation):
    return [one for part in annotation.__args__ for one in getattr(part, "__args__", ())]


@pytest.mark.parametrize(
    ("argv", "said", "told"),
    [
        ("grade.py", "accept it by --allow_weak_isolation", "accept it by grading.allow_weak_isolation: true"),
        ("grade.py", "--memory: 64 MiB: raise it", "grading.memory: 64 MiB: raise it"),
        ("grade.py", "add it, or give --rules evalplus, which", "add it, or give grading.rules: evalplus, which"),
        ("grade.py", "tests apart; --trust same_process can", "tests apart; benchmarks.NAME.trust: same_process can"),
        ("distill.py", "--learning_rate, or --precision bf16", "training.learning_rate, or training.precision: bf16"),
        ("distill.py", "(--preflight warn goes on)", "(training.preflight: warn goes on)"),
        ("distill.py", "use scripts/tokenize_corpus.py --layout padded", "use tokens.layout: padded"),
        ("cache_teacher.py", "scripts/distill.py --teacher_pass online", "distillation.teacher_pass: online"),
        ("cache_teacher.py", "use --device cpu", "use training.device: cpu"),
        ("teach.py", "--device cuda: no", "teacher.training.device: cuda: no"),
        ("generate.py", "or --engine lanes", "or generation.engine: lanes"),
        ("download.py corpus", "map it by --columns code=COLUMN", "map it by corpus.sources.NAME.columns: code=COLUMN"),
        ("download.py model", "check --name, or", "check MODEL.name, or"),
        ("distill.py", "--no_such flag, --output DIR", "--no_such flag, --output DIR"),
    ],
)  # fmt: skip
def test_a_remedy_names_the_field_and_the_word_that_it_takes(monkeypatch, argv, said, told):
    monkeypatch.setattr(sys, "argv", argv.split())
    assert program.as_fields(said) == said  # outside of a study
    monkeypatch.setenv(program.FIELDS, json.dumps(FIELDS))
    assert program.as_fields(said) == told


def test_a_grader_in_a_study_ends_in_the_name_of_a_field(tmp_path, monkeypatch):
    monkeypatch.setenv(program.FIELDS, json.dumps(FIELDS))
    row = {
        "task_id": "a/0",
        "prompt": "def f():\n",
        "entry_point": "f",
        "canonical_solution": "    pass\n",
        "test": "def check(candidate):\n    pass\n",
    }
    (tmp_path / "p.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "s.jsonl").write_text(json.dumps({"task_id": "a/0", "completion": "    pass\n"}) + "\n")
    command = [sys.executable, ROOT / "scripts/grade.py", "--benchmark", "p.jsonl", "--samples", "s.jsonl"]
    for flags, told in (
        (["--memory", "20"], "error: grading.memory: 20 MiB: no program can begin below"),
        (["--isolation", "limits"], "grade elsewhere, or accept the risk with grading.allow_weak_isolation: true"),
    ):
        done = subprocess.run([*command, *flags], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 2 and told in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_a_study_sets_them_and_its_rules_pass_them():
    from codestill.study.commands import Commands
    from codestill.study.config import load_study
    from codestill.study.grid import build_grid
    from codestill.study.layout import Layout

    raw = yaml.safe_load((ROOT / "config/demo.yaml").read_text())
    raw["grading"] = {"memory": 512, "isolation": "landlock+seccomp", "allow_weak_isolation": True}
    study = load_study(raw)
    commands = Commands(study, Layout(study, build_grid(study)))
    assert "--memory 512" in commands.grading("pocket") and "--memory 512" in commands.checking("pocket")
    assert "isolation" not in commands.grading("pocket")
    assert commands.machine.grade.endswith("--isolation landlock+seccomp --allow_weak_isolation")
