"""The tests' own process: runs a problem's `check` on a stand-in for the candidate, which lives in another process.

What the candidate sends is rebuilt from typed literals, hence its objects never take part in a comparison. The
prompt is run here as well, for the names that a test uses: a test never sees a name that the candidate defined.
"""

import ast
import builtins
import mmap
import os
import random
import resource
import socket
import sys
import time

from codestill.grading.sandbox import wire
from codestill.grading.sandbox.candidate import MESSAGE, Mute, message_of
from codestill.grading.sandbox.clocks import address_space
from codestill.grading.sandbox.literals import Encoder, Malformed, decode, value_of

RUNS = 500  # candidates that one process examines; then another takes its place
SWOLLEN = 256 << 20  # bytes of memory at which one is replaced earlier
SPARE = 256 << 20  # bytes of address space beyond a candidate's for the tests and the values that they receive


class Link:
    """Calls to the candidate's process, one at a time. `gone(kind, detail)` ends this process with a verdict.

    names: what the prompt and the test define, once they have run.
    """

    def __init__(self, receive_from, send_to, gone):
        self.receive_from, self.send_to, self.gone = receive_from, send_to, gone
        self.names = {}

    def receive(self):
        """The candidate's next message; no test goes on once the candidate has gone."""
        try:
            return wire.receive(self.receive_from)
        except wire.Closed:
            self.gone("died", "")
        except Malformed as error:
            self.gone("exception", f"unreadable answer: {error}")

    def ask(self, request, objects):
        """Send a request; the value that comes back, or the exception raised. `objects` are those of the request."""
        try:
            wire.send(self.send_to, request)
        except wire.Closed:
            self.gone("died", "")
        answer = self.receive()
        try:
            outcome, nodes, changed, reference = answer
            decode(nodes, objects, changed, self._import)
            value = value_of(reference, objects)
            error = self._exception(*value) if outcome == "raise" else None
        except (Malformed, ValueError, TypeError) as broken:
            self.gone("exception", f"unreadable answer: {broken}")
        if error is not None:
            raise error
        return value

    def call(self, handle, args, kwargs):
        """Call a function of the candidate's."""
        encoder = Encoder(export=lambda value: self._export(value, encoder))
        references = [encoder.encode(value) for value in args]
        named = {name: encoder.encode(value) for name, value in kwargs.items()}
        return self.ask(["call", handle, encoder.nodes, references, named], encoder.objects)

    def _export(self, value, encoder):
        """Stand-ins go back as what they stand for, instances of the prompt's classes as name and attributes."""
        if isinstance(value, Remote):
            return "remote", value.handle
        name = type(value).__name__
        if self.names.get(name) is type(value) and hasattr(value, "__dict__"):
            return "instance", [name, encoder.refer(vars(value))]
        return None

    def _import(self, kind, payload):
        """Stand-ins for what stays with the candidate."""
        stand_in = {"iterator": RemoteIterator, "function": RemoteFunction}.get(kind)
        return stand_in(self, int(payload)) if stand_in else None

    def _exception(self, names, message):
        """An exception as the candidate's: of the first class known here, under the name that it had there."""
        base = next(filter(None, map(self._known, names)), Exception)
        name = str(names[0])[:80]
        error = base.__new__(base if base.__name__ == name else type(name, (base,), {}))
        error.args = (str(message),) if message else ()
        error.from_candidate = True
        return error

    def _known(self, name):
        found = self.names.get(name) or getattr(builtins, str(name), None)
        return found if isinstance(found, type) and issubclass(found, BaseException) else None


class Remote:
    """Something that stayed with the candidate."""

    def __init__(self, link, handle):
        self._link, self.handle = link, handle


class RemoteFunction(Remote):
    """A function of the candidate's, called by value; what it changes in its arguments is changed here too."""

    def __call__(self, *args, **kwargs):
        return self._link.call(self.handle, args, kwargs)


class RemoteIterator(Remote):
    """An iterator of the candidate's, asked for one item at a time: it may be endless."""

    def __iter__(self):
        return self

    def __next__(self):
        return self._link.ask(["next", self.handle], [])


class Progress:
    """How far the candidate has come, in memory that this process and its worker share: known whatever ends them."""

    STAGES = ("starts", "syntax", "parses", "compiles", "defines")

    def __init__(self):
        self._shared = mmap.mmap(-1, mmap.PAGESIZE)

    def reach(self, stage):
        """Note a stage."""
        self._shared[0] = self.STAGES.index(stage)

    def reached(self):
        """The stage noted last."""
        return self.STAGES[self._shared[0]]


def prepares(test):
    """Whether a test prepares values, which takes time and is done once for all candidates."""
    return "def prepare(" in test


