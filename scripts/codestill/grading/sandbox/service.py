"""The candidate's side of the pipe: its functions and objects, called by whoever holds handles to them."""

import _thread
import os

from codestill.grading.sandbox import wire
from codestill.grading.sandbox.encoding import Encoder
from codestill.grading.sandbox.literals import Malformed
from codestill.grading.sandbox.peer import Peer
from codestill.grading.sandbox.reports import FOLLOWED
from codestill.grading.sandbox.shared_classes import SharedClasses, within
from codestill.grading.sandbox.surroundings import Environ, Files, Patched, RandomNumbers, Surroundings


class Service(Peer):
    """Answers for a program's `namespace`. Handle 0 is the entry point; others are handed out as results.

    bounds: the limit of memory, entered while the program's own code runs.
    """

    def __init__(self, namespace, entry_point, bounds, receive_from, send_to):
        super().__init__(receive_from, send_to)
        self.namespace, self.bounds = namespace, bounds
        self.held.append(namespace[entry_point])
        self.patched = self.surroundings = None  # what is kept alike, once the tests' side tells of something
        self.raised_there = {}  # the tests' side's exceptions by their id here, each with its handle
        self.lock = _thread.RLock()

    def serve(self):
        """Answer until the other side has gone."""
        while True:
            try:
                self.send(self.answer(self.receive()))
            except (wire.Closed, Malformed):
                return
            except BaseException as error:  # e.g. no memory for the answer, or one that is too large
                super().send(self._failure(error))

    def _failure(self, error):
        encoder = Encoder(peer=self)
        reference = encoder.encode(type(error)(*(arg for arg in error.args if type(arg) in (str, int))))
        return ["raise", encoder.nodes, [], reference, None]

    def send(self, message):
        """Send a message, after what the program has printed."""
        if self.patched:
            self.patched.flush()
        super().send(message)

    def ask(self, what, handle, *args, **kwargs):
        """Ask the tests' side, in the program's name and beyond its limit of memory."""
        with self.lock, self.bounds.lifted():
            return super().ask(what, handle, *args, **kwargs)

    def make(self, kind, payload, ref):
        """Also what the tests' side names: a module, or something in one."""
        if kind != "named":
            return super().make(kind, payload, ref)
        module, name = payload
        found = __import__(module, fromlist=["*"])
        for part in filter(None, name.split(".")):
            found = getattr(found, part)
        return found

    def node(self, value, encoder):
        """An exception of the tests' side goes back as what it was there."""
        _, handle = self.raised_there.get(id(value), (None, None))
        return super().node(value, encoder) if handle is None else ("remote", [handle, None])

    def refill(self, kind, target, payload, ref):
        """Remember which exception of the tests' side it is."""
        super().refill(kind, target, payload, ref)
        if kind == "exception" and len(payload) > 4:
            self.raised_there[id(target)] = target, payload[4]

    def perform(self, what, handle, args, kwargs):
        """What a request asks; some are about the program as a whole."""
        if what in self._OWN:
            return getattr(self, self._OWN[what])(*args)
        with self.bounds:
            return super().perform(what, handle, args, kwargs)

    _OWN = {  # noqa: RUF012 - the requests about a program as a whole
        "share": "_share", "names of program": "_names", "entry": "_entry", "global": "_global",
        "follow": "_follow", "signature": "_signature",
    }  # fmt: skip

    def _share(self, *names):
        found = {name: within(self.namespace, name) for name in names}
        self.shared = SharedClasses({name: cls for name, cls in found.items() if cls is not None})
        return list(self.shared.classes)

    def _names(self):
        return list(self.namespace)

    def _entry(self):
        """The entry point itself: it goes over with all that its stand-in must know."""
        return self.held[0]

    def _global(self, name):
        return self.namespace[name]

    def _follow(self, part, token):
        """Keep something alike from now on; for files, the folder where they are."""
        if part in FOLLOWED:
            FOLLOWED[part](self.ask)
            return None
        if part == "files":
            os.mkdir(token)
            os.chdir(token)
        made = {"random": RandomNumbers, "environ": Environ, "files": lambda: Files(os.getcwd())}[part]()
        self._kept_alike().parts[part] = made
        return os.getcwd()

    def _signature(self, *path):
        """[(name, kind, (default,) or ())] of the parameters of a handed-out function."""
        import inspect

        value = self.held[path[0]]
        return [
            (one.name, int(one.kind), () if one.default is one.empty else (one.default,))
            for one in inspect.signature(value).parameters.values()
        ]

    def around(self):
        """What the program has changed about it."""
        return self.surroundings.changes() if self.surroundings else None

    def surround(self, around):
        """Take over what the test has changed."""
        if around:
            self._kept_alike().apply(around)

    def _kept_alike(self):
        if self.surroundings is None:
            self.patched = Patched()
            self.surroundings = Surroundings(modules=self.patched)
        return self.surroundings

    def not_carried(self, value):
        """A frame, a module, a code object: known there by its kind alone."""
