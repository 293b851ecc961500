"""The clean zygote: a process that never sees a test, from which every candidate's process is forked.

Run as a program by `worker.py`, with the level's name, the scratch folder and a socket's descriptor. On the socket
it takes `["run", memory, cpu, wall]` with the two pipe ends of the candidate, `["look"]` (a descriptor that names the
process) and `["stop"]` (kill it, tidy up, say how it ended). A candidate reads its text from its pipe, after the fork:
what this process never held, no later candidate finds in its memory.
"""

import contextlib
import os
import select
import signal
import socket
import sys
import time


class Nursery:
    """Forks one candidate at a time and buries it."""

    def __init__(self, zygote, control, live):
        self.zygote, self.control, self.live = zygote, control, live
        self.pid = self.until = None

    def run(self, pipes, memory, cpu, wall):
        """Fork the candidate's process; it reads from and writes to `pipes`."""
        self.until = time.monotonic() + wall
        self.pid = os.fork()
        if self.pid:
            return
        try:
            ends = _close_all_but(pipes, [self.zygote.ruleset])
            self.zygote.confine(memory, cpu)
            self.live(*ends)
        finally:
            os._exit(70)

    def awaits(self):
        """Milliseconds until the candidate must have ended, whatever its worker says; None where there is none."""
        return None if self.until is None else max(0, self.until - time.monotonic()) * 1000

    def kill(self):
        """Kill the candidate's process, which stays to be buried."""
        self.until = None
        os.kill(self.pid, signal.SIGKILL)

    def stop(self):
        """End the candidate; [signal or None, exit code or None, CPU seconds, peak memory in bytes]."""
        self.kill()
        _, status, usage = os.wait4(self.pid, 0)
        self._bury_the_rest()
        self.pid = None
        self.zygote.clean()
        code = os.waitstatus_to_exitcode(status)
        seconds = usage.ru_utime + usage.ru_stime
        return [-code if code < 0 else None, code if code >= 0 else None, seconds, usage.ru_maxrss * 1024]

    def _bury_the_rest(self):
        """Kill and reap whatever else the candidate has left; without it being first of a namespace it comes here."""
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            while self.zygote.level.namespaces or _children():
                for pid in [-1] if self.zygote.level.namespaces else _children():
                    os.kill(pid, signal.SIGKILL)
                os.waitpid(-1, 0)


def _children():
    """This process's children, as the kernel lists them."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as listed:
            return [int(pid) for pid in listed.read().split()]
    except OSError:
        return []


def _close_all_but(pipes, others):
    """Close every descriptor but the pipes, moved to 3 and 4, and `others`; 0 to 2 are nothing's."""
    nothing = os.open("/dev/null", os.O_RDWR)
    high = [os.dup2(end, 200 + index) for index, end in enumerate(pipes)]
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    kept = [descriptor for descriptor in others if descriptor is not None]
    if any(descriptor < 5 for descriptor in kept):
        raise RuntimeError("a descriptor in the way")
    ends = [os.dup2(end, 3 + index) for index, end in enumerate(high)]
    low = 5
    for descriptor in sorted(kept):
        os.closerange(low, descriptor)
        low = descriptor + 1
    os.closerange(low, 256)
    return ends


def _forget():
    """Take this project out of the candidates' sight: its modules and its place on the path."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "codestill"]:
        del sys.modules[name]
    sys.path[:] = [path for path in sys.path if path != SCRIPTS]
    sys.argv[:] = [""]
    os.environ.clear()
    main = sys.modules["__main__"]
    sys.modules["__main__"] = type(main)("__main__")


def _until_stopped(nursery, wire):
    """Serve the worker until it closes the socket or has ended; then no candidate may live on."""
    control = nursery.control
    waiting = select.poll()
    waiting.register(control, select.POLLIN)
    try:
        while True:
            if not waiting.poll(nursery.awaits()):
                nursery.kill()
                continue
            _, pipes, _, _ = socket.recv_fds(control, 1, 2)
            what, *request = wire.receive(control.fileno())
            if what == "run":
                nursery.run(pipes, *request)
                for end in pipes:
                    os.close(end)
            elif what == "look":
                handle = os.pidfd_open(nursery.pid)
                socket.send_fds(control, [b"!"], [handle])
                os.close(handle)
            else:
                wire.send(control.fileno(), nursery.stop())
    except (wire.Closed, OSError):
        if nursery.pid:
            nursery.stop()


def _import_random():
    """The module `random`, without the hook by which it would draw a new seed in every fork."""
    register, os.register_at_fork = os.register_at_fork, lambda **_: None
    try:
        import random
    finally:
        os.register_at_fork = register
    return random


def main():
    """Enter the level named on the command line and serve until the socket closes."""
    random = _import_random()
    # All of this project's modules now: inside the namespaces its folder is out of sight.
    from codestill.grading.sandbox import candidate, clocks, preloaded, wire
    from codestill.grading.sandbox.hidden import Hidden
    from codestill.grading.sandbox.isolation import Zygote, named
    from codestill.grading.sandbox.kernel.syscalls import adopt_orphans

    level, scratch, descriptor = named(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    sys.meta_path.insert(0, Hidden(sys.argv[4:]))
    control = socket.socket(fileno=os.dup2(descriptor, 100))
    os.close(descriptor)
    preloaded.load()
    random.seed(0)  # the same program behaves the same in every run
    size = clocks.address_space()
    try:
        zygote = Zygote(level, scratch)
    except OSError as error:
        wire.send(control.fileno(), ["refused", str(error)])
        os._exit(0)
    adopt_orphans()
    if zygote.ruleset is not None:
        zygote.ruleset = os.dup2(zygote.ruleset, 101)
    nursery = Nursery(zygote, control, candidate.live)
    _forget()
    wire.send(control.fileno(), ["ready", size])
    _until_stopped(nursery, wire)


SCRIPTS = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))

if __name__ == "__main__":
    sys.path.insert(0, SCRIPTS)
    main()
