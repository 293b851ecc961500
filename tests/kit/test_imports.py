"""The closure of a script's imports, by which an edit reruns what it touches and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

from codestill.kit.imports import SCRIPTS, imports_of

NAMES = [f"kit/{name}" for name in ("attempts", "files", "program")]
NAMES += [f"study/{name}" for name in ("cell", "config", "config_files", "grid", "layout", "mistakes", "plan_section")]
NAMES += [f"study/{name}" for name in ("sampling_jobs", "section")]
PROGRAMS = sorted(path.name for path in SCRIPTS.glob("*.py"))


def test_the_closure_of_a_known_script():
    found = {path.removeprefix(str(SCRIPTS) + "/") for path in imports_of(SCRIPTS / "resolve_study.py")}
    assert found == {f"codestill/{name}.py" for name in NAMES}


def test_no_job_with_results_of_science_runs_the_config_or_the_plan():
    """A new field, price or estimate must not train every cell again."""
    for name in ("distill", "teach", "generate", "grade", "measure", "choose", "tokenize_corpus"):
        used = {Path(path).relative_to(SCRIPTS / "codestill") for path in imports_of(SCRIPTS / f"{name}.py")}
        assert {str(path) for path in used if path.parts[0] in ("study", "plan", "cluster")} <= {"study/cell.py"}, name


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


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_is_quick_and_shows_a_command(name):
    command = [sys.executable, "-X", "importtime", str(SCRIPTS / name), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert f"python scripts/{name}" in done.stdout
    assert "| torch\n" not in done.stderr
