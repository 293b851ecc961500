"""Time and memory limits give one verdict on idle and loaded machines, with quick and with slow memory."""

import math
import os
import subprocess
import sys
import time

import psutil
import pytest

from codestill.grading.sandbox import clocks
from codestill.grading.sandbox.pool import Job, Pool
from codestill.grading.sandbox.stopwatch import Queueing, Stopwatch
from grading.attacks import PROBLEM

CORES = len(os.sched_getaffinity(0))
SPIN = "__import__('hashlib').pbkdf2_hmac('sha256', b'x', b'y', {})"  # holds no lock of Python's
BOMBS = {
    "blocks": "    x = []\n    while True: x.append(bytearray(1 << 24))\n",
    "kept in a global": "    global x\n    x = []\n    while True: x.append([])\n",
    "at the top": "    pass\nx = {}\nwhile True: x[len(x)] = str(len(x))\n",
    "tuples in a set": "    global x\n    x, n = set(), 0\n    while True:\n        n += 1\n        x.add((n, n))\n",
    "one list": "    return [[n] for n in range(10**9)]\n",
}


def kinds(programs, timeout, memory):
    """The kind of verdict of each completion, by name; what is not sure runs again alone, as in a grader."""
    jobs = [Job(name, PROBLEM, PROBLEM["prompt"] + text + "\n") for name, text in programs.items()]
    with Pool(2, memory) as pool:
        outcomes = dict(pool.run(jobs, timeout))
        outcomes |= dict(pool.run([job for job in jobs if not outcomes[job.key]["sure"]], timeout, alone=True))
        return {name: outcome["kind"] for name, outcome in outcomes.items()}


