"""The time that one run takes: a candidate's process and its tests', whatever else the machine does meanwhile."""

import time

from codestill.grading.sandbox import clocks

_UNSEEN = 8  # most times its CPU time that a thread which ended unseen is taken to have queued for a core
_NOISE = 0.02  # seconds by which the kernel's figures for a process and for its threads may differ
_IDLE = 0.1  # share of a core below which a run sleeps


class Queueing:
    """How long the threads of a process have queued for a core, as far as it was looked at."""

    def __init__(self, pid, new=False):
        """new: the process was just forked, hence all its time counts."""
        self.pid, self.threads, self.guessed = pid, {}, False
        self.ended_ran = self.ended_waited = 0.0
        self.before = (0.0, 0.0)
        if not new:
            self.before = clocks.cpu_of(pid), self.total() or 0.0

    def total(self):
        """Seconds queued so far, None where the kernel does not count them.

        How long a thread queued that has ended is not to be known; it is taken to be at most _UNSEEN times what it ran.
        """
        now = clocks.threads(self.pid)
        if now is None:
            return None
        for thread, (ran, waited) in self.threads.items():
            if thread not in now or now[thread][0] < ran:
                self.ended_ran, self.ended_waited = self.ended_ran + ran, self.ended_waited + waited
                self.guessed = True  # what it queued after the last look
        self.threads = now
        ran = self.ended_ran + sum(ran for ran, _ in now.values())
        waited = self.ended_waited + sum(waited for _, waited in now.values())
        unseen = clocks.cpu_of(self.pid) - ran - _NOISE * len(now)
        self.guessed |= unseen > 0
        return waited + _UNSEEN * max(0.0, unseen)


class Stopwatch:
    """`wall`, `cpu`, `queued` in seconds as of the last `look`; `idle`: it slept since the one before.

    queued is None where the kernel does not count it.
    """

    def __init__(self, began, candidate, tests):
        """began: the clock then; candidate: a process that began since; tests: Queueing of the tests' process then."""
        self.began = self.looked = began
        self.candidate, self.tests = Queueing(candidate, new=True), tests
        self.wall = self.cpu = self.queued = 0.0
        self._counts = 0.0

    def look(self):
        """Take the figures as they are now."""
        now = time.monotonic()
        passed, self.looked = now - self.looked, now
        self.wall = min(now - self.began, clocks.age(self.candidate.pid))
        cpu = clocks.cpu_of(self.candidate.pid) + clocks.cpu_of(self.tests.pid) - self.tests.before[0]
        totals = self.candidate.total(), self.tests.total()
        if self.queued is None or None in totals:
            self.queued, queued = None, 0.0
        else:
            counts = sum(totals) - self.tests.before[1]
            queued, self._counts = counts - self._counts, counts
            # Several threads may queue at once: no run is held up for longer than the time that passed.
            self.queued += min(passed, queued)
        self.idle = cpu - self.cpu + queued < _IDLE * passed
        self.cpu = cpu

    @property
    def guessed(self):
        """Whether `queued` is not all counted."""
        return self.queued is None or self.candidate.guessed or self.tests.guessed

    def threads(self):
        """How many the candidate has."""
        return clocks.many_threads(self.candidate.pid)

    def settle(self):
        """Wait until the kernel's counts hold all of the waits."""
        clocks.settle(self.candidate.pid)
        clocks.settle(self.tests.pid)

    def spent(self):
        """(seconds it would have taken with a core for each process, share of its time that others held it up)."""
        return clocks.spent(self.wall, self.cpu, self.queued, clocks.for_memory(self.candidate.pid))
