"""How long a process took, whatever else the machine does and however fast it hands out memory.

Linux counts for every process how long it was ready to run and queued for a core, and how long the kernel worked
for it. Less these two, a run takes as long on a loaded machine, or on one with slow memory, as on another.
"""

import contextlib
import math
import os
import time

QUIET = 0.1  # share of its time that a run which is over its limit may have queued for a core and count as alone
_UNCOUNTED = 8  # times its limit on the wall clock after which a run ends whose queueing is not counted
SLOWEST = 6 / 2**30  # most seconds of kernel time for a byte of memory; 0.4 to 3 s for a GiB were seen
_MOMENT = 0.006  # seconds in which the kernel's count of a running process moves on
_SETTLED = 5  # seconds after which the counts are taken as they are
_TICKS = os.sysconf("SC_CLK_TCK")


def threads(pid):
    """{thread: (seconds on a core, seconds queued for one)} of a process, None where the kernel does not count them."""
    found = {}
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                with open(f"/proc/{pid}/task/{thread}/schedstat") as handle:
                    ran, queued = handle.read().split()[:2]
                found[thread] = int(ran) / 1e9, int(queued) / 1e9
    except (OSError, ValueError):
        return None
    return found or None


def settle(pid):
    """Wait until `threads` holds all of the waits: the kernel adds one only once it has ended.

    That is so while a thread sleeps, and where it has run just now.
    """
    begun, before = time.monotonic(), threads(pid) or {}
    queue = set(before)
    while queue and time.monotonic() - begun < _SETTLED:
        queue = {thread for thread in queue if (_status(f"{pid}/task/{thread}") or "S")[0] == "R"}
        if queue:
            time.sleep(_MOMENT)
            now = threads(pid) or {}
            queue = {thread for thread in queue if thread in now and now[thread][0] == before[thread][0]}


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


def _size(pid, field):
    """A size in /proc/PID/status in bytes, 0 where that is not to be known."""
    try:
        with open(f"/proc/{pid}/status") as handle:
            return next(int(line.split()[1]) << 10 for line in handle if line.startswith(field))
    except (OSError, StopIteration):
        return 0


def held(pid):
    """Bytes of memory that the process holds."""
    return _size(pid, "VmRSS:")


def address_space():
    """Bytes of address space that this process has, 1 GiB where the kernel does not tell."""
    try:
        with open("/proc/self/statm") as sizes:
            return int(sizes.read().split()[0]) * os.sysconf("SC_PAGESIZE")
    except OSError:
        return 1 << 30


def for_memory(pid):
    """Seconds that the kernel worked to hand the process the memory that it held, 0 where that is not to be known.

    A program that fills its memory shall meet the limit of memory on every machine, not that of time on some: a page
    costs ten times more on one than on another.
    """
    found = _status(pid)
    return min(int(found[12]) / _TICKS, _size(pid, "VmHWM:") * SLOWEST) if found else 0.0


def many_threads(pid):
    """How many threads the process has, 0 where that is not to be known."""
    found = _status(pid)
    return int(found[17]) if found else 0


def spent(wall, cpu, waited, handing):
    """(seconds that a run would have taken with a core for each process, share of its time that others held it up).

    All in seconds: the wall clock; the CPU time of the candidate and its tests; how long the two queued for a core,
    or None where that is not counted; `for_memory`. Without the count a run that kept a core busy all along took what
    the wall clock says; another may have slept or queued for any share of it (infinite), hence has its limit on CPU
    time, and a later one on the wall clock. Threads that share the work come to its share for each core at least.
    """
    cores = len(os.sched_getaffinity(0))
    if waited is not None:
        return max(wall - waited, cpu / cores) - handing, waited / wall if wall else 0.0
    if cpu >= (1 - QUIET) * wall:
        return wall - handing, 0.0
    return max(cpu / cores, wall / _UNCOUNTED) - handing, math.inf
