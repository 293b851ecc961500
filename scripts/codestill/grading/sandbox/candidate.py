"""A candidate's own process: compile and run its program, then answer calls with typed literals until killed.

The tests are never here. The messages are those of `peer.py`.
"""

import ast
import builtins
import contextlib
import io
import os
import resource
import sys

from codestill.grading.sandbox import wire
from codestill.grading.sandbox.service import Service

MESSAGE = 2000  # characters kept of an exception's message
_AS, _setrlimit = resource.RLIMIT_AS, resource.setrlimit
# The descriptors of `type` itself: a class may have a metaclass that answers for it.
_name, _mro = type.__dict__["__name__"].__get__, type.__dict__["__mro__"].__get__


class _Silent:
    """Has no input: reading raises OSError, as there is nobody to answer."""

    def writable(self):
        return True

    def _no_input(self, *_):
        raise OSError("there is no input")

    read = read1 = readinto = readline = readlines = __next__ = _no_input


class MuteBytes(_Silent, io.BufferedIOBase):
    """Swallows bytes."""

    def write(self, data):
        """The number of bytes swallowed."""
        return memoryview(data).nbytes


class Mute(_Silent, io.TextIOBase):
    """Swallows what is printed; `buffer` takes bytes."""

    encoding, errors = "utf-8", "strict"

    def __init__(self):
        self.buffer = MuteBytes()

    def write(self, text):
        """The number of characters swallowed."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        return len(text)


def message_of(error):
    """An exception's message without running any code of the candidate's, at most MESSAGE characters."""
    try:
        arguments = BaseException.args.__get__(error)
        if isinstance(error, KeyError):
            text = ", ".join(repr(item)[:MESSAGE] for item in arguments if type(item) in (str, int, float, tuple))
        elif len(arguments) == 1 and type(arguments[0]) is str:
            text = arguments[0]
        elif isinstance(error, OSError | SyntaxError) and type(error).__str__ in (OSError.__str__, SyntaxError.__str__):
            text = str(error)
        else:
            text = ", ".join(str(item)[:MESSAGE] for item in arguments if type(item) in (str, int, float))
        return text[:MESSAGE]
    except Exception:
        return ""


def describe(error):
    """[names of the exception's classes from its own to its bases, message]."""
    return [[_name(cls)[:80] for cls in _mro(type(error))], message_of(error)]


class Bounds:
    """The limit of memory while the program's own code runs; what serves it has the spare above that for itself."""

    def __init__(self):
        soft, hard = resource.getrlimit(_AS)
        self.tight, self.wide = (soft, hard), (hard, hard)
        _setrlimit(_AS, self.wide)

    def __enter__(self):
        self._set(self.tight)

    def __exit__(self, *_):
        self._set(self.wide)

    @contextlib.contextmanager
    def lifted(self):
        """Without the limit for a while."""
        self._set(self.wide)
        try:
            yield
        finally:
            self._set(self.tight)

    @staticmethod
    def _set(limits):
        try:  # noqa: SIM105 - where memory has run out, no other object can be made
            _setrlimit(_AS, limits)
        except (OSError, ValueError):
            pass  # the program has lowered its own limits


def compiled(receive_from):
    """The program that comes from the pipe as UTF-8: (code or None, stage, exception).

    stage is `starts` (it could not be received), `syntax`, `parses` (it does not compile further) or `compiles`.
    """
    stage = "starts"
    try:
        source = wire.receive_bytes(receive_from).decode("utf-8", "surrogatepass")
        stage = "syntax"
        return compile(source, "<string>", "exec", dont_inherit=True), "compiles", None
    except BaseException as error:
        try:
            if stage == "syntax":
                ast.parse(source)
                stage = "parses"
        except BaseException:
            pass
        return None, stage, error


# Made here, before the fork: each object that a process is the first to touch costs it a page.
# A copy for the program, so that what it does to builtins reaches itself and not what serves it.
_BUILTINS = type(builtins)("builtins")
vars(_BUILTINS).update(vars(builtins), exit=None, quit=None, help=None)
_MUTE = Mute()


def live(receive_from, send_to):
    """Receive the name of an entry point and a program, run it, report how far it came, serve calls; then end."""
    sys.stdin = sys.stdout = sys.stderr = sys.__stdin__ = sys.__stdout__ = sys.__stderr__ = _MUTE
    sys.modules["builtins"] = _BUILTINS
    entry_point = wire.receive(receive_from)
    code, stage, error = compiled(receive_from)
    wire.send(send_to, [stage, describe(error) if error else None])
    if code is None:
        os._exit(0)
    # No more, so that __name__ is that of no module, and no `if __name__ == "__main__"` runs.
    namespace = {"__builtins__": vars(_BUILTINS)}
    failure, bounds = None, Bounds()
    try:
        with bounds:
            exec(code, namespace)
    except BaseException as error:
        failure = describe(error)
    defined = entry_point in namespace
    wire.send(send_to, ["ran", failure, defined])
    if failure is None and defined:
        Service(namespace, entry_point, bounds, receive_from, send_to).serve()
    os._exit(0)
