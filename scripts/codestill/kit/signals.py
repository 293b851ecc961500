"""Passes signals on to the programs below this process.

SLURM asks only the first process of a job's step to end (unless a site sets SignalChildrenProcesses). That is
Snakemake, which waits for its job and does not tell it: a training would learn of the end by being killed.
"""

import contextlib
import os
import signal
import threading

import psutil

# How SLURM asks a job to end: the one at its limit, the other as a warning before it (--signal).
END_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


def relay_signals():
    """From now on pass SIGTERM and SIGUSR1 on to those Python processes below this one that catch them.

    Works beside whatever handlers are set later: the numbers arrive through Python's wake-up descriptor. SIGUSR1
    does nothing else here. To be called in the main thread.
    """
    arrivals, wakeup = os.pipe()
    os.set_blocking(wakeup, False)
    signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
    signal.signal(signal.SIGUSR1, lambda *_: None)
    threading.Thread(target=_relay, args=(arrivals,), daemon=True).start()


def _relay(arrivals):
    while numbers := os.read(arrivals, 64):
        for number in set(numbers) & set(END_SIGNALS):
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error, OSError):
                    if process.name().startswith("python") and _catches(process.pid, number):
                        process.send_signal(number)


def _catches(pid, number):
    """Whether a process has a handler for a signal. Those without one would only die of it."""
    with open(f"/proc/{pid}/status") as status:
        caught = next(line.split()[1] for line in status if line.startswith("SigCgt:"))
    return bool(int(caught, 16) >> (number - 1) & 1)
