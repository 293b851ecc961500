"""The closure of a script's imports and its digests, by which an edit reruns what it touches and nothing else."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from codestill.kit.imports import SCRIPTS, _digest_of, code_digests, imports_of

PROGRAMS = sorted(path.name for path in SCRIPTS.glob("*.py"))


def test_the_closure_of_a_known_script():
    found = {path.removeprefix(str(SCRIPTS) + "/") for path in imports_of(SCRIPTS / "archive.py")}
    names = ["kit/attempts", "kit/files", "kit/program", "report/archive"]
    assert found >= {f"codestill/{name}.py" for name in names}
    assert "codestill/report/latex.py" not in found


def test_no_job_with_results_of_science_runs_more_of_the_config_than_its_own_sections():
    """A new price, estimate or field of another section must not train every cell again."""
    names = ("cell", "entries", "flags", "mistakes", "recipe_names", "section", "teacher_states")
    base = {f"study/{name}.py" for name in names}
    sections = {
        "distill": {"distillation", "training"}, "teach": {"distillation", "training"}, "generate": {"generation"},
        "grade": {"grading"}, "measure": {"generation", "measures"}, "choose": {"selection"},
        "tokenize_corpus": {"corpus"}, "download": {"benchmarks", "corpus", "origins"},
        "match_vocabulary": {"corpus", "vocabulary"}, "write_text": {"recipes"},
    }  # fmt: skip
    for name, own in sections.items():
        used = {str(Path(path).relative_to(SCRIPTS / "codestill")) for path in imports_of(SCRIPTS / f"{name}.py")}
        asked = {path for path in used if path.split("/")[0] in ("study", "plan", "cluster")}
        assert asked <= base | {f"study/sections/{one}.py" for one in own}, name


def test_of_a_program_that_does_one_of_several_things_the_others_imports_are_left_out():
    parts = {part: code_digests("download", part=part) for part in ("model", "corpus", "benchmark", "manifest")}
    read_by = {
        "codestill/data/benchmarks.py": {"benchmark"}, "codestill/data/sources.py": {"corpus"},
        "codestill/models/downloads.py": {"model"}, "download.py": set(parts), "codestill/kit/whole.py": set(parts),
    }  # fmt: skip
    for file, wanted in read_by.items():
        assert {part for part, found in parts.items() if file in found} == wanted, file
    assert code_digests("download").keys() == set().union(*parts.values())


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_python_imports_is_in_the_closure(name):
    code = (
        "import runpy, sys; sys.path.insert(0, sys.argv[1]); runpy.run_path(sys.argv[2], run_name='imported');"
        "found = [m.__file__ for n, m in list(sys.modules.items()) if n.startswith('codestill') and m.__file__];"
        "print(*found, sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(SCRIPTS), str(SCRIPTS / name)], capture_output=True, text=True, check=True
    )
    used = {line for line in done.stdout.split() if not line.endswith("__init__.py")}
    assert used <= set(imports_of(SCRIPTS / name))


def digest(text):
    return _digest_of(ast.parse(text))


PLAIN = """
def half(value, digits=2):
    if value < 0:
        raise UserError("value: below 0")
    add("--digits", type=int, default=2, help="of the result")
    log(f"half of {value}")
    return round(value / 2, digits)
"""
SAME = [
    "# of a value\n" + PLAIN.replace("value / 2, digits", "value/2,\n        digits"),
    PLAIN.replace("    if", '    """Half of a value."""\n    if'),
    '"""Halves."""\n' + PLAIN,
    PLAIN.replace("of the result", "of what comes out"),
    PLAIN.replace("value: below 0", "value: must not be below 0"),
    PLAIN.replace('f"half of {value}"', '"at work"'),
    PLAIN.replace('"--digits"', "'--digits'"),
]
OTHER = [
    PLAIN.replace("value / 2", "value / 2.0"),
    PLAIN.replace("value / 2", "2 / value"),
    PLAIN.replace("value < 0", "value <= 0"),
    PLAIN.replace("--digits", "--places"),
    PLAIN.replace("default=2,", "default=3,"),
    PLAIN.replace("digits=2):", "digits=True):"),
    PLAIN.replace("return", "yield"),
    PLAIN.replace("raise UserError", "print"),
    PLAIN.replace("return round", 'return "half" or round'),
    PLAIN + '\nNAME = "half"\n',
]


def test_what_changes_no_result_changes_no_digest():
    assert {digest(text) for text in SAME} == {digest(PLAIN)}


def test_what_can_change_a_result_changes_the_digest():
    digests = [digest(text) for text in [PLAIN, *OTHER]]
    assert len(set(digests)) == len(digests)
    assert digest('NAME = "half"') != digest('NAME = "whole"')
    assert digest('def name():\n    return "half"') != digest('def name():\n    return "whole"')


def test_a_program_is_digested_file_by_file_with_its_templates():
    found = code_digests("report", "codestill/report/templates/*")
    used = {path.removeprefix(f"{SCRIPTS}/") for path in imports_of(SCRIPTS / "report.py")}
    templates = {f"codestill/report/templates/{path.name}" for path in SCRIPTS.glob("codestill/report/templates/*")}
    assert found.keys() == {"report.py", *used, *templates}
    assert code_digests("report", "codestill/report/templates/*") is found  # shared by all the jobs of a rule
    assert code_digests("figures").keys() <= found.keys() | {"figures.py"}


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_is_quick_and_shows_a_command(name):
    command = [sys.executable, "-X", "importtime", str(SCRIPTS / name), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert f"python scripts/{name}" in done.stdout
    assert "| torch\n" not in done.stderr
