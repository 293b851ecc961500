"""Time and memory limits give one verdict on idle and loaded machines, with quick and with slow memory."""

import math
import os
import subprocess
import sys
import time

import psutil
import pytest

from codestill.judge import clocks
from codestill.judge.pool import Job, Pool
from judge.attacks import PROBLEM

CORES = os.cpu_count()
BOMBS = {
    "blocks": "    x = []\n    while True: x.append(bytearray(1 << 24))\n",
    "kept in a global": "    global x\n    x = []\n    while True: x.append([])\n",
    "at the top": "    pass\nx = {}\nwhile True: x[len(x)] = str(len(x))\n",
    "tuples in a set": "    global x\n    x, n = set(), 0\n    while True:\n        n += 1\n        x.add((n, n))\n",
    "one list": "    return [[n] for n in range(10**9)]\n",
}


def kinds(programs, timeout, memory):
    """The kind of verdict of each completion, by name."""
    jobs = [Job(name, PROBLEM, PROBLEM["prompt"] + text + "\n") for name, text in programs.items()]
    with Pool(2, memory) as pool:
        return {name: outcome["kind"] for name, outcome in pool.run(jobs, timeout)}


@pytest.fixture
def busy():
    """All cores kept busy twice over by programs of others."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * CORES)]
    yield
    for loop in loops:
        loop.kill()
        loop.wait()


def test_time_is_what_a_free_machine_would_have_taken():
    assert clocks.spent(wall=3.0, cpu=2.9, waited=0.05, handing=0.0) == (2.95, True)
    assert clocks.spent(wall=9.0, cpu=2.0, waited=7.0, handing=0.0) == (2.0, False)
    asleep = clocks.spent(wall=3.0, cpu=0.0, waited=0.0, handing=0.0)
    assert asleep == (3.0, True)
    assert clocks.spent(wall=3.0, cpu=2.9, waited=0.0, handing=2.5) == (0.5, True)
    # Threads that keep each other waiting on every core.
    assert clocks.spent(wall=9.0, cpu=9.0 * CORES, waited=8.0, handing=0.0) == (9.0, False)


def test_time_where_the_kernel_does_not_count_the_queueing():
    assert clocks.spent(wall=3.0, cpu=2.9, waited=None, handing=0.0) == (3.0, True)
    assert clocks.spent(wall=3.0, cpu=2.0, waited=None, handing=0.0) == (2.0, False)
    assert clocks.spent(wall=3.0, cpu=0.1, waited=None, handing=0.0) == (1.5, False)


def test_only_what_the_kernel_did_for_memory_is_taken_off():
    """Its figures for a process that takes memory and gives it back, and for one that has the kernel do other work."""
    takes, writes = "x = bytearray(1 << 28); del x", "all(os.write(n, bytes(9)) for _ in range(2_000_000))"
    program = "import os; n = os.open('/dev/null', 1); {}; print(flush=True); input()"
    figures = []
    for work in (takes, writes):
        pipe = subprocess.PIPE
        with subprocess.Popen([sys.executable, "-c", program.format(work)], stdin=pipe, stdout=pipe) as process:
            process.stdout.readline()
            figures.append((clocks.for_memory(process.pid), clocks.cpu_of(process.pid)))
            process.kill()
    (taking, cpu), (writing, longer) = figures
    # The kernel tells its part by samples of the clock.
    assert 0.3 * cpu < taking <= cpu + 0.02
    assert writing < 0.15 < longer
    clocks.settle(os.getppid())
    nobody = 2**22 + 1
    assert clocks.for_memory(nobody) == 0 and clocks.queued(nobody) is None and clocks.age(nobody) == math.inf
    assert abs(clocks.age(os.getpid()) - (time.time() - psutil.Process().create_time())) < 1.5


def test_filling_memory_is_no_matter_of_time():
    """So much takes the kernel longer than this limit; the limit of memory is met all the same."""
    assert kinds({"blocks": BOMBS["blocks"]}, 0.3, 3 << 29) == {"blocks": "memory"}


@pytest.mark.parametrize("memory", [47_000_001, 131_000_003, 256 << 20])
def test_no_memory_is_told_wherever_it_runs_out(memory):
    assert set(kinds(BOMBS, 5.0, memory).values()) == {"memory"}


def test_a_busy_machine_changes_no_verdict(busy):
    programs = {
        "right": "    return a + b\n",
        "works for a while": "    sum(range(4_000_000))\n    return a + b\n",
        "sleeps for a while": "    import time\n    time.sleep(0.1)\n    return a + b\n",
        "sleeps too long": "    import time\n    time.sleep(1)\n    return a + b\n",
        "endless": "    while True: pass\n",
        "blocks": BOMBS["blocks"],
        "wrong": "    return a - b\n",
    }
    right = dict.fromkeys(programs, "passed") | {"sleeps too long": "timeout", "endless": "timeout"}
    right |= {"blocks": "memory", "wrong": "assertion"}
    assert kinds(programs, 2.0, 512 << 20) == right


def test_threads_that_fill_every_core_get_no_extra_time():
    spin = "__import__('hashlib').pbkdf2_hmac('sha256', b'x' * 99, b'y', 10**9)"
    program = (
        f"    import threading\n    for _ in range(8): threading.Thread(target=lambda: {spin}).start()\n    {spin}\n"
    )
    job = Job("threads", PROBLEM, PROBLEM["prompt"] + program)
    with Pool(1, 1 << 30) as pool:
        [(_, outcome)] = pool.run([job], 0.5)
    assert outcome["kind"] == "timeout" and outcome["seconds"] < 0.5 * 4 * CORES
