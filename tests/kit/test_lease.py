"""Two copies of a job never work in one folder, and a dead holder does not block it."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from codestill.kit import lease as module
from codestill.kit.lease import lease
from codestill.kit.program import UserError

HOLD = """
import sys, time
from codestill.kit.lease import lease
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


def test_a_silent_holder_on_another_host_is_taken_over_after_patience(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.5)
    other = {"host": "elsewhere", "pid": 1, "started": 0, "job": "17", "token": "t"}
    (tmp_path / "lease.json").write_text(json.dumps(other))
    started = time.monotonic()
    with lease(tmp_path):
        assert time.monotonic() - started > 0.5


def test_a_waiting_copy_goes_on_when_the_holder_ends(tmp_path):
    script = "import sys; from codestill.kit.lease import lease\nwith lease(sys.argv[1]): print('second', flush=True)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with lease(tmp_path):
        command = [sys.executable, "-c", script, str(tmp_path)]
        second = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert "is held by" in second.stdout.readline()
        assert second.poll() is None
    assert "second" in second.communicate(timeout=20)[0]
