"""A pool of workers: feeds them programs, gathers outcomes in the order in which they end, replaces a dead worker."""

import collections
import os
import selectors
import subprocess
import sys
import time

from codestill.grading.sandbox import scratch, wire
from codestill.grading.sandbox.cradle import Refused
from codestill.grading.sandbox.isolation import LEVELS
from codestill.grading.sandbox.kernel.syscalls import supported
from codestill.grading.sandbox.worker import PATIENCE, PREPARES
from codestill.kit.program import UserError

SCRIPTS = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
_ATTEMPTS = 2  # workers that one program may bring down before it counts as failed
_ASLEEP = 8  # times as many workers as run programs side by side that there may be, since those asleep need no core
_SHORT = 60  # seconds that a worker may take to read what it is sent, and to finish a message that it began
_STARTS = 300  # seconds that a worker may take to be ready
_ROOM = 4 << 20  # bytes of memory below which no program can begin, beyond what Python itself takes


class Worker:
    """One worker's process and what it has been given."""

    def __init__(self, level, memory, hidden=()):
        flags = ["-s", "-P", "-B", "-W", "ignore"]
        path = os.pathsep.join(filter(None, (SCRIPTS, os.environ.get("PYTHONPATH"))))
        self.process = subprocess.Popen(
            [sys.executable, *flags, "-m", "codestill.grading.sandbox.worker", level, str(memory), *hidden],
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
        )  # fmt: skip
        os.set_blocking(self.process.stdin.fileno(), False)
        self.known, self.job = set(), None
        self.is_ready = self.asleep = False
        self.heard = time.monotonic()

    def ready(self):
        """Wait until it is; bytes of address space that a program has before it begins.

        Raises Refused where the level is not to be had; the process has then ended.
        """
        try:
            what, detail = wire.receive(self.answers, _STARTS)
        except wire.Closed:
            what, detail = "refused", "the worker died"
        if what != "ready":
            self.close()
            raise Refused(detail)
        self.is_ready = True
        return detail

    @property
    def answers(self):
        """The descriptor that outcomes are read from."""
        return self.process.stdout.fileno()

    def give(self, job, timeout):
        """Send a job, after its problem where the worker does not have it yet. Raises Closed where it does not read.

        It has no other, hence writes nothing meanwhile.
        """
        self.job, self.heard = job, time.monotonic()
        requests, problem = self.process.stdin.fileno(), job.problem
        if problem["task_id"] not in self.known:
            fields = [problem[name] for name in ("task_id", "prompt", "test", "entry_point")]
            wire.send(requests, ["problem", *fields], _SHORT)
            self.known.add(problem["task_id"])
        wire.send(requests, ["run", problem["task_id"], timeout], _SHORT)
        wire.send_bytes(requests, job.source, _SHORT)

    def message(self):
        """[what, ...] that it says. Raises Closed, Malformed."""
        self.heard = time.monotonic()
        return wire.receive(self.answers, _SHORT)

    def dismiss(self):
        """Tell it to end; it ends its zygote."""
        if not self.is_ready:
            self.process.terminate()
        self.process.stdin.close()
        self.process.stdout.close()

    def close(self):
        """End it, and wait until it has; what it leaves when it must be killed is swept."""
        self.dismiss()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            scratch.sweep()


class Job:
    """A program to run: `key` is the caller's, `problem` a benchmark's row; its text is kept as UTF-8."""

    __slots__ = ("key", "lost", "problem", "source")

    def __init__(self, key, problem, source):
        self.key, self.problem, self.lost = key, problem, 0
        self.source = source.encode("utf-8", "surrogatepass")

    def failed(self, kind, detail):
        """(key, outcome) of a job that was not run."""
        outcome = {"kind": kind, "detail": detail, "stage": "starts", "seconds": 0.0, "peak": 0, "sure": True}
        return self.key, outcome


def started(count, level, memory, hidden=(), meanwhile=lambda: None):
    """So many ready workers at a level, started side by side. Raises Refused where it is not to be had.

    meanwhile: what to do while they start. Raises UserError where `memory`, in bytes, is too little for any program.
    """
    workers = [Worker(level.name, memory, hidden) for _ in range(count)]
    try:
        meanwhile()
        least = max(worker.ready() for worker in workers) + _ROOM
        if memory < least:
            shown = f"--memory: {memory >> 20} MiB"
            raise UserError(f"{shown}: no program can begin below {(least >> 20) + 1} MiB; raise it")
    except BaseException:
        end(workers)
        raise
    return workers


