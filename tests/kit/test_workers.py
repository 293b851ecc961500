"""Work shared among processes: in order, never far ahead, its errors told, and no process left when one is killed."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from codestill.kit.program import UserError
from codestill.kit.workers import in_order
from made_models import SCRIPTS


def double(number):
    time.sleep(0.02 if number % 2 else 0)
    return 2 * number, os.getpid()


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_order_from_as_many_processes(workers):
    found = list(in_order(double, range(20), workers))
    assert [one for one, _ in found] == list(range(0, 40, 2))
    homes = {pid for _, pid in found}
    assert homes == {os.getpid()} if workers == 1 else 1 < len(homes) <= 3 and os.getpid() not in homes


def test_few_pieces_are_read_ahead():
    read = []

    def pieces():
        for number in range(50):
            read.append(number)
            yield number

    for done, _ in enumerate(in_order(double, pieces(), 2)):
        assert len(read) <= done + 2 * 2 + 1


def test_an_error_is_told_as_it_was_raised():
    def refuse(number):
        if number == 3:
            raise UserError("a.jsonl:3: torn")
        return number

    with pytest.raises(UserError, match=r"^a\.jsonl:3: torn$"):
        list(in_order(refuse, range(9), 2))


def test_no_process_outlives_the_one_that_was_killed():
    program = textwrap.dedent(
        """
        import os, time
        from codestill.kit.workers import in_order
        for pid in in_order(lambda n: time.sleep(0.01 if n < 4 else 60) or os.getpid(), range(9), 2):
            print(pid, flush=True)
        """
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
    )
    pids = {int(parent.stdout.readline()) for _ in range(4)}
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 10
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in pids if alive(pid)]


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as handle:
            return handle.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
