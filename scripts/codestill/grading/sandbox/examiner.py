"""The tests' own process: runs a problem's `check` on a stand-in for the candidate, which lives in another process.

What the candidate sends is rebuilt from typed literals, hence its objects never take part in a comparison. The
prompt is run here as well, for the names that a test uses: a test never sees a name that the candidate defined.
"""

import ast
import builtins
import contextlib
import dis
import errno
import functools
import mmap
import os
import random
import resource
import socket
import sys
import tempfile
import time
import traceback
import types

from codestill.grading.sandbox import wire
from codestill.grading.sandbox.candidate import MESSAGE, Mute, message_of
from codestill.grading.sandbox.clocks import address_space
from codestill.grading.sandbox.decoding import Opaque
from codestill.grading.sandbox.link import LITERALS, Link, classes_of
from codestill.grading.sandbox.surroundings import mentioned

RUNS = 500  # candidates that one process examines; then another takes its place
TEST = "<test>"  # the file that a test's text counts as
UNJUDGED = "cannot be judged here"  # the kind of verdict where a rule of the split may have decided
SWOLLEN = 256 << 20  # bytes of memory at which one is replaced earlier
SPARE = 256 << 20  # bytes of address space beyond a candidate's for the tests and the values that they receive


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
        self.entry_point, self.text = entry_point, test
        self.uses = mentioned(test)
        self.test = compile(test, TEST, "exec", dont_inherit=True)
        self.test_names = sorted(set(_names(self.test)))
        tree = ast.parse(_closed(prompt))
        self.prompt = compile(tree, "<prompt>", "exec", dont_inherit=True)
        # A completion goes on with what the prompt ends in.
        self.continued = getattr(tree.body[-1], "name", None) if tree.body else None
        self.free = any(isinstance(node, ast.ClassDef) and node.name == entry_point for node in tree.body)
        self.memory, self.allowance = {}, 0.0
        if prepares(test):
            began = time.process_time()
            namespace = self.given()
            exec(self.test, namespace)
            namespace["prepare"]()
            self.allowance = 4 * (time.process_time() - began) if self.memory else 0.0

    def given(self):
        """What the prompt defines, afresh."""
        namespace = {"MEMORY": self.memory}
        exec(self.prompt, namespace)
        return namespace

    @functools.cached_property
    def _assertions(self):
        return [node for node in ast.walk(ast.parse(self.text)) if isinstance(node, ast.Assert)]

    def assertion(self, line):
        """The text of the assertion on a line of the test; "" without one."""
        found = [node for node in self._assertions if line and node.lineno <= line <= node.end_lineno]
        lines = self.text.split("\n")[found[0].lineno - 1 : found[0].end_lineno] if found else []
        return " ".join(one.strip() for one in lines)

    def run(self, link, folder):
        """Run the test; raises what it raises."""
        namespace = self.given()
        stand_in = link.meet(classes_of(self.continued, namespace), self.entry_point, folder)
        link.lend(self.test_names, namespace)
        namespace[self.entry_point] = stand_in  # the test's own code may name it, too
        exec(self.test, namespace)
        check = namespace["check"]
        namespace[self.entry_point] = stand_in
        check(stand_in)


def _names(code):
    """The global names that a code object and those within it look up, where there are others than builtins."""
    if not all(hasattr(builtins, name) for name in code.co_names):
        for step in dis.get_instructions(code):
            if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                yield step.argval
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


@contextlib.contextmanager
def _own_folder(wanted):
    """A folder for the files that a test writes, the working folder meanwhile, or None where none is `wanted`."""
    if not wanted:
        yield None
        return
    before, temporary = os.getcwd(), tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix="grading-tests-", ignore_cleanup_errors=True) as folder:
        tempfile.tempdir = folder
        os.chdir(folder)
        try:
            yield folder
        finally:
            os.chdir(before)
            tempfile.tempdir = temporary


def _closed(prompt):
    """The prompt as a whole program: what has no body yet gets one, and lines that are no Python are left out."""
    lines = prompt.rstrip().split("\n")
    while lines:
        indent = len(lines[-1]) - len(lines[-1].lstrip())
        for end in ("", "\n" + " " * indent + "    pass", "\n" + " " * indent + "pass"):
            text = "\n".join(lines) + end + "\n"
            try:
                ast.parse(text)
                return text
            except (SyntaxError, ValueError):
                continue
        lines.pop()
    return ""


def limit_more(memory):
    """Give this process so many bytes of address space, and SPARE, beyond what it has."""
    most = address_space() + memory + SPARE
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


class _Ended(Exception):
    """A verdict before the test began."""

    def __init__(self, kind, detail):
        self.verdict = kind, detail


def _doubt(error):
    """The rule of the split that may be behind an exception of a test's own, or None."""
    if _of_candidate(error):
        return None
    if isinstance(error, OSError) and _out_of_reach(error):
        return "the tests' process is locked in, too"
    if isinstance(error, AttributeError) and isinstance(error.obj, (*LITERALS, Opaque)):
        return f"only the {type(error.obj).__name__} of what the program gave is carried"
    return None


def _out_of_reach(error):
    """Whether the lock may be the reason why a test's call failed: no right, or a path of which nothing is shown."""
    away = error.errno == errno.ENOENT and os.path.isabs(str(error.filename))
    return away or error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)


def _of_candidate(error):
    return getattr(error, "from_candidate", False) is True


def _verdict(error, problem):
    """(kind, detail) of what ended `check`; of an assertion without a message, its own text."""
    detail = message_of(error)
    own = _of_candidate(error)
    if isinstance(error, AssertionError) and not own:
        return "assertion", detail or problem.assertion(_line(error))
    if isinstance(error, MemoryError):
        return "memory", detail if own else "of the tests' process, for what it was given"
    return "exception", f"{type(error).__name__}: {detail}" if detail else type(error).__name__


def _line(error):
    """The innermost line of a test's own text that an exception came through, or None."""
    frames = traceback.walk_tb(error.__traceback__)
    return next((line for frame, line in reversed(list(frames)) if frame.f_code.co_filename == TEST), None)


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
    link = Link(receive_from, send_to, gone, problem.text, problem.uses, problem.free)
    try:
        _await_program(link, progress, problem.entry_point)
    except _Ended as ended:
        return ended.verdict
    try:
        with _own_folder("files" in problem.uses) as folder:
            problem.run(link, folder)
    except BaseException as error:
        kind, detail = _verdict(error, problem)
        doubt = link.doubt or _doubt(error)
        judged = doubt is None or kind not in ("assertion", "exception")
        return (kind, detail) if judged else (UNJUDGED, f"{doubt}, then {kind}: {detail}")
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


def serve(control, problems, progress):
    """Examine candidates until `control`, a socket, closes.

    ["problem", name, prompt, test, entry_point] adds to `problems` and is answered by its name.
    ["examine", name] comes with the two pipe ends of a candidate; answered by ["verdict", kind, detail]. A process
    that has seen much says ["last", kind, detail] instead and ends, and its worker starts another.
    """
    sys.stdin = sys.stdout = sys.stderr = Mute()
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
