"""The tests' side of the pipe. What comes from the candidate may say what it is, never whether it is right.

- An object of the candidate's is compared with another of its objects by its own code, with a value of the test's
  never: it equals none. Its own arithmetic is asked only where the problem asks for a class.
- Of an object that stands in for a result, names are looked up that no literal has; a test which looks up others
  expects a literal, and an object that pretends to be one could answer it as it liked. Again a class is free.
- Of the tests' objects the candidate may call functions and take items from iterators that the test has given it, and
  of other objects use public names and operators. Nothing leads from there to the test: no frame, code or module.
Where such a rule may have changed a verdict, `doubt` holds the reason.
"""

import builtins
import functools
import inspect
import sys
import types

from codestill.grading.sandbox import wire
from codestill.grading.sandbox.literals import Malformed
from codestill.grading.sandbox.peer import Peer
from codestill.grading.sandbox.reports import HEARD
from codestill.grading.sandbox.shared_classes import SharedClasses, defined_in
from codestill.grading.sandbox.stand_ins import ARITHMETIC, EQUALITY, ORDER, SPECIAL, Remote, handle_of
from codestill.grading.sandbox.surroundings import Environ, Files, Patches, RandomNumbers, Surroundings, translated

LITERALS = (str, list, dict, set, tuple, int, float, bytes, complex, frozenset)
LITERAL_NAMES = frozenset(name for kind in LITERALS for name in dir(kind) if not name.startswith("_"))
_ANSWERED = frozenset((*SPECIAL, "__next__", "__anext__"))
_KEPT_ALIKE = {"random": RandomNumbers, "environ": Environ}
_TOLD = ("__name__", "__qualname__", "__doc__")
_FIXED = (type, types.FunctionType, types.BuiltinFunctionType, types.MethodType, functools.partial)


