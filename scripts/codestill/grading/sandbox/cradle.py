"""A worker's hold on its zygote: starts it, asks it for a candidate's process, and ends it."""

import os
import socket
import subprocess
import sys

from codestill.grading.sandbox import wire, zygote
from codestill.grading.sandbox.isolation import named
from codestill.grading.sandbox.scratch import Scratch

_STARTS = 120  # seconds that a zygote may take to be ready, on the busiest machine
_ANSWERS = 60  # and to do what it is asked for


class Refused(Exception):
    """The kernel does not offer the level of isolation."""


class Cradle:
    """The zygote's process and the socket to it.

    hidden: modules that candidates may not import; scratch: the folder that candidates write without `namespaces`;
    tests: the one of the tests' process.
    """

    def __init__(self, level, hidden=()):
        self.namespaces, self.folder = named(level).namespaces, Scratch()
        os.chmod(self.folder.path, 0o711)
        self.scratch = os.path.join(self.folder.path, "scratch")
        self.tests = os.path.join(self.folder.path, "tests")
        for folder in (self.scratch, self.tests):
            os.mkdir(folder, 0o700)
        # No secret of the environment's reaches a candidate; a fixed hash seed makes the order of sets repeatable.
        environment = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        ours, theirs = socket.socketpair()
        flags = ["-s", "-P", "-B", "-W", "ignore"]
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, *flags, zygote.__file__, level, self.scratch, str(theirs.fileno()), *hidden],
                env=environment, pass_fds=[theirs.fileno()], cwd="/",
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        self.socket = ours

    @property
    def private(self):
        """Descriptors that no other process may hold."""
        return self.socket.fileno(), self.folder.lock

    def ready(self):
        """Wait until it is; bytes of address space that a candidate starts with.

        Raises Refused where the level is not to be had.
        """
        try:
            what, detail = wire.receive(self.socket.fileno(), _STARTS)
        except wire.Closed:
            what, detail = "refused", "the zygote died"
        if what != "ready":
            raise Refused(detail)
        return detail

    def _send(self, request, descriptors=()):
        socket.send_fds(self.socket, [b"!"], list(descriptors))
        wire.send(self.socket.fileno(), request)

    def run(self, pipes, memory, cpu, wall):
        """Fork a candidate that holds `pipes`. memory: bytes; seconds of CPU, and of the clock on the wall, at most."""
        self._send(["run", memory, cpu, wall], pipes)

    def look(self):
        """The number here of the candidate's process, 0 where that is not to be known."""
        self._send(["look"])
        _, handles, _, _ = socket.recv_fds(self.socket, 1, 1)
        if not handles:
            raise wire.Closed
        try:
            with open(f"/proc/self/fdinfo/{handles[0]}") as info:
                return max(0, next(int(line.split()[1]) for line in info if line.startswith("Pid:")))
        except (OSError, StopIteration):
            return 0
        finally:
            os.close(handles[0])

    def stop(self):
        """Kill the candidate; [signal, exit code, CPU seconds, peak bytes]."""
        self._send(["stop"])
        return wire.receive(self.socket.fileno(), _ANSWERS)

    def close(self):
        """End the zygote, and with it all that it started."""
        self.socket.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.folder.remove()
