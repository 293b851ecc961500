"""A worker: holds the problems' tests, runs one program at a time against them, and keeps its time.

Run as a program by `pool.py`. For each program it asks its zygote (`zygote.py`, which never sees a test) for a
candidate's process and gives the other ends of its two pipes to the tests' process (`examiner.py`).
"""

import contextlib
import os
import select
import signal
import socket
import sys
import tempfile
import time

from codestill.grading.sandbox import clocks, examiner, preloaded, scratch, stopwatch, wire
from codestill.grading.sandbox.cradle import Cradle, Refused
from codestill.grading.sandbox.isolation import THREADS, confine_tests, named

SCRATCH_LIMITS = 64 << 20, 4096  # bytes and entries of a candidate's files, as with a file system of its own
PREPARES = 3600  # seconds that a problem's own preparations may take
PATIENCE = 60  # a run is given up after so many times its limit on the wall clock, however loaded the machine
_OVERTIME = 8  # seconds of CPU for each second of the limit after which the kernel ends a candidate
_READS = 60  # seconds that a candidate's process may take to read its text, before it runs any of it
_ANSWERS = 60  # seconds that the tests' process may take for the rest of a message that it has begun
_TICK = 0.1  # seconds from one look at a run to the next
_QUIET = 2  # looks after which a run that uses no core counts as asleep
_LIGHT = 128 << 20  # bytes of memory above which a sleeping run keeps its place all the same
_DETAIL = 300  # characters of a verdict's detail