class Link(Peer):
    """Calls to the candidate's process, one at a time. `gone(kind, detail)` ends this process with a verdict.

    free: the problem asks for a class, whose instances answer for themselves.
    """

    def __init__(self, receive_from, send_to, gone, test="", uses=frozenset(), free=False):
        super().__init__(receive_from, send_to)
        self.gone, self.free, self.doubt = gone, free, None
        self.uses, self.paths = uses, None
        self.surroundings = Surroundings(modules=Patches(test, "modules" in uses))

    def meet(self, prompt, entry_point, folder):
        """Agree on the prompt's classes and on what is kept alike; the entry point's stand-in.

        prompt: what the prompt defines; folder: an empty one for files, or None.
        """
        shared = {name: cls for name, cls in prompt.items() if name.partition(".")[0] != entry_point}
        if shared:
            theirs = self.ask("share", 0, *shared)
            self.shared = SharedClasses({name: cls for name, cls in shared.items() if name in theirs})
        for part in self.uses & {"random", "environ", "logging", "warnings"}:
            self.ask("follow", 0, part, None)
            if part in _KEPT_ALIKE:
                self.surroundings.parts[part] = _KEPT_ALIKE[part]()
        if folder:
            theirs = self.ask("follow", 0, "files", folder.rpartition("/")[2])
            self.surroundings.parts["files"] = Files(folder)
            self.paths = folder, str(theirs)
        if self.free:
            return self.ask("entry", 0)
        return self.make("object", [0, "function", ["__call__"], [], []], None)

    def lend(self, names, namespace):
        """Put into `namespace` those of the candidate's functions and values that a test names and nobody else has."""
        missing = [name for name in names if name not in namespace and not hasattr(builtins, name)]
        if missing:
            theirs = set(self.ask("names of program", 0))
            for name in missing:
                if name in theirs:
                    namespace[name] = self.ask("global", 0, name)

    # The pipe.

    def send(self, message):
        """Send a message; no test goes on once the candidate has gone."""
        try:
            super().send(translated(message, *self.paths) if self.paths else message)
        except wire.Closed:
            self.gone("died", "")

    def receive(self):
        """The candidate's next message."""
        try:
            message = super().receive()
            return translated(message, *self.paths[::-1]) if self.paths else message
        except wire.Closed:
            self.gone("died", "")
        except Malformed as error:
            self._unreadable(error)

    def _unreadable(self, error):
        self.gone("exception", f"unreadable answer: {error}")

    def _answered(self, encoder, *message):
        try:
            value = self._value(encoder, *message)
        except (Malformed, ValueError, TypeError, OSError, IndexError, KeyError) as broken:
            self._unreadable(broken)
        if message[0] != "raise":
            return value
        if not isinstance(value, BaseException):
            self._unreadable("no exception")
        value.from_candidate = True
        raise value

    def answer(self, request):
        """The answer to what the candidate asks while a test waits for it."""
        try:
            return super().answer(request)
        except (Malformed, ValueError, TypeError) as broken:
            self._unreadable(broken)

    def around(self):
        """What the test has changed about it."""
        try:
            return self.surroundings.changes()
        except ValueError as large:
            self.doubts(str(large))
            return None

    def surround(self, around):
        """Take over what the candidate has changed."""
        self.surroundings.apply(around)

    # What the test does with the candidate's objects.

    def doubts(self, reason):
        """Note why the verdict may be wrong; the first reason stays."""
        self.doubt = self.doubt or reason

    def _ours(self, value):
        return isinstance(value, Remote)

    def ask_special(self, stand_in, name, args):
        """As a rule asked there; not where the answer would be the verdict."""
        theirs = bool(args) and self._ours(args[0])
        what = f"a {type(stand_in).__name__} object of the program's own"
        if name in EQUALITY + ORDER and not theirs:
            self.doubts(f"{what} was compared with a value of the test's")
            return NotImplemented
        if name in ARITHMETIC and not theirs and not self.free:
            self.doubts(f"{what} was calculated with")
            return NotImplemented
        if name == "__contains__" and not theirs and not self.free:
            return any(item is args[0] or item == args[0] for item in stand_in)
        return super().ask_special(stand_in, name, args)

    def look_up(self, stand_in, name):
        """An attribute of the candidate's, where it is not one of a literal's."""
        if name == "__signature__":
            return self._signature(stand_in)
        if name in _ANSWERED:
            return functools.partial(self.ask_special, stand_in, name)
        if name in LITERAL_NAMES and not self._open(stand_in, name):
            kind = type(stand_in).__name__
            self.doubts(f"a {kind} object of the program's own was asked for {name!r}, which values of Python's have")
            raise AttributeError(f"{kind!r} object has no attribute {name!r}")
        return super().look_up(stand_in, name)

    def _open(self, stand_in, name):
        return self.free or handle_of(stand_in) == 0 or any(hasattr(cls, name) for cls in self._shared_bases(stand_in))

    def _shared_bases(self, stand_in):
        return [cls for cls in type(stand_in).__mro__ if cls in self.shared.names]

    def _signature(self, stand_in):
        empty = inspect.Parameter.empty
        return inspect.Signature(
            [
                inspect.Parameter(str(name), inspect._ParameterKind(kind), default=default[0] if default else empty)
                for name, kind, default in self.ask("signature", 0, handle_of(stand_in))
            ]
        )

    # What the candidate does with the test's objects.

    def handle_node(self, value, encoder):
        """What both have imported goes by name."""
        module, name = _place(value)
        if module is not None:
            return "named", [module, name]
        return super().handle_node(value, encoder)

    def content(self, kind, value, encoder):
        """An exception of the test's comes back as itself."""
        if kind != "exception":
            return super().content(kind, value, encoder)
        self.held.append(value)
        return [*super().content(kind, value, encoder), len(self.held) - 1]

    def not_carried(self, value):
        """A frame or the like."""
        self.doubts(f"a {type(value).__name__} object cannot be given to the program")

    def perform(self, what, handle, args, kwargs):
        """Classes and functions of the test's stay as they are."""
        value = self.held[handle] if what not in HEARD else None
        if what in HEARD:
            return HEARD[what](*args)
        if what in ("set", "delete") and (
            isinstance(value, _FIXED) or args[0].startswith("_") or callable(getattr(type(value), args[0], None))
        ):
            raise AttributeError(f"{args[0]!r} of this object cannot be changed here")
        if what in ("set", "delete", "get", "method") and _keeps_score(value, args[0]):
            raise AttributeError(f"{args[0]!r} of a mock is the test's alone")
        if what == "names":
            return [name for name in dir(value) if not name.startswith("_")]
        return super().perform(what, handle, args, kwargs)

    def look_up_here(self, value, name):
        """A public attribute."""
        if name.startswith("_") and name not in _TOLD:
            raise AttributeError(f"{type(value).__name__!r} object has no attribute {name!r}")
        return super().look_up_here(value, name)

    def method(self, value, name, *args, **kwargs):
        """A public method, or an operator."""
        if name.startswith("__") and name not in _ANSWERED:
            raise AttributeError(f"{type(value).__name__!r} object has no attribute {name!r}")
        return super().method(value, name, *args, **kwargs)


def _keeps_score(value, name):
    """Whether a name of a mock's is one by which a test sees how it was used, or may settle that."""
    mocks = sys.modules.get("unittest.mock")
    return mocks is not None and isinstance(value, mocks.NonCallableMock) and name in _public(mocks.NonCallableMock)


@functools.cache
def _public(cls):
    return frozenset(name for name in dir(cls) if not name.startswith("_"))


def _place(value):
    """(module, qualified name) of a module, class or function that can be imported, else (None, None)."""
    if isinstance(value, types.ModuleType):
        module, name = value.__name__, ""
    elif isinstance(value, (types.MethodDescriptorType, types.WrapperDescriptorType)):
        module, name = value.__objclass__.__module__, value.__qualname__
    elif isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
        module, name = value.__module__ or "builtins", value.__qualname__
    else:
        return None, None
    found = sys.modules.get(module)
    if found is None or module.partition(".")[0] in ("codestill", "__main__"):
        return None, None
    for part in filter(None, name.split(".")):
        found = getattr(found, part, None)
    return (module, name) if found is value else (None, None)


def classes_of(last, namespace):
    """{name: class} of a prompt's classes that are whole: all but the one that a completion continues, `last`."""
    return {name: cls for name, cls in defined_in(namespace).items() if name.partition(".")[0] != last}
