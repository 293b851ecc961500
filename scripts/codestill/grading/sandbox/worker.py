"""A worker: holds the problems' tests, runs one program at a time against them, and keeps its time.

Run as a program by `pool.py`. For each program it asks its zygote (`zygote.py`, which never sees a test) for a
candidate's process and gives the other ends of its two pipes to the tests' process (`examiner.py`).
"""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time

SCRIPTS = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
_OVERTIME = 8  # seconds of CPU for each second of the limit after which the kernel ends a candidate
_PATIENCE = 60  # a run is given up after so many times its limit on the wall clock, however loaded the machine


class Refused(Exception):
    """The kernel does not offer the level of isolation."""


class Cradle:
    """The zygote's process and the socket to it."""

    def __init__(self, level):
        from codestill.grading.sandbox import zygote

        self.folder = tempfile.mkdtemp(prefix="grading-")
        os.chmod(self.folder, 0o711)
        ours, theirs = socket.socketpair()
        # No secret of the environment's reaches a candidate; a fixed hash seed makes the order of sets repeatable.
        environment = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        scratch = os.path.join(self.folder, "scratch")
        os.mkdir(scratch, 0o700)
        command = [
            sys.executable,
            "-s",
            "-P",
            "-B",
            "-W",
            "ignore",
            zygote.__file__,
            level,
            scratch,
            str(theirs.fileno()),
        ]
        with theirs:
            self.process = subprocess.Popen(
                command, env=environment, pass_fds=[theirs.fileno()], cwd="/",
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        self.socket = ours

    def ready(self):
        """Wait until it is. Raises Refused where the level is not to be had; the process has then ended."""
        from codestill.grading.sandbox import wire

        try:
            answer = wire.receive(self.socket.fileno())
        except wire.Closed:
            answer = ["refused", "the zygote died"]
        if answer[0] != "ready":
            self.close()
            raise Refused(answer[1])

    def _send(self, request, descriptors=()):
        from codestill.grading.sandbox import wire

        socket.send_fds(self.socket, [b"!"], list(descriptors))
        wire.send(self.socket.fileno(), request)

    def run(self, pipes, *request):
        """Fork a candidate that holds `pipes`."""
        self._send(["run", *request], pipes)

    def look(self):
        """(CPU seconds of the candidate so far, its process's number here or 0 where that is not to be known)."""
        from codestill.grading.sandbox import wire

        self._send(["look"])
        _, handles, _, _ = socket.recv_fds(self.socket, 1, 1)
        cpu = wire.receive(self.socket.fileno())
        try:
            with open(f"/proc/self/fdinfo/{handles[0]}") as info:
                return cpu, next(int(line.split()[1]) for line in info if line.startswith("Pid:"))
        except (OSError, StopIteration):
            return cpu, 0
        finally:
            os.close(handles[0])

    def stop(self):
        """Kill the candidate; [signal, exit code, CPU seconds, peak bytes]."""
        from codestill.grading.sandbox import wire

        self._send(["stop"])
        return wire.receive(self.socket.fileno())

    def close(self):
        """End the zygote, and with it all that it started."""
        self.socket.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        from codestill.grading.sandbox.isolation import empty

        with contextlib.suppress(OSError):
            empty(self.folder)
            os.rmdir(self.folder)


class Bench:
    """The tests' process, forked from here when there is none, and the problems: texts, and those that prepare values.

    private: descriptors that the process does not inherit.
    """

    def __init__(self, private):
        from codestill.grading.sandbox.examiner import Progress

        self.private, self.progress = private, Progress()
        self.pid, self.texts, self.prepared, self.known = None, {}, {}, set()

    def add(self, name, prompt, test, entry_point):
        """Take a problem. Values that its test prepares are prepared once, here."""
        from codestill.grading.sandbox.examiner import Problem, prepares

        self.texts[name] = prompt, test, entry_point
        if prepares(test):
            self.prepared[name] = Problem(prompt, test, entry_point)

    def allowance(self, name):
        """Seconds beyond the usual limit that a candidate for this problem has."""
        return self.prepared[name].allowance if name in self.prepared else 0.0

    def _start(self):
        from codestill.grading.sandbox import examiner
        from codestill.grading.sandbox.syscalls import die_with_parent

        self.control, theirs = socket.socketpair()
        self.known = set(self.prepared)
        self.pid = os.fork()
        if self.pid:
            theirs.close()
            return
        try:
            for descriptor in (*self.private, self.control.fileno()):
                os.close(descriptor)
            die_with_parent()
            examiner.serve(theirs, self.prepared, self.progress)
        finally:
            os._exit(0)

    def ready(self, name):
        """Have a process that knows this problem."""
        from codestill.grading.sandbox import wire

        if self.pid and name in self.prepared and name not in self.known:
            self.end()
        if not self.pid:
            self._start()
        if name not in self.known:
            wire.send(self.control.fileno(), ["problem", name, *self.texts[name]])
            wire.receive(self.control.fileno())  # compiled: that is not the candidate's time
            self.known.add(name)

    def examine(self, pipes, name):
        """Have the candidate behind `pipes` examined."""
        from codestill.grading.sandbox import wire

        self.progress.reach("starts")
        wire.send(self.control.fileno(), ["examine", name])
        socket.send_fds(self.control, [b"!"], list(pipes))

    def end(self):
        """Kill it."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.control.close()
        self.pid = None


class Run:
    """One program against the tests of the problem `name`."""

    def __init__(self, cradle, bench, name, source, memory, timeout):
        from codestill.grading.sandbox import clocks

        *_, entry_point = bench.texts[name]
        timeout += bench.allowance(name)
        self.cradle, self.bench, self.timeout = cradle, bench, timeout
        self.most_cpu = _OVERTIME * timeout + memory * clocks.SLOWEST
        bench.ready(name)
        to_candidate, to_tests = os.pipe(), os.pipe()
        self.began = time.monotonic()
        cradle.run([to_candidate[0], to_tests[1]], source, entry_point, memory, self.most_cpu)
        os.close(to_candidate[0])
        os.close(to_tests[1])
        ends = [to_tests[0], to_candidate[1]]
        bench.examine(ends, name)
        for end in ends:
            os.close(end)
        self.queued_before = clocks.queued(bench.pid) or 0.0
        self.cpu_before = clocks.cpu_of(bench.pid)

    def outcome(self):
        """{kind, detail, stage, seconds, peak, sure}; `sure` is False where the run must be repeated alone."""
        verdict = None
        try:
            verdict, sure = self._follow()
        finally:
            if self.bench.pid and (verdict is None or verdict[0] == "timeout"):
                self.bench.end()
            number, code, seconds, peak = self.cradle.stop()
        kind, detail = verdict
        if kind == "died":
            # The kernel's own limit may come first, where many cores work for one candidate.
            kind, detail = ("timeout", self._over()) if seconds >= self.most_cpu else (kind, _death(number, code))
        stage = self.bench.progress.reached()
        return {"kind": kind, "detail": detail, "stage": stage, "seconds": seconds, "peak": peak, "sure": sure}

    def _follow(self):
        """((kind, detail), sure) once the tests have reported or the time is up."""
        from codestill.grading.sandbox import clocks, wire

        poller = select.poll()
        poller.register(self.bench.control, select.POLLIN)
        patience = self.timeout
        while True:
            left = self.began + patience - time.monotonic()
            if left > 0 and poller.poll(left * 1000):
                try:
                    what, *rest = wire.receive(self.bench.control.fileno())
                except wire.Closed:
                    self.bench.end()
                    return ("exception", "the tests' process died"), True
                if what == "last":
                    self.bench.end()
                return rest, True
            if left <= 0:
                spent, sure = self._spent()
                if spent >= self.timeout:
                    clocks.settle(self.cradle.look()[1])
                    clocks.settle(self.bench.pid)
                    spent, sure = self._spent()
                if spent >= self.timeout or time.monotonic() - self.began > _PATIENCE * self.timeout:
                    return ("timeout", self._over()), sure
                patience = time.monotonic() - self.began + max(0.01, self.timeout - spent)

    def _over(self):
        return f"over {self.timeout:g} s"

    def _spent(self):
        from codestill.grading.sandbox import clocks

        cpu, pid = self.cradle.look()
        wall = min(time.monotonic() - self.began, clocks.age(pid))
        waited, own, handing = clocks.queued(pid), clocks.queued(self.bench.pid), clocks.for_memory(pid)
        # Nobody counts how long threads queued that have ended.
        counted = None not in (waited, own) and clocks.in_threads(pid, cpu) <= clocks.QUIET * cpu
        cpu += clocks.cpu_of(self.bench.pid) - self.cpu_before
        return clocks.spent(wall, cpu, waited + own - self.queued_before if counted else None, handing)


def _death(number, code):
    if number is None:
        return f"exit code {code}"
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def main():
    """Serve the pool on standard input and output until the input ends."""
    from codestill.grading.sandbox import examiner, preloaded, wire  # noqa: F401 - the tests' process inherits the examiner

    level, memory = sys.argv[1], int(sys.argv[2])
    requests, answers = os.dup(0), os.dup(1)
    os.dup2(os.open("/dev/null", os.O_RDWR), 0)
    os.dup2(2, 1)
    cradle = Cradle(level)
    preloaded.load()  # while the zygote starts
    try:
        cradle.ready()
    except Refused as refusal:
        with contextlib.suppress(wire.Closed):  # another worker's refusal has come first
            wire.send(answers, ["refused", str(refusal)])
        return
    wire.send(answers, ["ready"])
    bench = Bench([requests, answers, cradle.socket.fileno()])
    try:
        while True:
            what, *rest = wire.receive(requests)
            if what == "problem":
                bench.add(*rest)
            else:
                name, source, timeout = rest
                wire.send(answers, Run(cradle, bench, name, source, memory, timeout).outcome())
    except wire.Closed:
        return
    finally:
        cradle.close()
        if bench.pid:
            bench.end()


if __name__ == "__main__":
    sys.path.insert(0, SCRIPTS)
    main()
