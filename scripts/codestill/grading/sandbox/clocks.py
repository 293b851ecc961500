"""How long a process took, whatever else the machine does and however fast it hands out memory.

Linux counts for every process how long it was ready to run and queued for a core, and how long the kernel worked
for it. Less these two, a run takes as long on a loaded machine, or on one with slow memory, as on another.
"""

import math
import os
import time

QUIET = 0.1  # share of its time that a run which is over its limit may have queued for a core and count as alone
_UNCOUNTED = 8  # times its limit on the wall clock after which a run ends whose queueing is not counted
SLOWEST = 6 / 2**30  # most seconds of kernel time for a byte of memory; 0.4 to 3 s for a GiB were seen
_MOMENT = 0.006  # seconds in which the kernel's count of a running process moves on
_SETTLED = 5  # seconds after which the counts are taken as they are
_TICKS = os.sysconf("SC_CLK_TCK")


def _schedule(pid):
    """[nanoseconds on a core, nanoseconds queued for one] of the process's first thread, None where not counted."""
    try:
        with open(f"/proc/{pid}/schedstat") as handle:
            return [int(field) for field in handle.read().split()[:2]]
    except (OSError, ValueError):
        return None


def queued(pid):
    """Seconds that the process's first thread has waited for a core, or None where the kernel does not count them."""
    found = _schedule(pid)
    return found[1] / 1e9 if found else None


def settle(pid):
    """Wait until `queued` holds all of the process's waits: the kernel adds one only once it has ended.

    That is so while the process sleeps, and where it has run just now.
    """
    begun, state = time.monotonic(), _status(pid)
    while state and state[0] == "R" and time.monotonic() - begun < _SETTLED:
        before = _schedule(pid)
        time.sleep(_MOMENT)
        if not before or (_schedule(pid) or before)[0] != before[0]:
            return
        state = _status(pid)


def cpu_of(pid):
    """Seconds of CPU that the process has used."""
    try:
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:
        return 0.0


def _status(pid):
    """The fields of /proc/PID/stat from the third on, the state, or None where they are not to be known."""
    try:
        with open(f"/proc/{pid}/stat") as handle:
            return handle.read().rpartition(")")[2].split()
    except OSError:
        return None


def age(pid):
    """Seconds since the process began, without end where that is not to be known."""
    found = _status(pid)
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(found[19]) / _TICKS if found else math.inf


def _peak(pid):
    """Bytes of memory that the process has held at most, 0 where that is not to be known."""
    try:
        with open(f"/proc/{pid}/status") as handle:
            return next(int(line.split()[1]) << 10 for line in handle if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return 0


def for_memory(pid):
    """Seconds that the kernel worked to hand the process the memory that it held, 0 where that is not to be known.

    A program that fills its memory shall meet the limit of memory on every machine, not that of time on some: a page
    costs ten times more on one than on another.
    """
    found = _status(pid)
    return min(int(found[12]) / _TICKS, _peak(pid) * SLOWEST) if found else 0.0


def in_threads(pid, cpu):
    """Seconds of the process's `cpu` that were not its first thread's; 0 where the kernel does not tell."""
    found = _schedule(pid)
    return cpu - found[0] / 1e9 if found else 0.0


def spent(wall, cpu, waited, handing):
    """(seconds that a run would have taken with a core for each process, whether it had nearly that).

    All in seconds: the wall clock; the CPU time of the candidate and its tests; how long the two queued for a core,
    or None where that is not counted; `for_memory`. Without the count a run that kept a core busy all along took what
    the wall clock says; another may have slept or queued, hence has its limit on CPU time, and a later one on the
    wall clock.
    """
    if waited is not None:
        return wall - waited - handing, waited <= QUIET * wall
    if cpu >= (1 - QUIET) * wall:
        return wall - handing, True
    return max(cpu / len(os.sched_getaffinity(0)), wall / _UNCOUNTED) - handing, False
