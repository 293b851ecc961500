"""Work shared among processes of this machine: in order, few pieces under way at once, none left behind."""

import ctypes
import multiprocessing
import os
import signal
import sys
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from itertools import chain, islice

_PR_SET_PDEATHSIG = 1
_AHEAD = 2  # pieces that wait for each process: memory stays the same however many there are
_function = None  # what a forked process does; it is inherited, and so may hold what no pipe can carry


def in_order(function, pieces, workers):
    """Yield function(piece) for each of `pieces`, in their order, made by `workers` processes forked from this one.

    No more than a few pieces a process are read ahead. What `function` raises is raised here. With one worker, or one
    piece, everything is done in this process, as it is where forking is unsafe (macOS).
    """
    pieces = iter(pieces)
    first = list(islice(pieces, 2))
    if workers < 2 or len(first) < 2 or sys.platform != "linux":
        yield from map(function, chain(first, pieces))
        return
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("fork"), initializer=_begin, initargs=(function, os.getpid())
    )
    try:
        waiting = deque()
        for piece in chain(first, pieces):
            waiting.append(pool.submit(_call, piece))
            if len(waiting) >= _AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(function, parent):
    """Take the function; end with the parent, which may be killed before it can say so."""
    global _function
    _function = function
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _call(piece):
    return _function(piece)
