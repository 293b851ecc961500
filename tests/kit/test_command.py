"""The command: every program by its name, as it runs by its path."""

import importlib
import subprocess
import sys
import tomllib

import pytest

from codestill.kit.command import PROJECT, programs

DECLARED = tomllib.loads(PROJECT.read_text())["project"]


def run(*words, start=("-c", "from codestill.kit.command import main; main()"), **options):
    command = [sys.executable, *map(str, start), *words]
    environment = {"PYTHONPATH": str(PROJECT.parent / "scripts"), "COLUMNS": "100", "PATH": ""}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, **options)


def test_what_is_installed_as_the_command_is_this():
    module, name = DECLARED["scripts"]["codestill"].split(":")
    assert importlib.import_module(module).__dict__[name].__module__ == "codestill.kit.command"


def test_help_is_a_table_of_contents(tmp_path):
    done = run("--help", cwd=tmp_path)
    listed = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")]
    assert listed == list(programs()) and run(cwd=tmp_path).stdout == done.stdout
    assert all(len(line.split(maxsplit=1)[1]) > 20 for line in done.stdout.splitlines() if line.startswith("  "))


@pytest.mark.parametrize("name", ["plan", "model_card", "model-card"])
def test_a_program_by_name_is_the_program_by_path(name, tmp_path):
    wanted = run("--help", start=[programs()[name.replace("-", "_")]], cwd=tmp_path)
    found = run(name, "--help", cwd=tmp_path)
    assert (found.returncode, found.stdout) == (0, wanted.stdout)


def test_codes_of_programs_and_of_unknown_names(tmp_path):
    done = run("verify", "--results", "absent", cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.startswith("error: ")
    done = run("verfy", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "error: verfy: no such program; did you mean verify?\n")


def test_the_version_is_the_projects():
    assert run("--version").stdout == f"codestill {DECLARED['version']}\n"
