"""A SLURM cluster and a study on it. `make test-slurm` runs these tests; a plain pytest leaves them alone.

The study lives in a copy of the workflow, so that what is edited meanwhile does not run again, and all tests share its
results: the first brings it from download to report, the others train cells of their own.
"""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml

from cluster import PATIENCE, Cluster, alive, until

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("Snakefile", "rules", "config", "profiles", "scripts", "envs", "slurm", "report", "requirements.txt")
TASKS = [
    {
        "task_id": f"Three/{number}",
        "prompt": f'def give():\n    """Return {number}."""\n',
        "entry_point": "give",
        "canonical_solution": f"    return {number}\n",
        "test": f"def check(candidate):\n    assert candidate() == {number}\n",
    }
    for number in range(3)
]
# Ask after one second and not ten: the jobs take seconds. (For the drivers within a job; soon.py asks as soon again.)
SOON = ("--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "10")
FIRST = "T-2.0_alpha-0.5_seed-1"
EPOCHS = "240.0"  # some twenty seconds on an idle machine, so that there is time to strike
LONG = f"T-2.0_alpha-0.5_epochs-{EPOCHS}_seed-1"

collect_ignore_glob = [] if os.environ.get("CODESTILL_SLURM") else ["test_*.py"]


@pytest.fixture(scope="session")
def cluster():
    if os.geteuid() != 0:
        pytest.skip("SLURM's daemons need root")
    found = Cluster()
    found.start()
    yield found
    found.stop()


def listen():
    """Let Ctrl-C be heard: what a shell starts in the background, as these tests may be, inherits deafness to it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Call:
    """One call of Snakemake, in a process group of its own, with what it prints in a file."""

    def __init__(self, study, arguments):
        self.study = study
        self.file = study.root / f"call-{len(list(study.root.glob('call-*')))}.log"
        command = [sys.executable, str(Path(__file__).with_name("soon.py")), "--profile", "slurm", *arguments]
        with open(self.file, "w") as out:
            self.process = subprocess.Popen(
                command, cwd=study.root, stdout=out, stderr=out, start_new_session=True, env=study.environment,
                preexec_fn=listen,
            )  # fmt: skip

    @property
    def text(self):
        return self.file.read_text()

    @property
    def jobs(self):
        """SLURM's numbers of the jobs that were submitted, in order."""
        return re.findall(r"submitted with SLURM jobid (\d+)", self.text)

    def wait(self, seconds=2 * PATIENCE):
        """The exit code. Fails, with what was printed last, where it takes longer."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            pytest.fail(f"Snakemake is not done within {seconds} s:\n{self.text[-3000:]}")

    def submitted(self):
        """The first job's number, as soon as there is one."""
        until(lambda: self.jobs or self.process.poll() is not None, "a job is submitted")
        assert self.jobs, self.text[-3000:]
        return self.jobs[0]

    def kill(self):
        """End it as hard as a lost login node would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Study:
    """The tiny study in a copy of the workflow, whose root is where a user would stand."""

    def __init__(self, root):
        self.root = root
        for part in PARTS:
            source = ROOT / part
            if source.is_symlink():
                (root / part).symlink_to(os.readlink(source))
            elif source.is_dir():
                shutil.copytree(source, root / part, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, root / part)
        shutil.copy(Path(__file__).with_name("tiny.yaml"), root / "config/config.yaml")
        limits = {
            name: {"max_runtime": 60, "max_mem_mb": 6000, "max_gpu": gpus} for name, gpus in (("gpu", 2), ("cpu", 0))
        }
        (root / "profiles/slurm/partitions.yaml").write_text(yaml.safe_dump({"partitions": limits}))
        (root / "three.jsonl").write_text("".join(json.dumps(task) + "\n" for task in TASKS))
        self.environment = os.environ | {"OMP_NUM_THREADS": "1"}
        self.results = root / "results/tiny"

    def call(self, *arguments):
        """`snakemake --profile slurm` and the arguments, which asks for states a little sooner than the profile."""
        return Call(self, [*SOON, *arguments])

    def model(self, cell):
        return f"results/tiny/models/{cell}/model.safetensors"

    def log(self, cell, rule="distill"):
        path = self.root / f"logs/tiny/{rule}/{cell}.log"
        return path.read_text() if path.exists() else ""

    def weights(self, cell):
        return hashlib.sha256((self.root / self.model(cell)).read_bytes()).hexdigest()

    def forget(self, cell):
        """Remove a cell as if it had never been trained."""
        for folder in ("models", "work/distill"):
            shutil.rmtree(self.results / folder / cell, ignore_errors=True)
        (self.root / f"logs/tiny/distill/{cell}.log").unlink(missing_ok=True)

    def until_training(self, cell):
        """Wait until the cell's first steps are taken."""
        until(lambda: "optimiser steps on" in self.log(cell), f"{cell} is being trained")
        time.sleep(3)

    def resumed(self, cell):
        """The step that the last start of a cell's training went on from; 0 where it began anew."""
        found = re.search(r"resuming from \S*checkpoint-(\d+)", self.log(cell))
        return int(found[1]) if found else 0


@pytest.fixture(scope="session")
def study(cluster, tmp_path_factory):
    return Study(tmp_path_factory.mktemp("study"))


class Watch(threading.Thread):
    """Writes down, each half second, which job holds which GPU of which node."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.cluster, self.moments, self.over = cluster, [], threading.Event()

    def run(self):
        while not self.over.wait(0.5):
            held = []
            for job in self.cluster.ask(
                "scontrol", "show", "jobs", "--details", "--oneliner", check=False
            ).splitlines():
                state = re.search(r"JobState=RUNNING .*? Nodes=(\S+) .*?GRES=gpu:h100:\d+\(IDX:([\d,-]+)\)", job)
                if state:
                    held += [(state[1], index) for index in indices(state[2])]
            self.moments.append(held)


def indices(text):
    """0-2,5 -> 0, 1, 2, 5"""
    found = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


@pytest.fixture(scope="session")
def chain(cluster, study):
    """The whole study by one command; its GPUs are watched."""
    watch = Watch(cluster)
    watch.start()
    call = study.call()
    call.code = call.wait(4 * PATIENCE)
    watch.over.set()
    watch.join()
    call.moments = watch.moments
    return call


@pytest.fixture(scope="session")
def ready(study):
    """The study with a cell trained; nothing is left to do for it where the whole chain ran before."""
    command = [str(Path(sys.executable).parent / "snakemake"), "--cores", "2", "--", study.model(FIRST)]
    done = subprocess.run(
        command, cwd=study.root, env=study.environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="session")
def reference(ready, study):
    """The weights of the cell LONG, trained in one go outside SLURM."""
    trained = json.loads((study.results / f"models/{FIRST}/provenance.json").read_text())["command"]
    other = study.root / "reference"
    command = [sys.executable, *trained]
    for flag, value in (("--output_dir", other), ("--work_dir", f"{other}.work"), ("--num_train_epochs", EPOCHS)):
        command[command.index(flag) + 1] = str(value)
    subprocess.run(command, cwd=study.root, env=study.environment, check=True, capture_output=True, timeout=PATIENCE)
    return hashlib.sha256((other / "model.safetensors").read_bytes()).hexdigest()


@pytest.fixture
def fresh(cluster, study, ready):
    """The study with no job in the queue, all nodes up and LONG untrained."""
    cluster.cancel_all()
    cluster.revive()
    study.forget(LONG)
    return study


@pytest.fixture
def rows(cluster):
    """rows(job ids) -> accounting's rows of these jobs, requeued runs included: dictionaries by field."""

    def ask(jobs, *fields):
        fields = ("JobIDRaw", "State", *fields)
        jobs = ",".join(jobs)
        out = cluster.ask(
            "sacct", "--noheader", "--parsable2", "--duplicates", f"--jobs={jobs}", f"--format={','.join(fields)}"
        )
        return [dict(zip(fields, line.split("|"), strict=True)) for line in out.splitlines()]

    return ask


__all__ = ["LONG", "SOON", "Study", "alive"]
