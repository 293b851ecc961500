"""Signals reach the programs below a process that SLURM signals alone."""

import signal
import subprocess
import sys
import time

import pytest

from codestill.kit import signals

PARENT = """
import signal, subprocess, sys
sys.path.insert(0, {scripts!r})
from codestill.kit.signals import relay_signals
relay_signals()
signal.signal(signal.SIGTERM, lambda *_: None)  # as Snakemake does, later
deaf = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3)"])
code = subprocess.call(["bash", "-c", "set -u; " + sys.executable + " -c '$CHILD' > {log}; exit $?"])
print("deaf ended with", deaf.wait())
sys.exit(code)
"""
CHILD = "import signal, time; signal.signal(signal.{name}, lambda *_: exit(75)); print(1, flush=True); time.sleep(20)"


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
def test_who_catches_a_signal_gets_it_and_nobody_else(tmp_path, name):
    log = tmp_path / "log"
    scripts = signals.__file__.rsplit("/codestill/", 1)[0]
    text = PARENT.format(scripts=scripts, log=log).replace("$CHILD", CHILD.format(name=name))
    parent = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 20
    while not (log.exists() and log.read_text()):
        assert time.monotonic() < deadline and parent.poll() is None
        time.sleep(0.05)
    parent.send_signal(getattr(signal, name))
    said, _ = parent.communicate(timeout=15)
    assert parent.returncode == 75
    assert said == "deaf ended with 0\n"
