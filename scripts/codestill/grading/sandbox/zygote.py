"""The clean zygote: a process that never sees a test, from which every candidate's process is forked.

Run as a program by `worker.py`, with the level's name, the scratch folder and a socket's descriptor. On the socket
it takes `["run", source, entry_point, memory, seconds]` with the two pipe ends of the candidate, `["look"]` (CPU
seconds so far, and a descriptor that names the process) and `["stop"]` (kill it, tidy up, say how it ended).
"""

import os
import signal
import socket
import sys
import time


class Nursery:
    """Forks one candidate at a time and buries it."""

    def __init__(self, zygote, control, live):
        self.zygote, self.control, self.live = zygote, control, live
        self.pid = None

    def run(self, pipes, source, entry_point, memory, seconds):
        """Fork the candidate's process; it reads from and writes to `pipes`."""
        self.pid = os.fork()
        if self.pid:
            return
        try:
            ends = _close_all_but(pipes, [self.zygote.ruleset])
            self.zygote.confine(memory, seconds)
            self.live(source, entry_point, *ends)
        finally:
            os._exit(70)

    def cpu(self):
        """Seconds of CPU that the candidate has used (its process's CPU clock)."""
        try:
            return time.clock_gettime(~self.pid << 3 | 2)
        except OSError:
            return 0.0

    def stop(self):
        """Kill the candidate; [signal or None, exit code or None, CPU seconds, peak memory in bytes]."""
        os.kill(self.pid, signal.SIGKILL)
        _, status, usage = os.wait4(self.pid, 0)
        if os.getpid() == 1:
            self._bury_the_rest()
        self.pid = None
        self.zygote.clean()
        code = os.waitstatus_to_exitcode(status)
        seconds = usage.ru_utime + usage.ru_stime
        return [-code if code < 0 else None, code if code >= 0 else None, seconds, usage.ru_maxrss * 1024]

    @staticmethod
    def _bury_the_rest():
        """As the first process of a namespace: kill and reap whatever else is in it."""
        try:
            os.kill(-1, signal.SIGKILL)
            while True:
                os.waitpid(-1, 0)
        except (ProcessLookupError, ChildProcessError):
            return


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
    control = nursery.control
    wire.send(control.fileno(), ["ready"])
    while True:
        _, pipes, _, _ = socket.recv_fds(control, 1, 2)
        try:
            request = wire.receive(control.fileno())
        except wire.Closed:
            return
        if request[0] == "run":
            nursery.run(pipes, *request[1:])
            for end in pipes:
                os.close(end)
        elif request[0] == "look":
            handle = os.pidfd_open(nursery.pid)
            socket.send_fds(control, [b"!"], [handle])
            os.close(handle)
            wire.send(control.fileno(), nursery.cpu())
        else:
            wire.send(control.fileno(), nursery.stop())


def main():
    """Enter the level named on the command line and serve until the socket closes."""
    # All of this project's modules now: inside the namespaces its folder is out of sight.
    from codestill.grading.sandbox import candidate, preloaded, wire
    from codestill.grading.sandbox.isolation import Zygote, named

    level, scratch, descriptor = named(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    control = socket.socket(fileno=os.dup2(descriptor, 100))
    os.close(descriptor)
    try:
        zygote = Zygote(level, scratch)
    except OSError as error:
        wire.send(control.fileno(), ["refused", str(error)])
        os._exit(0)
    preloaded.load()
    if zygote.ruleset is not None:
        zygote.ruleset = os.dup2(zygote.ruleset, 101)
    nursery = Nursery(zygote, control, candidate.live)
    _forget()
    _until_stopped(nursery, wire)


SCRIPTS = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))

if __name__ == "__main__":
    sys.path.insert(0, SCRIPTS)
    main()
