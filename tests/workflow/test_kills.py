"""Driver and jobs killed at random moments, over the whole tiny chain: it ends in the bytes of one that was left alone.

CODESTILL_KILLS=50 CODESTILL_KILLS_SEED=7 pytest -s tests/workflow/test_kills.py
"""

import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest
from tiny_study import begin

KILLS, SEED = int(os.environ.get("CODESTILL_KILLS", 4)), int(os.environ.get("CODESTILL_KILLS_SEED", 1))
# What tells of a run itself: when, how long, how fast; and what is drawn from that.
OF_A_RUN = ("efficiency/", "report/", "work/", "inputs/manifest.json")
TIMES = {"provenance", "finished", "seconds"}


def content(path):
    """What must be alike of a file: its bytes; of JSON, what does not tell when and how fast it was made."""
    if path.suffix == ".json":
        return _timeless(json.loads(path.read_text()))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _timeless(value):
    if isinstance(value, list):
        return [_timeless(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _timeless(one)
        for name, one in value.items()
        if name not in TIMES and not name.endswith(("_seconds", "_runtime", "_per_second"))
    }


def results_of(folder):
    """{path: content} of all that the study has made and a second run must make alike."""
    home = folder / "results/tiny"
    found = {path.relative_to(home).as_posix(): path for path in sorted(home.rglob("*")) if path.is_file()}
    return {name: content(path) for name, path in found.items() if not _of_a_run(name)}


def _of_a_run(name):
    draft = any(part.startswith(".") for part in name.split("/"))  # of a job that was killed; clean.py frees them
    return draft or name.startswith(OF_A_RUN) or name.endswith(("provenance.json", "README.md"))


class Runs:
    """Calls of `codestill run` in one folder, one after another; what they leave running stays known."""

    def __init__(self, folder):
        self.folder, self.driver, self.sessions = folder, None, []
        self.log = folder / "killed.log"

    def start(self):
        """Start one, in a session of its own, where none is at work."""
        if self.driver is not None and self.driver.poll() is None:
            return
        command = [sys.executable, self.folder / "scripts/run.py", "--configfile", "tiny.yaml", "--cores", "2"]
        environment = {**os.environ, "HOME": str(self.folder), "OMP_NUM_THREADS": "1"}
        with open(self.log, "a") as log:
            self.driver = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self.sessions.append(self.driver.pid)

    def jobs(self):
        """The jobs' processes (shells, programs and what these forked), of any of the calls."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, ProcessLookupError):
                ours = os.getsid(process.pid) in self.sessions and process.status() != psutil.STATUS_ZOMBIE
                if ours and process.pid != self.driver.pid:
                    found.append(process.pid)
        return found

    def still(self):
        """Wait until no job is left, whoever began it."""
        deadline = time.monotonic() + 120
        while self.jobs() and time.monotonic() < deadline:
            time.sleep(0.1)

    def strike(self, what, chance):
        """Kill, unwarned: the driver, one of the jobs, or all of them; how many processes that were."""
        jobs, driver = self.jobs(), [self.driver.pid] if self.driver.poll() is None else []
        struck = {"driver": driver, "job": [chance.choice(jobs)] if jobs else [], "all": driver + jobs}[what]
        for pid in struck:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if what != "job":
            self.driver.wait()
        return len(struck)

    def end(self):
        """Kill what is left of all calls."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, ProcessLookupError):
                if os.getsid(process.pid) in self.sessions:
                    process.kill()


@pytest.fixture
def runs(tmp_path):
    found = Runs(begin(tmp_path / "study"))
    yield found
    found.end()


def test_a_chain_that_is_killed_again_and_again_ends_in_the_bytes_of_one_left_alone(finished, runs):
    chance, wanted = random.Random(SEED), results_of(finished)
    assert len(wanted) > 60
    done, chains, began = 0, 1, time.monotonic()
    while done < KILLS:
        runs.start()
        time.sleep(chance.uniform(2, 25))
        if runs.driver.poll() == 0:  # it was over before all kills were dealt: check it, and begin again
            runs.still()
            assert results_of(runs.folder) == wanted
            for gone in ("results", ".snakemake", "benchmarks"):
                shutil.rmtree(runs.folder / gone)
            chains += 1
            continue
        what = chance.choice(["driver", "job", "all"])
        struck = runs.strike(what, chance)
        done += bool(struck)
        print(f"{time.monotonic() - began:6.1f} s: kill {done} ({what}: {struck} processes)", flush=True)
    deadline = time.monotonic() + 900
    while runs.driver.wait(max(1, deadline - time.monotonic())) != 0:  # a call whose job was killed ends in 1
        assert time.monotonic() < deadline, runs.log.read_text()[-3000:]
        runs.start()
    runs.still()
    found = results_of(runs.folder)
    assert {name for name in wanted | found if wanted.get(name) != found.get(name)} == set()
    print(f"{done} kills over {chains} chains in {time.monotonic() - began:.0f} s: {len(wanted)} files alike")