class Bench:
    """The tests' process, forked from here when there is none, and the problems: texts, and those that prepare values.

    private: descriptors that the process does not inherit, the pool's requests first; memory: bytes that it may fill;
    folder: where its temporary files go, emptied when it ends; level: of isolation, as far as tests can be under it.
    """

    def __init__(self, private, memory, folder, level):
        self.private, self.memory, self.folder, self.level = private, memory, folder, level
        self.progress = examiner.Progress()
        self.pid, self.texts, self.prepared, self.known = None, {}, {}, set()

    def add(self, name, prompt, test, entry_point):
        """Take a problem. Values that its test prepares are prepared once, here."""
        self.texts[name] = prompt, test, entry_point
        if examiner.prepares(test):
            self.prepared[name] = examiner.Problem(prompt, test, entry_point)

    def allowance(self, name):
        """Seconds beyond the usual limit that a candidate for this problem has."""
        return self.prepared[name].allowance if name in self.prepared else 0.0

    def start(self):
        """Fork it and wait until it is locked in. Raises Refused where it cannot be."""
        self.control, theirs = socket.socketpair()
        self.known = set(self.prepared)
        self.pid = os.fork()
        if self.pid:
            theirs.close()
            try:
                wire.receive(self.control.fileno(), _ANSWERS)
            except wire.Closed:
                raise Refused("the tests' process cannot be locked in") from None
            return
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            for descriptor in (*self.private, self.control.fileno()):
                os.close(descriptor)
            examiner.limit_more(self.memory)  # what it has is not to be known any more once it is locked in
            tempfile.tempdir = confine_tests(self.level, self.folder)
            wire.send(theirs.fileno(), "ready")
            examiner.serve(theirs, self.prepared, self.progress)
        finally:
            os._exit(0)

    def ready(self, name):
        """Have a process that knows this problem."""
        if self.pid and name in self.prepared and name not in self.known:
            self.end()
        if not self.pid:
            self.start()
        if name not in self.known:
            wire.send(self.control.fileno(), ["problem", name, *self.texts[name]])
            self.heard(PREPARES)
            wire.receive(self.control.fileno(), _ANSWERS)  # compiled: that is not the candidate's time
            self.known.add(name)

    def examine(self, pipes, name):
        """Have the candidate behind `pipes` examined."""
        self.progress.reach("starts")
        wire.send(self.control.fileno(), ["examine", name])
        socket.send_fds(self.control, [b"!"], list(pipes))

    def heard(self, seconds):
        """Whether the process has something to say, within so many seconds. Raises Closed where the pool has gone."""
        waiting = select.poll()
        waiting.register(self.control, select.POLLIN)
        waiting.register(self.private[0], 0)  # its end alone
        ready = dict(waiting.poll(seconds * 1000))
        if self.private[0] in ready:
            raise wire.Closed
        return bool(ready)

    def report(self):
        """((kind, detail), sure, whether the process must end)."""
        try:
            what, *verdict = wire.receive(self.control.fileno(), _ANSWERS)
            return verdict, True, what == "last"
        except wire.Closed:
            return ("exception", "the tests' process died"), False, True

    def end(self):
        """Kill it."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.control.close()
        self.pid = None
        with contextlib.suppress(OSError):
            scratch.empty(self.folder)


class Run:
    """One program against the tests of the problem `name`.

    tell: called with "asleep" where the run uses no core for a while, with "awake" once it does again.
    """

    def __init__(self, cradle, bench, name, timeout, source, memory, tell):
        *_, entry_point = bench.texts[name]
        timeout += bench.allowance(name)
        self.cradle, self.bench, self.timeout, self.tell = cradle, bench, timeout, tell
        self.most_cpu = _OVERTIME * timeout + memory * clocks.SLOWEST
        bench.ready(name)
        to_candidate, to_tests = os.pipe(), os.pipe()
        self.tests, self.began = stopwatch.Queueing(bench.pid), time.monotonic()
        cradle.run([to_candidate[0], to_tests[1]], memory, self.most_cpu, 2 * PATIENCE * timeout)
        os.close(to_candidate[0])
        os.close(to_tests[1])
        with contextlib.suppress(wire.Closed):  # it died; its tests will see that
            _hand_over(to_candidate[1], entry_point, source)
        ends = [to_tests[0], to_candidate[1]]
        bench.examine(ends, name)
        for end in ends:
            os.close(end)

    def outcome(self):
        """{kind, detail, stage, seconds, peak, sure}; `sure` is False where the run must be repeated alone."""
        verdict = None
        try:
            verdict, sure, ended = self._follow()
        finally:
            if self.bench.pid and (verdict is None or ended):
                self.bench.end()
            number, code, seconds, peak = self.cradle.stop()
        kind, detail = verdict
        if kind == "died":
            # The kernel's own limit may come first, where many cores work for one candidate.
            kind, detail = ("timeout", self._over()) if seconds >= self.most_cpu else (kind, _death(number, code))
        stage = self.bench.progress.reached()
        outcome = {"kind": kind, "detail": detail[:_DETAIL], "stage": stage, "seconds": seconds, "peak": peak}
        return {**outcome, "sure": sure}

    def _follow(self):
        """((kind, detail), sure, whether the tests' process must end) once they have reported or a limit is passed."""
        left, watch, quiet, late = min(_TICK, self.timeout), None, 0, False
        while True:
            if self.bench.heard(left):
                verdict, sure, ends = self.bench.report()
                return (("timeout", self._over()), False, ends) if late else (verdict, sure, ends)
            if watch is None:
                watch = stopwatch.Stopwatch(self.began, self.cradle.look(), self.tests)
            watch.look()
            verdict, sure = self._passed(watch)
            if verdict and (sure or watch.guessed or watch.wall > PATIENCE * self.timeout):
                return verdict, sure, True
            late = verdict is not None  # and slowed down by others: it goes on until there is no doubt
            left = _TICK if late else max(0.01, min(_TICK, self.timeout - watch.spent()[0]))
            quiet = self._sleep(watch, quiet)

    def _passed(self, watch):
        """((kind, detail) or None, sure) of the limit that the run has passed."""
        if watch.threads() > THREADS:
            return ("exception", f"over {THREADS} threads"), True
        if not self.cradle.namespaces and scratch.over(self.cradle.scratch, *SCRATCH_LIMITS):
            return ("exception", "over 64 MiB or 4,096 entries of files"), True
        if watch.spent()[0] >= self.timeout:
            watch.settle()
            watch.look()
        spent, held_up = watch.spent()
        if spent < self.timeout and watch.wall <= PATIENCE * self.timeout:
            return None, True
        # Whoever held it up has slowed it down as well while it ran: up to twice, where two share a core.
        surely = spent >= (1 + held_up) * self.timeout and (held_up <= clocks.QUIET or not watch.guessed)
        return ("timeout", self._over()), surely

    def _sleep(self, watch, quiet):
        """How many looks in a row have found the run asleep, with little memory; tells where that begins and ends."""
        asleep = watch.idle and clocks.held(watch.candidate.pid) < _LIGHT
        if asleep and quiet + 1 == _QUIET:
            self.tell("asleep")
        if not asleep and quiet >= _QUIET:
            self.tell("awake")
        return quiet + 1 if asleep else 0

    def _over(self):
        return f"over {self.timeout:g} s"


def _hand_over(descriptor, entry_point, source):
    """Write a candidate's text (bytes) into its own pipe; no other process holds it."""
    os.set_blocking(descriptor, False)
    wire.send(descriptor, entry_point, _READS)
    wire.send_bytes(descriptor, source, _READS)
    os.set_blocking(descriptor, True)


def _death(number, code):
    if number is None:
        return f"exit code {code}"
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def main():
    """Serve the pool on standard input and output until the input ends."""
    level, memory, *hidden = sys.argv[1], int(sys.argv[2]), *sys.argv[3:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    requests, answers = os.dup(0), os.dup(1)
    os.dup2(os.open("/dev/null", os.O_RDWR), 0)
    os.dup2(2, 1)
    zygote = Cradle(level, hidden)
    bench = Bench([requests, answers, *zygote.private], memory, zygote.tests, named(level))
    try:
        preloaded.load()  # while the zygote starts
        bench.start()
        wire.send(answers, ["ready", zygote.ready()])
        while True:
            what, *rest = wire.receive(requests)
            if what == "problem":
                bench.add(*rest)
            else:
                source = wire.receive_bytes(requests)
                run = Run(zygote, bench, *rest, source, memory, lambda what: wire.send(answers, [what]))
                wire.send(answers, ["outcome", run.outcome()])
    except Refused as refusal:
        with contextlib.suppress(wire.Closed):  # another worker's refusal has come first
            wire.send(answers, ["refused", str(refusal)])
    except wire.Closed:
        return
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends, and first tidies up
        if bench.pid:
            bench.end()
        zygote.close()


if __name__ == "__main__":
    main()
