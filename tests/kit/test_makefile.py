"""`make install` takes the Python that is there, or says which is wanted."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("make", "sh", "nproc")


def install(folder, pythons, *words):
    """Run `make install` in an empty folder where only `pythons` {name: shell script} are on the path."""
    path = folder / "bin"
    path.mkdir(parents=True)
    for name in NEEDED:
        (path / name).symlink_to(shutil.which(name))
    for name, script in pythons.items():
        (path / name).write_text(f"#!/bin/sh\n{script}\n")
        (path / name).chmod(0o755)
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    return subprocess.run(
        ["make", "install", *words], cwd=folder, env={"PATH": str(path)}, capture_output=True, text=True, check=False
    )


def version(number):
    """A Python that says it is of this version, and ends where a venv is asked for."""
    told = f"import sys; sys.version_info = {number}; exec(sys.argv[1])"
    return f'[ "$1" = -c ] && exec {sys.executable} -c "{told}" "$2"; echo "$0 $@"; exit 3'


@pytest.mark.parametrize("name", ["python3.11", "python3.12", "python3.13", "python3"])
def test_it_takes_what_is_there(name, tmp_path):
    done = install(tmp_path, {name: version((3, 12, 1)), "python3.9": "exit 1"})
    assert done.stdout.splitlines()[-1] == f"{tmp_path}/bin/{name} -m venv .venv", done.stderr


@pytest.mark.parametrize("pythons", [{}, {"python3": version((3, 10, 9))}, {"python3": version((3, 14, 0))}])
def test_it_says_what_it_wants(pythons, tmp_path):
    done = install(tmp_path, pythons)
    assert done.returncode == 2 and "no Python 3.11 to 3.13 with its venv; install one" in done.stderr
    assert not (tmp_path / ".venv").exists()
