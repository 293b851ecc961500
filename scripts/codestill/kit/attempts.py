"""What became of each attempt at a job, so that only what can succeed is tried again.

The workflow names a folder for each of its runs (CODESTILL_ATTEMPTS, below the study's work folder). A program that
ends for a reason which another attempt would meet again (bad input, a failed preflight, NaN, an error of the code)
leaves that reason there, and the next attempt of the same command in the same run ends with it before anything is
imported. Lack of memory or time, a signal and a lost node leave no such reason and are retried. A new run tries all
anew. Programs that are started by hand have no such folder: nothing is written or remembered.
"""

import hashlib
import json
import os
import secrets
import socket
import sys
import time
import traceback
from pathlib import Path

VARIABLE = "CODESTILL_ATTEMPTS"
INTERRUPTED = 75  # EX_TEMPFAIL, a program's exit code for "asked to end; the same command goes on from there"

BAD_INPUT, PREFLIGHT, DIVERGED, FAULT, MEMORY, SIGNAL, MACHINE = (
    "bad input",
    "failed preflight",
    "training diverged",
    "error of the code",
    "out of memory",
    "interrupted",
    "error of the machine",
)
HOPELESS = (BAD_INPUT, PREFLIGHT, DIVERGED, FAULT)


def new_run(work):
    """The folder of a new run's attempts below the work folder `work`; the first attempt creates it."""
    return f"{work}/attempts/{time.strftime('%Y%m%dT%H%M%S')}-{secrets.token_hex(3)}"


def cause_of(error):
    """The class of an exception's cause. RuntimeError and OSError may be the machine's; the rest would recur."""
    if isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__ or "allocate memory" in str(error):
        return MEMORY
    return MACHINE if isinstance(error, OSError | RuntimeError) else FAULT


def read(path):
    """The events of one command's attempts, oldest first; a line that was cut off is left out."""
    events = []
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        try:
            events.append(json.loads(line))
        except ValueError:
            continue
    return events


class Attempt:
    """One attempt of this process's command. `previous` is the event that forbids it, or None."""

    def __init__(self, argv=None):
        argv = sys.argv if argv is None else argv
        folder = os.environ.get(VARIABLE)
        # Several processes that share one cell are one attempt: the first speaks for all.
        self.path = self.previous = None
        if not folder or os.environ.get("RANK", "0") != "0":
            return
        command = [Path(argv[0]).name, *argv[1:]]
        self.path = Path(folder) / f"{hashlib.sha256(json.dumps(command).encode()).hexdigest()[:16]}.jsonl"
        self.since = time.time()
        if self.path.exists():
            ends = [event for event in read(self.path) if event["event"] == "end"]
            self.previous = ends[-1] if ends and ends[-1]["cause"] in HOPELESS else None
        gpus = [one for one in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if one]
        job = os.environ.get("SLURM_JOB_ID")
        where = {"host": socket.gethostname(), "pid": os.getpid(), "log": _log()}
        self._append(event="start", command=command, job=job, gpus=len(gpus), **where)

    def _append(self, **event):
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "a", encoding="utf-8") as handle:
                handle.write(json.dumps({**event, "time": time.time()}) + "\n")
        except OSError as error:  # a full disk must not hide why the program ended
            print(f"warning: {self.path}: {error}", file=sys.stderr, flush=True)

    def end(self, cause=None, reason="", details=""):
        """Record how it ended: nothing for success, else the class of cause, a line, and the log's last words."""
        if self.path:
            seconds = round(time.time() - self.since, 1)
            self._append(event="end", cause=cause, reason=reason, details=details, seconds=seconds)

    def refuse(self):
        """Say why the attempt before this one ended, as it did, and that trying again would not help."""
        before = self.previous
        if before["details"]:
            print(before["details"], end="", file=sys.stderr)
        print(f"error: {before['reason']}", file=sys.stderr)
        print(
            "not tried again: the attempt before this one ended so, and so would any other", file=sys.stderr, flush=True
        )
        self.end(before["cause"], before["reason"], before["details"])


def _log():
    """The file that standard output goes to, as told from the working directory; None where it is no file."""
    try:
        path = os.readlink("/proc/self/fd/1")
    except OSError:
        return None
    return os.path.relpath(path) if os.path.isfile(path) else None


def last_words(error):
    """(reason in one line, traceback) of an exception."""
    reason = traceback.format_exception_only(error)[-1].strip()
    return reason, "".join(traceback.format_exception(error))
