"""What a run of the workflow leaves undone, and why: the summary that Snakemake prints at its end.

Three witnesses are heard: Snakemake, which knows the jobs that failed for good; the programs, which leave a record of
each attempt (codestill.kit.attempts); and SLURM, which knows the end of a job that could not speak any more.
"""

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from codestill.cluster.snakemake_view import failed_jobs, left_over, targets
from codestill.kit import attempts

LAST_LINES = 8  # of a log, shown in the summary
SLURM_CAUSES = {
    "OUT_OF_MEMORY": attempts.MEMORY,
    "TIMEOUT": "out of time",
    "DEADLINE": "out of time",
    "NODE_FAIL": "node lost",
    "BOOT_FAIL": "node lost",
    "PREEMPTED": "preempted",
    "CANCELLED": "cancelled",
}
REMEDIES = {
    attempts.MEMORY: "raise mem_mb of the rule in the profile",
    "out of time": "raise runtime of the rule in the profile; a training goes on from its last checkpoint",
}
SILENT = "ended from outside, most likely for its memory"


@dataclass
class SlurmJob:
    """One run of a SLURM job; a requeued job has several under one id."""

    id: str
    state: str
    seconds: int
    gpus: int


@dataclass
class Failure:
    """A job that Snakemake gave up."""

    rule: str
    name: str
    log: str | None
    target: str
    command: str
    attempts: int
    slurm_id: str | None


def _seconds(elapsed):
    """Seconds of SLURM's [days-][hours:]minutes:seconds."""
    days, _, clock = elapsed.rpartition("-")
    seconds = 0
    for part in clock.split(":"):
        seconds = 60 * seconds + int(part)
    return seconds + 86400 * int(days or 0)


def _gpus(tres):
    """GPUs in an allocation such as billing=4,gres/gpu=2,mem=8G."""
    found = re.search(r"gres/gpu(?::[^=,]+)?=(\d+)", tres)
    return int(found[1]) if found else 0


def _ask(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.split("|") for line in done.stdout.splitlines()] if done.returncode == 0 else []


def slurm_jobs(run_id):
    """Every run of the jobs of one call of Snakemake: by accounting, else as far as the controller remembers."""
    shown = "JobIDRaw,State,ElapsedRaw,AllocTRES"
    query = f"sacct --noheader --parsable2 --duplicates --starttime=now-30days --name={run_id} --format={shown}"
    rows = _ask(query.split())
    if not rows:
        shown = "JobID:|,State:|,TimeUsed:|,tres-alloc:|"
        rows = _ask(["squeue", "--noheader", "--states=all", f"--name={run_id}", f"--Format={shown}"])
        rows = [[id, state, str(_seconds(used)), tres] for id, state, used, tres, *_ in rows if ":" in used]
    jobs = []
    for id, state, seconds, tres in rows:
        if "." not in id:
            jobs.append(SlurmJob(id, state.split()[0], int(seconds), _gpus(tres)))
        elif state.startswith("OUT_OF_MEMORY") and jobs and jobs[-1].id == id.split(".")[0]:
            # The step is killed for its memory; the batch script around it only sees that it failed.
            jobs[-1].state = "OUT_OF_MEMORY"
    return jobs


def submissions(driver_logs):
    """(run id or None, {Snakemake's job number: SLURM's latest id}) from the log files of a call of Snakemake."""
    found = [path for path in map(Path, driver_logs) if path.is_file()]
    text = "".join(path.read_text(encoding="utf-8", errors="replace") for path in found)
    run = re.search(r"SLURM run ID: (\S+)", text)
    pairs = re.findall(r"Job (\d+) has been submitted with SLURM jobid (\d+)", text)
    return run and run[1], {int(number): id for number, id in pairs}


def records(folder, slurm_id=None, command=None):
    """The attempts of one job's command: those that its SLURM job began, else those whose words are in `command`."""
    for path in sorted(Path(folder).glob("*.jsonl")):
        events = attempts.read(path)
        starts = [event for event in events if event["event"] == "start"]
        if any(slurm_id and start["job"] == slurm_id for start in starts):
            return events
        words = starts[0]["command"][1:] if starts else None
        if not slurm_id and words and _within(words, command):
            return events
    return []