@pytest.fixture
def busy():
    """All cores kept busy twice over by programs of others."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * CORES)]
    yield
    for loop in loops:
        loop.kill()
        loop.wait()


def test_time_is_what_a_free_machine_would_have_taken():
    assert clocks.spent(wall=4.0, cpu=2.9, waited=1.0, handing=0.0) == (3.0, 0.25)
    assert clocks.spent(wall=8.0, cpu=2.0, waited=6.0, handing=0.0) == (2.0, 0.75)
    asleep = clocks.spent(wall=3.0, cpu=0.0, waited=0.0, handing=0.0)
    assert asleep == (3.0, 0.0)
    assert clocks.spent(wall=3.0, cpu=2.9, waited=0.0, handing=2.5) == (0.5, 0.0)


def test_time_where_the_queueing_is_not_counted():
    assert clocks.spent(wall=3.0, cpu=2.9, waited=None, handing=0.0) == (3.0, 0.0)
    assert clocks.spent(wall=3.0, cpu=9.0, waited=None, handing=1.0) == (2.0, 0.0)
    assert clocks.spent(wall=9.0, cpu=8.0, waited=None, handing=0.0) == (max(8 / CORES, 9 / 8), math.inf)
    assert clocks.spent(wall=8.0, cpu=0.1, waited=None, handing=0.0) == (1.0, math.inf)


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
    assert clocks.for_memory(nobody) == 0 and clocks.threads(nobody) is None and clocks.age(nobody) == math.inf
    assert abs(clocks.age(os.getpid()) - (time.time() - psutil.Process().create_time())) < 1.5


def test_filling_memory_is_no_matter_of_time():
    """So much takes the kernel longer than this limit; the limit of memory is met all the same."""
    assert kinds({"blocks": BOMBS["blocks"]}, 0.3, 3 << 29) == {"blocks": "memory"}


@pytest.mark.parametrize("memory", [47_000_001, 131_000_003, 256 << 20])
def test_no_memory_is_told_wherever_it_runs_out(memory):
    assert set(kinds(BOMBS, 5.0, memory).values()) == {"memory"}


def spinning(seconds):
    """An expression that takes so much CPU time on this machine."""
    begun = time.process_time()
    eval(SPIN.format(100_000))
    return SPIN.format(int(100_000 * seconds / (time.process_time() - begun)))


def test_a_busy_machine_surely_ends_no_thread_early(busy):
    """Nobody counts how long a thread queued that has ended: what is over its limit runs again, alone."""
    thread = "    import threading\n    t = threading.Thread(target=lambda: {})\n    t.start()\n    t.join()\n"
    program = PROBLEM["prompt"] + thread.format(spinning(0.1)) + "    return a + b\n"
    with Pool(1, 1 << 30) as pool:
        [(_, outcome)] = pool.run([Job("works", PROBLEM, program)], 0.6)
    assert outcome["kind"] == "passed" or not outcome["sure"], outcome


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


def test_what_threads_queued_is_kept_when_they_end_and_little_is_assumed_of_the_unseen(monkeypatch):
    kernel = {"threads": {"1": (1.0, 0.5), "2": (2.0, 3.0)}, "cpu": 3.0}
    monkeypatch.setattr(clocks, "threads", lambda pid: kernel["threads"])
    monkeypatch.setattr(clocks, "cpu_of", lambda pid: kernel["cpu"])
    queueing = Queueing(7, new=True)
    assert queueing.total() == 3.5 and not queueing.guessed
    kernel |= {"threads": {"1": (1.0, 0.75)}, "cpu": 3.0}
    assert queueing.total() == 3.75 and queueing.guessed
    kernel |= {"threads": {"1": (1.0, 0.75), "2": (0.25, 0.25)}, "cpu": 3.25}  # another thread of that number
    assert queueing.total() == 4.0
    kernel["cpu"] += 0.5  # of threads that came and went
    assert 4.0 + 7 * 0.5 < queueing.total() <= 4.0 + 8 * 0.5
    kernel["threads"] = None
    assert queueing.total() is None


def test_no_run_is_held_up_for_longer_than_the_time_that_passed(monkeypatch):
    now, kernel = [100.0], {1: {"1": (0.0, 0.0)}, 2: {"2": (0.0, 0.0)}}
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr(clocks, "threads", kernel.get)
    monkeypatch.setattr(clocks, "age", lambda pid: math.inf)
    monkeypatch.setattr(clocks, "cpu_of", lambda pid: sum(ran for ran, _ in kernel[pid].values()))
    watch = Stopwatch(100.0, 1, Queueing(2))
    for seconds, ran, waited, idle in ((1.0, 0.9, 0.1, False), (1.0, 0.0, 0.0, True), (1.0, 1.0, 7.0, False)):
        now[0] += seconds
        kernel[1] = {"1": (kernel[1]["1"][0] + ran, kernel[1]["1"][1] + waited)}
        watch.look()
        assert watch.idle is idle
    assert (watch.wall, round(watch.cpu, 6), round(watch.queued, 6)) == (3.0, 1.9, 1.1)


def test_a_busy_machine_has_no_endless_program_run_twice(busy):
    jobs = [Job(n, PROBLEM, PROBLEM["prompt"] + f"    while True: pass  # {n}\n") for n in range(2)]
    with Pool(2, 1 << 30) as pool:
        outcomes = [outcome for _, outcome in pool.run(jobs, 0.5)]
    assert [(outcome["kind"], outcome["sure"]) for outcome in outcomes] == [("timeout", True)] * 2
    assert all(outcome["seconds"] < 2 for outcome in outcomes)


# What tries to live on, and the most CPU time that it may come to, in times its limit.
LIVES_ON = {
    "threads on every core": (
        f"    import threading\n    def spin(): {SPIN.format(10**9)}\n"
        "    for _ in range(8): threading.Thread(target=spin).start()\n    spin()\n",
        4 * CORES,
    ),
    "stops itself": ("    import os, signal\n    os.kill(os.getpid(), signal.SIGSTOP)\n", 1),
    "sleeps while a thread works now and then": (
        "    import threading, time\n"
        f"    def work():\n        while True:\n            {SPIN.format(50_000)}\n            time.sleep(0.1)\n"
        "    threading.Thread(target=work).start()\n    time.sleep(99)\n",
        8,
    ),
    "a little work in threads that end, then sleep": (
        "    import threading, time\n"
        f"    for _ in range(5):\n        t = threading.Thread(target=lambda: {SPIN.format(5_000)})\n"
        "        t.start()\n        t.join()\n    time.sleep(99)\n",
        1,
    ),
    "threads that come and go, asleep between": (
        "    import threading, time\n    while True:\n"
        "        threading.Thread(target=sum, args=(range(1000),)).start()\n        time.sleep(0.05)\n",
        1,
    ),
    "takes memory and gives it back": (
        "    import mmap\n    while True:\n        with mmap.mmap(-1, 1 << 26) as m:\n"
        "            for n in range(0, 1 << 26, 4096): m[n] = 1\n",
        4,
    ),
    "faults on one page": (
        "    import mmap\n    m = mmap.mmap(-1, 4096)\n    while True:\n        m[0] = 1\n"
        "        m.madvise(mmap.MADV_DONTNEED)\n",
        2,
    ),
    "has the kernel work after taking memory": (
        "    x = bytearray(1 << 26)\n    import os\n    while True: os.getppid()\n",
        4,
    ),
}


@pytest.mark.parametrize("name", LIVES_ON)
def test_no_program_outlives_its_limit_by_far(name):
    text, most = LIVES_ON[name]
    limit = 0.5
    with Pool(1, 1 << 30) as pool:
        begun = time.monotonic()
        [(_, outcome)] = pool.run([Job(name, PROBLEM, PROBLEM["prompt"] + text)], limit)
    # On a busy machine a run goes on until it is surely over its limit.
    assert (
        outcome["kind"] == "timeout" and outcome["seconds"] < (most if outcome["seconds"] < limit else 2 * most) * limit
    )
    # It hardly asked for a core: that is not what a busy machine may take so long for.
    assert outcome["seconds"] > 0.5 * limit or time.monotonic() - begun < 12 * limit


@pytest.mark.parametrize("call", ["os.nice(19)", "os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))"])
def test_no_program_makes_itself_wait(call):
    """Time in which it queues for a core does not count."""
    assert kinds({call: f"    import os\n    {call}\n    return a + b\n"}, 3.0, 1 << 30) == {call: "exception"}
