"""A lease on a work folder: two copies of one job never write the same checkpoints.

A driver that is killed hard leaves its cluster jobs running, and the next call submits them again. The second
copy finds `lease.json`, which names its holder, and waits for it or refuses.
"""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import threading
import time
from pathlib import Path

import psutil

from codestill.kit.program import UserError, log

NAME = "lease.json"
HEARTBEAT = 10.0  # seconds between two signs of life
PATIENCE = 60.0  # seconds without a sign of life, watched from here, after which a holder on another host is dead


def _own_record():
    process = psutil.Process()
    job = os.environ.get("SLURM_JOB_ID") or os.environ.get("SLURM_JOBID")
    return {
        "host": socket.gethostname(),
        "pid": process.pid,
        "started": process.create_time(),
        "job": job,
        "token": secrets.token_hex(8),
    }


def _read(path):
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None


def _create(path, record):
    """Create `path` with its content in one step (a hard link fails where the name exists). True on success."""
    draft = path.with_name(f".lease.{record['token']}")
    draft.parent.mkdir(parents=True, exist_ok=True)  # whoever held it may have removed its folder when it was done
    draft.write_text(json.dumps(record))
    try:
        os.link(draft, path)
        return True
    except FileExistsError:
        return False
    finally:
        draft.unlink()


def _dead_here(record):
    """True where the holder ran on this host and its process is gone (or its number now names another)."""
    if record["host"] != socket.gethostname():
        return False
    try:
        process = psutil.Process(record["pid"])
        return process.status() == psutil.STATUS_ZOMBIE or abs(process.create_time() - record["started"]) > 1
    except psutil.NoSuchProcess:
        return True


def _take_away(path, record):
    """Remove the lease judged stale, unless another has replaced it meanwhile."""
    aside = path.with_name(f".lease.stale.{secrets.token_hex(4)}")
    with contextlib.suppress(FileNotFoundError):
        os.rename(path, aside)
        taken = _read(aside)
        if taken and taken["token"] != record["token"]:
            with contextlib.suppress(FileExistsError):
                os.link(aside, path)
        aside.unlink()


def _describe(record):
    job = f", job {record['job']}" if record.get("job") else ""
    return f"{record['host']} pid {record['pid']}{job}"


def _acquire(path, record, wait):
    """Take the lease for `record`; True where it was another's before."""
    seen = since = None
    while not _create(path, record):
        holder = _read(path)
        if holder is None:
            time.sleep(0.05)
            continue
        beat = (holder["token"], path.stat().st_mtime if path.exists() else 0)
        if beat != seen:
            if seen is None or beat[0] != seen[0]:
                log(f"{path.parent} is held by {_describe(holder)}")
            seen, since = beat, time.monotonic()
        if _dead_here(holder) or time.monotonic() - since > PATIENCE:
            log(f"{_describe(holder)} is dead: taking over its work")
            _take_away(path, holder)
        elif not wait:
            raise UserError(f"{path}: {_describe(holder)} is at work on this; wait for it or end it")
        else:
            time.sleep(1.0)
    return seen is not None


def _beat(path, token, stop):
    """Touch the lease until told to stop. A lease lost to another ends this process: two must not write."""
    while not stop.wait(HEARTBEAT):
        holder = _read(path)
        if holder and holder["token"] == token:
            with contextlib.suppress(OSError):
                os.utime(path)
        elif holder:
            log(f"{path}: now held by {_describe(holder)}; this copy ends")
            os.kill(os.getpid(), signal.SIGKILL)


@contextlib.contextmanager
def lease(work_dir, wait=True):
    """Hold `work_dir/lease.json` during the block.

    A live holder is waited for, or (wait=False) raises UserError; a dead one's lease is taken over: at once on the
    same host, elsewhere after 60 s in which its heartbeat did not change (watched, so that clocks may differ).
    Gives the holder's record, in which `waited` says whether it was another's before.
    """
    path = Path(work_dir) / NAME
    record = _own_record()
    record["waited"] = _acquire(path, record, wait)
    stop = threading.Event()
    thread = threading.Thread(target=_beat, args=(path, record["token"], stop), daemon=True)
    thread.start()
    try:
        yield record
    finally:
        stop.set()
        thread.join()
        holder = _read(path)
        if holder and holder["token"] == record["token"]:
            path.unlink()


@contextlib.contextmanager
def leased_until_done(work):
    """A leased work folder whose content stays where the block is killed or the disk is full, for the next call.

    It goes where the block ends, be it in a user's mistake: what was made of that serves no other call.
    """
    try:
        with lease(work):
            try:
                yield
            except UserError:
                _empty(work)
                raise
            _empty(work)
    finally:
        with contextlib.suppress(OSError):  # something was kept, or another copy waits in it
            Path(work).rmdir()


def _empty(work):
    for path in Path(work).iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != NAME:
            path.unlink()