def _within(words, command):
    """Whether the words of a program's command stand in a row in a job's shell command."""
    try:
        shell = shlex.split(command or "")
    except ValueError:
        return False
    return any(shell[at : at + len(words)] == words for at in range(len(shell) - len(words) + 1))


def cause(failure, jobs, folder):
    """(class of cause, reason in a line or "") of a failure."""
    events = records(folder, failure.slurm_id, failure.command)
    last = events[-1] if events else None
    if last and last["event"] == "end" and last["cause"]:
        return last["cause"], last["reason"]
    states = [job.state for job in jobs if job.id == failure.slurm_id]
    if states and states[-1] in SLURM_CAUSES:
        return SLURM_CAUSES[states[-1]], f"SLURM job {failure.slurm_id}: {states[-1]}"
    return (SILENT, "") if last and last["event"] == "start" else ("the command failed", "")


def last_lines(log):
    """The last lines of a log file, without progress bars."""
    if not log or not Path(log).is_file():
        return []
    text = Path(log).read_bytes().decode("utf-8", errors="replace")
    lines = [line.rstrip().rsplit("\r", 1)[-1] for line in text.split("\n")]
    return [line for line in lines if line][-LAST_LINES:]


def gpu_hours_lost(jobs, folder):
    """GPU-hours of attempts that came to nothing: by SLURM's jobs, else by the programs' own records."""
    if jobs:
        # A job that was requeued under its id ran before without success.
        return sum(job.seconds * job.gpus for job in jobs if job.state not in ("COMPLETED", "RUNNING")) / 3600
    total = 0.0
    for path in Path(folder).glob("*.jsonl"):
        gpus = 0
        for event in attempts.read(path):
            gpus = event.get("gpus", gpus)
            if event["event"] == "end" and event["cause"]:
                total += gpus * event["seconds"] / 3600
    return total


def summary(failures, jobs, folder, rerun, kept_going=True, waiting=0):
    """The lines of the summary; none where nothing failed. `rerun` is the call of Snakemake less its targets.

    kept_going: whether what did not depend on the failures was run; waiting: jobs that were not run.
    """
    if not failures:
        return []
    lines = [f"{len(failures)} job{'s' * (len(failures) > 1)} failed; {_rest(kept_going, waiting)}"]
    for failure in failures:
        kind, reason = cause(failure, jobs, folder)
        tries = f", {failure.attempts} attempts" if failure.attempts > 1 else ""
        lines += ["", f"{failure.rule} {failure.name}".rstrip() + f": {kind}{tries}"]
        lines += [f"  why:   {reason}"] * bool(reason)
        if kind in REMEDIES:
            lines.append(f"  do:    {REMEDIES[kind]}")
        lines += [f"  log:   {failure.log}"] * bool(failure.log)
        lines += [f"       | {line}" for line in last_lines(failure.log)]
        lines += [f"  rerun: {rerun} -- {shlex.quote(failure.target)}"]
    hours = gpu_hours_lost(jobs, folder)
    return [*lines, "", f"GPU-hours lost in attempts that failed: {hours:.2f}"]


def _rest(kept_going, waiting):
    jobs = f"{waiting} job{'s' * (waiting != 1)}"
    if kept_going:
        what = "what does not depend on them was finished"
        return f"{what}; {jobs} that depend{'s' * (waiting == 1)} on them could not be run." if waiting else f"{what}."
    return f"{jobs} not run because of that: --keep-going would run what does not depend on them."


def _rerun(workflow):
    named = targets(workflow)
    words = [word for word in sys.argv[1:] if word not in named and word != "--"]
    return shlex.join(["snakemake", *words])


def report(workflow, driver_logs, folder, own=None):
    """The summary of a call of Snakemake that ended in an error, as text; own: of snakemake_view.own_rules."""
    run_id, numbers = submissions(driver_logs)
    failures = [Failure(*job[:-1], slurm_id=numbers.get(job.number)) for job in failed_jobs(workflow, own)]
    jobs = slurm_jobs(run_id) if run_id and failures else []
    failures.sort(key=lambda one: (one.rule, one.name))
    return "\n".join(summary(failures, jobs, folder, _rerun(workflow), *left_over(workflow)))