def end(workers):
    """End workers, side by side."""
    for worker in workers:
        worker.dismiss()
    for worker in workers:
        worker.close()


class Pool:
    """Workers at the strongest level that this machine offers. `memory`: bytes of address space a candidate may have.

    count: programs that run side by side; those that sleep are not counted. allow_weak: also use levels that are not
    acceptable; wanted: use the level of this name alone; hidden: modules that no program may import; meanwhile: of
    `started`. Raises UserError where no level may be used.
    """

    def __init__(self, count, memory, allow_weak=False, wanted=None, hidden=(), meanwhile=lambda: None):
        self.count, self.memory, self.hidden, self.workers = count, memory, hidden, []
        self.refused = []  # stronger levels that this machine does not offer, each with its reason
        scratch.sweep()
        for level in LEVELS:
            if (wanted and level.name != wanted) or ((level.landlock or level.seccomp) and not supported()):
                continue
            if not (level.acceptable or allow_weak):
                break
            try:
                self.workers = started(count, level, memory, hidden, meanwhile)
                self.level = level
                return
            except Refused as refusal:
                self.refused.append(f"{level.name}: {refusal}")
        tried = "; ".join(self.refused) or "no level may be used"
        raise UserError(
            f"this machine offers too little isolation to run untrusted programs ({tried}); "
            "grade elsewhere, or accept the risk with --allow_weak_isolation"
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """End all workers."""
        end(self.workers)
        self.workers = []

    def run(self, jobs, timeout, alone=False):
        """Yield (key, outcome) for each Job, as they end. alone: one at a time, the other workers idle."""
        again, jobs = collections.deque(), iter(jobs)
        while True:
            while job := again.popleft() if again else next(jobs, None):
                if len(job.source) > wire.LIMIT:
                    yield job.failed("too long", f"over {wire.LIMIT >> 20} MiB of text")
                    continue
                worker = self._free(alone)
                if worker is None:
                    again.appendleft(job)
                    break
                self._give(worker, job, timeout)
            if not again and not any(worker.job for worker in self.workers):
                return
            for worker in self._heard(timeout):
                yield from self._follow(worker, again)

    def _free(self, alone):
        """A worker for the next program; None while enough run, or one more is on its way."""
        most = 1 if alone else self.count
        awake = sum(worker.job is not None and not (worker.asleep and not alone) for worker in self.workers)
        if awake >= most:
            return None
        for worker in self.workers:
            if worker.is_ready and not worker.job:
                return worker
        # One at a time: to start costs as much as a hundred programs.
        if all(worker.is_ready for worker in self.workers) and len(self.workers) < _ASLEEP * self.count:
            self.workers.append(Worker(self.level.name, self.memory, self.hidden))
        return None

    def _give(self, worker, job, timeout):
        try:
            worker.give(job, timeout)
        except wire.Closed:
            worker.process.kill()  # its end says so
        except ValueError:
            raise UserError(f"{job.problem['task_id']}: over 32 MiB of prompt and tests; shorten them") from None

    def _heard(self, timeout):
        """Workers that have something to say; one that has been silent for too long is ended, which says it."""
        longest = PREPARES + 2 * PATIENCE * timeout
        with selectors.DefaultSelector() as selector:
            for worker in self.workers:
                selector.register(worker.answers, selectors.EVENT_READ, worker)
            heard = [key.data for key, _ in selector.select(longest)]
        for worker in self.workers:
            if worker.job and time.monotonic() - worker.heard > longest:
                worker.process.kill()
        return heard

    def _follow(self, worker, again):
        """Take in what a worker says; yields the outcome of its job where that is it."""
        try:
            what, *rest = worker.message()
        except (wire.Closed, wire.Malformed):
            what, rest = "refused", ["it died"]
        if what == "outcome":
            job, worker.job, worker.asleep = worker.job, None, False
            yield job.key, *rest
        elif what == "refused":
            yield from self._replace(worker, again)
        elif what == "ready":
            worker.is_ready = True
        else:
            worker.asleep = what == "asleep"

    def _replace(self, worker, again):
        """A new worker for a dead one; its program goes back, but for one that has brought down too many."""
        self.workers.remove(worker)
        worker.close()
        scratch.sweep()
        if job := worker.job:
            job.lost += 1
            if job.lost < _ATTEMPTS:
                again.append(job)
            else:
                yield job.failed("died", "the grader's worker with it")
        if len(self.workers) < self.count:
            try:
                self.workers += started(1, self.level, self.memory, self.hidden)
            except Refused as refusal:
                raise UserError(f"isolation {self.level.name}: {refusal}; grade again") from None
