"""Two copies of a job never work in one folder, and a dead holder does not block it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest

from codestill.kit import lease as module
from codestill.kit.lease import lease
from codestill.kit.program import UserError

HOLD = """
import sys, time
from codestill.kit import lease as module
from codestill.kit.lease import lease
module.HEARTBEAT = 0.05
with lease(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline().strip() == "held"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_live_holder_is_named_and_refused(holder, tmp_path):
    with pytest.raises(UserError, match=f"pid {holder.pid}"), lease(tmp_path, wait=False):
        pass


def test_a_killed_holder_is_taken_over_at_once(holder, tmp_path):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    started = time.monotonic()
    with lease(tmp_path, wait=False) as record:
        assert json.loads((tmp_path / "lease.json").read_text())["pid"] == record["pid"] == os.getpid()
    assert time.monotonic() - started < 5
    assert not (tmp_path / "lease.json").exists()


def write(folder, **changes):
    """A lease of another holder; returns its file."""
    process = psutil.Process()
    mine = {"host": socket.gethostname(), "pid": process.pid, "started": process.create_time(), "job": "17"}
    path = folder / "lease.json"
    path.write_text(json.dumps({**mine, "token": "another", **changes}))
    return path


def test_a_holder_on_another_host_is_dead_once_its_heart_has_stood_still(tmp_path, monkeypatch):
    """On a clock of its own: the heart beats for ten times our patience, then stops. That no process here is it says
    nothing."""
    path, last, clock = write(tmp_path, host="elsewhere", started=0), 10 * module.PATIENCE, [0.0]

    def sleep(seconds):
        clock[0] += seconds
        if clock[0] <= last:
            os.utime(path, (clock[0], clock[0]))

    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=sleep))
    with lease(tmp_path) as record:
        assert last + module.PATIENCE <= clock[0] <= last + module.PATIENCE + 3
        assert record["waited"] and json.loads(path.read_text())["token"] == record["token"]


def test_a_process_that_got_the_number_of_a_dead_holder_is_not_taken_for_it(tmp_path):
    started = psutil.Process().create_time()
    with pytest.raises(UserError, match="is at work on this"), lease_of(tmp_path, started):
        pass
    with lease_of(tmp_path, started - 100) as record:
        assert record["waited"]


def lease_of(folder, started):
    """The lease of `folder`, which is held by a process of this one's number that started then."""
    write(folder, started=started)
    return lease(folder, wait=False)


def test_a_copy_that_lost_its_lease_ends_and_leaves_the_others_alone(holder, tmp_path):
    path = write(tmp_path, host="elsewhere")
    assert holder.wait(timeout=30) == -signal.SIGKILL
    assert "now held by elsewhere" in holder.stdout.read()
    assert json.loads(path.read_text())["token"] == "another"


def test_a_waiting_copy_goes_on_when_the_holder_ends(tmp_path):
    script = "import sys; from codestill.kit.lease import lease\nwith lease(sys.argv[1]): print('second', flush=True)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with lease(tmp_path):
        command = [sys.executable, "-c", script, str(tmp_path)]
        second = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert "is held by" in second.stdout.readline()
        assert second.poll() is None
    assert "second" in second.communicate(timeout=20)[0]
