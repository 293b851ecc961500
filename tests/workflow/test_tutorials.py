"""The tutorials as a reader types them: every command line of each page, in order, in a folder with a finished study.

The finished study is the tiny one in place of the demo. What would train for minutes or days is a dry run of the very
same command; everything else runs.
"""

import os
import re
import shutil
import subprocess

import pytest
import yaml
from running import ROOT, job_counts
from tiny_study import functions

TUTORIALS = ("repeat.md", "publish.md", "own-code.md")
# What stands for the demo, for the reader's own study once it has run, and for the demo's experiments.
INSTEAD = {
    "config/demo.yaml": "tiny.yaml",
    "results/demo": "results/tiny",
    "STUDY=demo": "STUDY=tiny",
    "codestill try demo": "codestill try tiny",
    "codestill follow demo": "codestill follow tiny",
    "codestill try ours": "codestill try tiny",
    "codestill try results/ours": "codestill try results/tiny",
    "A=experiment_1 B=experiment_2": "A=experiment_1 B=default",
}


def commands(name):
    """The lines of a page that are typed."""
    text = re.sub(r"^```.*?^```$", "", (ROOT / "docs" / name).read_text(), flags=re.M | re.S)
    return [line.strip() for line in re.findall(r"^    (\S.*)$", text, re.M)]


def as_typed(line):
    """The line as it runs here: on the tiny study, and dry where it would train."""
    for theirs, ours in INSTEAD.items():
        line = line.replace(theirs, ours)
    if line == "make demo":
        return "make --dry-run demo"
    if line.startswith("make "):
        return line.replace("make ", "make --old-file=.venv/installed ", 1)
    if line.startswith("snakemake ") and not line.endswith(" figures"):
        return line.replace("snakemake ", "snakemake --dry-run --quiet=rules ", 1)
    return line


@pytest.fixture
def place(edited):
    """The finished tiny study in a clone that has what `make` needs, and a folder of source to begin with."""
    for name in ("Makefile", "pyproject.toml", "requirements.txt"):
        shutil.copy2(ROOT / name, edited / name)
    shutil.copytree(ROOT / "profiles", edited / "profiles")
    (edited / "slurm").symlink_to("profiles/slurm")
    (edited / ".venv").symlink_to(ROOT / ".venv")
    source = edited / "path/to/your/source"
    source.mkdir(parents=True)
    (source / "module.py").write_text("\n\n".join(row["body"] for row in functions(120)))
    return edited


def typed(place, line):
    environment = {**os.environ, "HOME": str(place), "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", as_typed(line)],
        cwd=place, env=environment, capture_output=True, text=True, check=False, timeout=600,
        input="def scale(values):\n",
    )  # fmt: skip
    fine = (0, 1) if "doctor.py" in line else (0,)  # it finds no cluster here, and says so
    assert done.returncode in fine, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout + done.stderr


def follow(place, name):
    """{line: what it said} of a page; after `cp`, the yaml that the page shows is written into the copy."""
    said = {}
    for line in commands(name):
        said[line] = typed(place, line)
        if line.startswith("cp "):
            copy = place / line.split()[-1]
            (block,) = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "docs" / name).read_text(), re.M | re.S)
            config = yaml.safe_load(copy.read_text())
            config["experiments"] |= yaml.safe_load(block)["experiments"]
            copy.write_text(yaml.safe_dump(config))
    return said


def test_the_students(place):
    said = follow(place, "repeat.md")
    assert len(said) == 10
    tried = next(text for line, text in said.items() if line.startswith("codestill try"))
    assert all(name in tried for name in ("teacher", "best_finetuned", "best_distilled"))
    # The study keeps its name: the new setting's cells alone are trained, of the one seed that the tiny study has.
    assert job_counts(said["snakemake --cores all --configfile config/mine.yaml -- hotter"])["distill"] == 1
    assert "cells to train" in said["codestill plan --configfile config/mine.yaml"]
    assert job_counts(said["snakemake --cores all"])["distill"] > 70


def test_the_researchers(place):
    said = follow(place, "publish.md")
    assert "SLURM" in said["python scripts/doctor.py --configfile config/pilot.yaml"]
    assert "GPU-hours" in said["codestill plan --configfile config/qwen.yaml"]
    assert job_counts(said["snakemake --profile slurm --configfile config/qwen.yaml"])["distill"] > 1
    assert "experiment_1" in said["make compare STUDY=demo A=experiment_1 B=experiment_2"]
    assert (place / "tiny.tar.gz").stat().st_size > 10_000
    named = set(re.findall(r"`(report/[\w./-]+)`", (ROOT / "docs/publish.md").read_text()))
    assert len(named) > 10 and [path for path in named if not (place / "results/tiny" / path).is_file()] == []


def test_the_engineers(place):
    said = follow(place, "own-code.md")
    first = next(text for line, text in said.items() if line.startswith("codestill new"))
    assert "120 documented functions" in first and (place / "config/ours.yaml").is_file()
    planned = job_counts(said["snakemake --cores all --configfile config/ours.yaml"])
    assert planned["distill"] == 2 and planned["generate"] == 4 and planned["report"] == 1
    assert all(name in said["codestill try ours"] for name in ("teacher", "best_finetuned", "best_distilled"))
