"""The closure of a script's imports, by which an edit reruns what it touches and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

from codestill.kit.imports import SCRIPTS, imports_of

PROGRAMS = sorted(path.name for path in SCRIPTS.glob("*.py"))


def test_the_closure_of_a_known_script():
    found = {path.removeprefix(str(SCRIPTS) + "/") for path in imports_of(SCRIPTS / "archive.py")}
    names = ["kit/attempts", "kit/files", "kit/program", "report/archive"]
    assert found >= {f"codestill/{name}.py" for name in names}
    assert "codestill/report/latex.py" not in found


def test_no_job_with_results_of_science_runs_more_of_the_config_than_its_own_sections():
    """A new price, estimate or field of another section must not train every cell again."""
    base = {f"study/{name}.py" for name in ("cell", "entries", "flags", "mistakes", "section")}
    sections = {
        "distill": {"distillation", "training"}, "teach": {"distillation", "training"}, "generate": {"generation"},
        "grade": {"grading"}, "measure": {"generation", "measures"}, "choose": set(), "tokenize_corpus": {"corpus"},
    }  # fmt: skip
    for name, own in sections.items():
        used = {str(Path(path).relative_to(SCRIPTS / "codestill")) for path in imports_of(SCRIPTS / f"{name}.py")}
        asked = {path for path in used if path.split("/")[0] in ("study", "plan", "cluster")}
        assert asked <= base | {f"study/sections/{one}.py" for one in own}, name


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