class Problem:
    """A problem's compiled prompt and test. Raises SyntaxError where the test is no Python.

    A test may define `prepare()`, called once, before any candidate: what it puts into MEMORY is there for each check.
    `allowance`: seconds that a candidate has beyond the usual, four times what preparing took, as evalplus gives.
    """

    def __init__(self, prompt, test, entry_point):
        self.entry_point = entry_point
        self.test = compile(test, "<test>", "exec", dont_inherit=True)
        self.prompt = compile(_closed(prompt), "<prompt>", "exec", dont_inherit=True)
        self.memory = {}
        began = time.process_time()
        if prepares(test):
            self.names()["prepare"]()
        self.allowance = 4 * (time.process_time() - began) if self.memory else 0.0

    def names(self):
        """What the prompt and the test define, afresh."""
        namespace = {"MEMORY": self.memory}
        exec(self.prompt, namespace)
        exec(self.test, namespace)
        return namespace


def _closed(prompt):
    """The prompt as a whole program: a function that has no body yet gets one; what is no Python is left out."""
    for text in (prompt, prompt.rstrip() + "\n    pass\n"):
        try:
            ast.parse(text)
            return text
        except SyntaxError:
            continue
    return ""


def limit_more(memory):
    """Give this process so many bytes of address space, and SPARE, beyond what it has."""
    most = address_space() + memory + SPARE
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


class _Ended(Exception):
    """A verdict before the test began."""

    def __init__(self, kind, detail):
        self.verdict = kind, detail


def _verdict(error):
    """(kind, detail) of what ended `check`."""
    detail = message_of(error)
    own = getattr(error, "from_candidate", False) is True
    if isinstance(error, AssertionError) and not own:
        return "assertion", detail
    if isinstance(error, MemoryError):
        return "memory", detail if own else "of the tests' process, for what it was given"
    return "exception", f"{type(error).__name__}: {detail}" if detail else type(error).__name__


def examine(problem, receive_from, send_to, report, progress):
    """Run a problem's test against the candidate behind two pipes; returns its verdict (kind, detail).

    `progress` is told how the candidate gets on. Should the candidate go while its test runs, this process reports
    the verdict and ends: a test that catches every exception must not go on without it.
    """

    def gone(kind, detail):
        report("last", kind, detail)
        os._exit(0)

    random.seed(0)
    sys.setrecursionlimit(1000)
    link = Link(receive_from, send_to, gone)
    try:
        _await_program(link, progress, problem.entry_point)
        namespace = link.names = problem.names()
        stand_in = RemoteFunction(link, 0)
        stand_in.__name__ = problem.entry_point
        namespace[problem.entry_point] = stand_in
        namespace["check"](stand_in)
    except _Ended as ended:
        return ended.verdict
    except BaseException as error:
        return _verdict(error)
    return "passed", ""


def _failed(failure):
    names, message = failure
    kind, name = "memory" if "MemoryError" in names else "exception", str(names[0])[:80]
    return kind, f"{name}: {message}" if message else name


def _await_program(link, progress, entry_point):
    """Follow the candidate until its program has run. Raises _Ended where it does not get that far."""
    try:
        stage, failure = link.receive()
        progress.reach(stage if stage in ("starts", "syntax", "parses") else "compiles")
        if failure is not None:
            kind, detail = _failed(failure)
            raise _Ended("memory" if kind == "memory" else "syntax", detail)
        _, failure, defined = link.receive()
        if defined:
            progress.reach("defines")
    except (ValueError, TypeError, IndexError) as broken:
        raise _Ended("exception", f"unreadable answer: {broken}") from None
    if failure is not None:
        raise _Ended(*_failed(failure))
    if not defined:
        raise _Ended("missing entry point", entry_point)


def serve(control, problems, progress, memory):
    """Examine candidates until `control`, a socket, closes. memory: bytes that this process may take for itself.

    ["problem", name, prompt, test, entry_point] adds to `problems` and is answered by its name.
    ["examine", name] comes with the two pipe ends of a candidate; answered by ["verdict", kind, detail]. A process
    that has seen much says ["last", kind, detail] instead and ends, and its worker starts another.
    """
    sys.stdin = sys.stdout = sys.stderr = Mute()
    limit_more(memory)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def report(what, kind, detail):
        wire.send(control.fileno(), [what, kind, detail[:MESSAGE]])  # whatever the candidate sent ends here

    runs, last = 0, False
    while not last:
        try:
            what, name, *text = wire.receive(control.fileno())
        except wire.Closed:
            return
        if what == "problem":
            problems[name] = Problem(*text)
            wire.send(control.fileno(), name)
            continue
        _, pipes, _, _ = socket.recv_fds(control, 1, 2)
        verdict = examine(problems[name], *pipes, report, progress)
        for end in pipes:
            os.close(end)
        runs += 1
        last = runs == RUNS or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > SWOLLEN >> 10
        report("last" if last else "verdict", *verdict)
