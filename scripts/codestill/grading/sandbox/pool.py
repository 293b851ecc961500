"""A pool of workers: feeds them programs, gathers outcomes in the order in which they end, replaces a dead worker."""

import collections
import os
import selectors
import subprocess
import sys

from codestill.grading.sandbox import wire
from codestill.grading.sandbox import worker as program
from codestill.grading.sandbox.isolation import LEVELS
from codestill.grading.sandbox.syscalls import supported
from codestill.kit.program import UserError

_AHEAD = 2  # programs that a worker has at hand, so that it never waits for this process
_ATTEMPTS = 2  # workers that one program may bring down before it counts as failed


class Refused(Exception):
    """The kernel does not offer the level of isolation."""


class Worker:
    """One worker's process and what it has been given."""

    def __init__(self, level, memory):
        command = [sys.executable, "-s", "-P", "-B", "-W", "ignore", program.__file__, level, str(memory)]
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, bufsize=0)
        self.known = set()
        self.jobs = collections.deque()

    def ready(self):
        """Wait until it is. Raises Refused where the level is not to be had; the process has then ended."""
        try:
            answer = wire.receive(self.answers)
        except wire.Closed:
            answer = ["refused", "the worker died"]
        if answer[0] != "ready":
            self.close()
            raise Refused(answer[1])

    @property
    def answers(self):
        """The descriptor that outcomes are read from."""
        return self.process.stdout.fileno()

    def give(self, job, timeout):
        """Send a job, after its problem where the worker does not have it yet."""
        requests = self.process.stdin.fileno()
        problem = job.problem
        if problem["task_id"] not in self.known:
            fields = [problem[name] for name in ("task_id", "prompt", "test", "entry_point")]
            wire.send(requests, ["problem", *fields])
            self.known.add(problem["task_id"])
        self.jobs.append(job)
        wire.send(requests, ["run", problem["task_id"], job.source, timeout])

    def dismiss(self):
        """Tell it to end; it ends its zygote."""
        self.process.stdin.close()
        self.process.stdout.close()

    def close(self):
        """End it, and wait until it has."""
        self.dismiss()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Job:
    """A program to run: `key` is the caller's, `problem` a benchmark's row."""

    __slots__ = ("key", "lost", "problem", "source")

    def __init__(self, key, problem, source):
        self.key, self.problem, self.source, self.lost = key, problem, source, 0


def started(count, level, memory):
    """So many ready workers at a level, started side by side. Raises Refused where it is not to be had."""
    workers = [Worker(level.name, memory) for _ in range(count)]
    try:
        for worker in workers:
            worker.ready()
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

    allow_weak: also use levels that are not acceptable; wanted: use the level of this name alone. Raises UserError
    where no level may be used.
    """

    def __init__(self, count, memory, allow_weak=False, wanted=None):
        self.memory, self.workers = memory, []
        self.refused = []  # stronger levels that this machine does not offer, each with its reason
        for level in LEVELS:
            if (wanted and level.name != wanted) or ((level.landlock or level.seccomp) and not supported()):
                continue
            if not (level.acceptable or allow_weak):
                break
            try:
                self.workers = started(count, level, memory)
                self.level = level
                return
            except Refused as refusal:
                self.refused.append(f"{level.name}: {refusal}")
        tried = "; ".join(self.refused) or "no level may be used"
        raise UserError(
            f"this machine offers too little isolation to run untrusted programs ({tried}); "
            "grade elsewhere, or accept the risk with --allow_weak_isolation"
        )

    def _start(self):
        try:
            return started(1, self.level, self.memory)[0]
        except Refused as refusal:
            raise UserError(f"isolation {self.level.name}: {refusal}; grade again") from None

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
        jobs = iter(jobs)
        again = collections.deque()
        active = self.workers[:1] if alone else list(self.workers)
        with selectors.DefaultSelector() as selector:
            for worker in active:
                selector.register(worker.answers, selectors.EVENT_READ, worker)
                self._fill(worker, jobs, again, timeout)
            while any(key.data.jobs for key in selector.get_map().values()):
                for key, _ in selector.select():
                    worker = key.data
                    try:
                        outcome = wire.receive(worker.answers)
                    except (wire.Closed, wire.Malformed):
                        worker, failed = self._replace(worker, again, selector)
                        yield from failed
                    else:
                        yield worker.jobs.popleft().key, outcome
                    self._fill(worker, jobs, again, timeout)

    def _fill(self, worker, jobs, again, timeout):
        while len(worker.jobs) < _AHEAD:
            job = again.popleft() if again else next(jobs, None)
            if job is None:
                return
            try:
                worker.give(job, timeout)
            except wire.Closed:
                return  # it died; its outcome says so

    def _replace(self, worker, again, selector):
        """A new worker for a dead one; its programs go back, but for one that has brought down too many."""
        selector.unregister(worker.answers)
        failed = []
        for place, job in enumerate(worker.jobs):
            job.lost += place == 0
            if job.lost < _ATTEMPTS:
                again.append(job)
            else:
                outcome = {"kind": "died", "detail": "the grader's worker with it", "stage": "starts", "sure": True}
                failed.append((job.key, {**outcome, "seconds": 0.0, "peak": 0}))
        worker.close()
        new = self._start()
        self.workers[self.workers.index(worker)] = new
        selector.register(new.answers, selectors.EVENT_READ, new)
        return new, failed
