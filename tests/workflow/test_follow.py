"""`codestill follow`: what a run is doing, from its files alone, beside a run, after a kill and at the end."""

import os
import signal
import subprocess
import sys
import time

from running import ROOT
from tiny_study import begin, run

FOLLOW = [sys.executable, ROOT / "scripts/follow.py", "tiny"]


def follow(folder):
    done = subprocess.run(FOLLOW, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout


def test_a_finished_study_is_done_and_an_unknown_one_is_told(finished, tmp_path):
    code, said = follow(finished)
    assert code == 0 and "nothing is at work: all is done" in said
    assert "hours: " in said and "failed" not in said
    done = subprocess.run(FOLLOW, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.startswith("error: results/tiny: no study of that name here")


def test_it_tells_what_is_at_work_what_was_killed_and_what_failed(edited):
    (cell,) = edited.glob("results/tiny/models/T-2.0*")
    (cell / "model.safetensors").unlink()
    (edited / "results/tiny/models/student/config.json").write_text("{")  # newer than what follows, and torn
    command = [sys.executable, "-m", "snakemake", "--configfile", "tiny.yaml", "--cores", "1", "--nolock", "--"]
    command += [str((cell / "model.safetensors").relative_to(edited))]
    environment = {**os.environ, "HOME": str(edited), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=edited, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    code, said = follow(edited)
    assert code == 1 and "nothing is at work" in said
    # The first job that reads it refuses: what it would train is tokenised by it.
    assert "failed: tokenize_corpus" in said and "bad input: results/tiny/models/student/config.json: not JSON" in said
    assert "logs/tiny/tokenize_corpus/tokenize_corpus.log" in said


def test_it_works_beside_a_run(tmp_path):
    folder = begin(tmp_path / "study")
    run(folder, "--cores", 2, "--until", "tokenize_corpus")
    (folder / "tiny.yaml").write_text((folder / "tiny.yaml").read_text().replace("epochs: 3", "epochs: 3000"))
    command = [sys.executable, "-m", "snakemake", "--configfile", "tiny.yaml", "--cores", "1", "--until", "teach"]
    environment = {**os.environ, "HOME": str(folder), "OMP_NUM_THREADS": "1"}
    with open(folder / "driver.log", "w") as log:
        driver = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        while "running: teach teacher on " not in (said := follow(folder)[1]) or "step " not in said:
            assert time.monotonic() < deadline and driver.poll() is None, said
        assert " planned" in said and "of 1 jobs done" in said
    finally:
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
    deadline = time.monotonic() + 30  # what was killed takes a moment to be gone
    while "running" in (found := follow(folder))[1] and time.monotonic() < deadline:
        time.sleep(0.2)
    code, said = found
    assert code == 1 and "failed: teach teacher: ended from outside" in said and "running" not in said
