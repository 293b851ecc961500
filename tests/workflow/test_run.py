"""`codestill run`: what it hands to Snakemake, and that a study has one run at a time."""

import os
import runpy
import subprocess
import sys

import pytest
from running import CONFIG, ROOT


def test_run_takes_targets_behind_the_config_and_hands_the_rest_on(tmp_path):
    command = [sys.executable, ROOT / "scripts/run.py", "--configfile", CONFIG / "demo.yaml", "--config", "seeds=[7]"]
    command += ["--cores", "1", "baselines", "--", "--dry-run", "--quiet", "rules"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120)
    assert "distill                   1" in done.stdout, done.stdout


@pytest.fixture
def becomes(monkeypatch, tmp_path):
    """becomes(words) -> the command that `codestill run` turns into in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def ask(*words):
        found = []
        monkeypatch.setattr(sys, "argv", ["run.py", "--configfile", str(CONFIG / "demo.yaml"), *words])
        monkeypatch.setattr(os, "execv", lambda path, command: found.append(command))
        runpy.run_path(str(ROOT / "scripts/run.py"))["main"]()
        return found[0]

    return ask


def test_cores_are_all_of_this_machine_and_on_a_cluster_what_the_profile_says(becomes):
    def cores(command):
        return command[command.index("--cores") + 1] if "--cores" in command else None

    assert cores(becomes("--", "--dry-run")) == "all"
    assert cores(becomes("--", "--dry-run", "--profile", "slurm")) is None
    assert cores(becomes("--cores", "8", "--", "--dry-run", "--executor=slurm")) == "8"


def test_a_study_has_one_run_at_a_time_and_nothing_to_unlock(becomes, tmp_path):
    assert "--nolock" in becomes()  # from here on this process holds the study, as Snakemake would
    command = [sys.executable, ROOT / "scripts/run.py", "--configfile", CONFIG / "demo.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "another run of study demo is at work here; `codestill follow demo` shows it" in done.stderr
    assert "--nolock" in becomes("--config", "study=other")
    (tmp_path / ".snakemake/locks").mkdir()
    (tmp_path / ".snakemake/locks/0.input.lock").touch()  # a plain `snakemake` is, or was, at work
    assert "--nolock" not in becomes("--config", "study=third")
