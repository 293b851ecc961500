"""What a study's run is doing now, from what its jobs leave on the disk: plan, attempts, leases, logs, benchmark files.

No process is asked, so that a look from a login node costs nothing and disturbs nobody.
"""

import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from codestill.cluster.failures import last_lines
from codestill.kit import attempts
from codestill.kit.program import UserError
from codestill.plan.history import read_measures, read_record

HOUR = 3600.0
QUIET = 90.0  # seconds without a sign of life, of a job on another host, that are worth a word


@dataclass
class RunningJob:
    """A job at work: where, since how many seconds, its last words, and how long it was planned to take."""

    rule: str
    name: str
    host: str
    slurm: str | None
    gpus: int
    seconds: float
    planned: float | None
    said: str
    quiet: float


@dataclass
class UnfinishedJob:
    """A job whose last attempt came to nothing, why, and where its log is."""

    rule: str
    name: str
    cause: str
    reason: str
    log: str


@dataclass
class StudyProgress:
    """One look at a study. Hours are of GPUs, or of cores where the run holds no GPU."""

    study: str
    planned: int = 0
    done: int = 0
    began: float | None = None
    unit: str = "GPU-hours"
    hours: float = 0.0
    hours_planned: float = 0.0
    running: list = field(default_factory=list)
    failed: list = field(default_factory=list)
    finished: list = field(default_factory=list)  # (rule, done, planned)


def look(study, home="."):
    """The `StudyProgress` of a study whose results lie below `home`. Raises UserError where there is none."""
    home = Path(home)
    results = home / "results" / study
    if not results.is_dir():
        known = ", ".join(sorted(path.name for path in (home / "results").glob("*") if path.is_dir())) or "none"
        raise UserError(f"{results}: no study of that name here; there are: {known}")
    found, record = StudyProgress(study), read_record(results)
    found.began = max((job["made"] for job in record.values()), default=None)
    plan = {key: job for key, job in record.items() if job["made"] == found.began}
    done = _done(home / "benchmarks" / study, plan)
    found.planned, found.done = len(plan), len(done)
    rules = dict.fromkeys(key.split("/", 1)[0] for key in plan)
    found.finished = [(rule, *(sum(key.startswith(f"{rule}/") for key in of) for of in (done, plan))) for rule in rules]
    _attempts(found, results, home, plan, done)
    on_gpu = any(job["gpus"] for job in plan.values())
    found.unit = "GPU-hours" if on_gpu else "core-hours"
    held = {key: job["gpus"] if on_gpu else job["threads"] for key, job in plan.items()}
    found.hours_planned = sum(held[key] * job["seconds"] for key, job in plan.items()) / HOUR
    working = {f"{job.rule}/{job.name}": job.seconds for job in found.running}
    found.hours = sum(held[key] * seconds for key, seconds in {**working, **done}.items() if key in held) / HOUR
    return found


def _done(folder, plan):
    """{rule/name: seconds} of the planned jobs that have ended since."""
    found = {}
    for rule in dict.fromkeys(key.split("/", 1)[0] for key in plan):
        for measure in read_measures(folder, rule):
            planned = plan.get(f"{rule}/{measure.name}")
            if planned and measure.ended >= planned["made"]:
                found[f"{rule}/{measure.name}"] = measure.seconds
    return found


def _attempts(found, results, home, plan, done):
    """Put what the programs of the newest run said of themselves, and those still at work, into `found`."""
    runs = sorted((results / "work/attempts").glob("*"))
    for run in runs:
        for path in sorted(run.glob("*.jsonl")):
            events = attempts.read(path)
            start = next((event for event in reversed(events) if event["event"] == "start"), None)
            if start is None:
                continue
            rule, name = _job(start.get("log"), results.name) or (Path(start["command"][0]).stem, "")
            last, log = events[-1], start.get("log") or ""
            alive = last["event"] == "start" and _alive(start)
            if alive:
                found.running.append(_running(rule, name, start, home / log, plan.get(f"{rule}/{name}")))
            elif run == runs[-1] and f"{rule}/{name}" not in done and (last["event"] == "start" or last["cause"]):
                silent = last["event"] == "start"
                cause = "ended from outside" if silent else last["cause"]
                found.failed.append(UnfinishedJob(rule, name, cause, "" if silent else last["reason"], log))


def _job(log, study):
    """(rule, name) of a log logs/STUDY/RULE/NAME.log; None of another place."""
    parts = Path(log).with_suffix("").parts if log else ()
    at = next((i for i in range(len(parts) - 2) if parts[i : i + 2] == ("logs", study)), None)
    return None if at is None else (parts[at + 2], "/".join(parts[at + 3 :]))


def _alive(start):
    """Whether the process of an attempt is there; one on another host is believed to be."""
    if start["host"] != socket.gethostname() or "pid" not in start:
        return True
    try:
        return psutil.Process(start["pid"]).create_time() <= start["time"] + 1
    except psutil.NoSuchProcess:
        return False


def _running(rule, name, start, log, planned):
    signs = [log.stat().st_mtime] if log.is_file() else []
    lines = last_lines(log)
    return RunningJob(
        rule,
        name,
        start["host"],
        start["job"],
        start["gpus"],
        time.time() - start["time"],
        planned and planned["seconds"],
        lines[-1] if lines else "",
        time.time() - max([*signs, start["time"]]),
    )
