"""The lowest Snakemake that the workflow asks for, and the pinned one: a dry run, a job, and a plan of what it left."""

import json
import os
import re
import subprocess
import sys

import pytest
from running import ROOT, job_counts
from stand_ins import made_workflow

LOWEST = re.search(r'min_version\("([\d.]+)"\)', (ROOT / "Snakefile").read_text())[1]
PINNED = re.search(r"^snakemake==(\S+)", (ROOT / "requirements.txt").read_text(), re.M)[1]
TASKS = "results/made/inputs/benchmarks/pocket.jsonl"


@pytest.fixture(params=[LOWEST, PINNED])
def environment(request, tmp_path):
    """The environment of a Snakemake of one version: its own package before all that is installed."""
    found = {**os.environ, "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    if request.param == LOWEST:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--target", tmp_path / "packages", f"snakemake=={LOWEST}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode:
            pytest.skip(
                f"snakemake {LOWEST} cannot be installed: {(done.stderr.splitlines() or ['no reason given'])[-1]}"
            )
        found["PYTHONPATH"] = str(tmp_path / "packages")
    shown = subprocess.run([sys.executable, "-m", "snakemake", "--version"], env=found, capture_output=True, text=True)
    assert shown.stdout.strip() == request.param
    return found


def test_a_version_is_known_to_its_insides(environment, tmp_path):
    folder = tmp_path / "made"
    folder.mkdir()
    made_workflow(folder)

    def run(*command):
        done = subprocess.run(
            [sys.executable, *map(str, command)],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "not known here" not in done.stderr
        return done

    snakemake = ["-m", "snakemake", "--configfile", "made.yaml", "--cores", 1]
    done = run(*snakemake, "--dry-run", "--quiet", "rules")
    counts = job_counts(done.stdout + done.stderr)
    run(*snakemake, "--", TASKS)
    program = folder / "scripts/codestill/made/download.py"
    program.write_text(program.read_text().replace("1", "2"))
    found = json.loads(run("scripts/plan.py", "--configfile", "made.yaml", "--json", "-").stdout)
    assert {rule: one["jobs"] for rule, one in found["rules"].items()} == {
        rule: count for rule, count in counts.items() if rule not in ("all", "total")
    }
    (job,) = [one for one in found["jobs"] if one["rule"] == "download_benchmark"]
    assert job["causes"] == [{"kind": "code", "detail": "scripts/codestill/made/download.py edited"}]
