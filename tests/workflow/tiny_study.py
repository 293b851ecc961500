"""The tiny study: its files, how to run it and how to kill a run. The fixtures `finished` and `edited` hold it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import yaml
from running import ROOT, job_counts, snakemake
from walkthrough import blocks

TINY = yaml.safe_load((ROOT / "tests/workflow/tiny.yaml").read_text())
PARTS = ["scripts", "rules", "envs", "config", "report", "Snakefile"]
CELLS = ["alpha-1.0_seed-1", "T-2.0_alpha-0.5_seed-1", "T-3.0_alpha-0.0_seed-1"]


def functions(count):
    """Documented functions that differ in more than a name."""
    for i in range(count):
        name, other = f"scale_{i}", f"shift_{i % 7}"
        summary = f"Return values scaled by {i} and shifted by {i % 7}."
        body = f'def {name}(values, {other}={i % 7}):\n    """{summary}"""\n'
        body += f"    result = []\n    for value in values:\n        result.append(value * {i} + {other})\n"
        body += "    return result\n"
        yield {"body": body, "summary": summary}


def workflow_copy(folder):
    """The workflow's own files (what git tracks or would track), so that a test may edit them."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *PARTS]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def run(folder, *arguments, check=True):
    return snakemake(
        folder, "--configfile", folder / "tiny.yaml", *arguments, snakefile=folder / "Snakefile", check=check
    )


def jobs(folder, *arguments):
    done = run(folder, "--dry-run", *arguments)
    return job_counts(done.stdout), done.stdout


def kill_when(folder, sign, *targets):
    """Start the workflow, for `targets` or all, and kill it and its jobs, unwarned, once the file `sign` exists."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", folder / "Snakefile", "--directory", folder]
    command += ["--configfile", folder / "tiny.yaml", "--cores", "2", "--nolock", "--", *targets]
    environment = {**os.environ, "HOME": str(folder), "OMP_NUM_THREADS": "1"}
    with open(folder / "killed.log", "w") as log:
        driver = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    deadline = time.monotonic() + 900
    while not list(folder.glob(sign)):
        assert driver.poll() is None and time.monotonic() < deadline, (folder / "killed.log").read_text()
        time.sleep(0.05)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()


def begin(folder):
    """Make `folder` a clone of the workflow with the tiny study's config and data, not run yet."""
    folder = workflow_copy(folder)
    (folder / "functions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in functions(120)))
    (folder / "greetings.jsonl").write_text(blocks("json")[0])
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    return folder
