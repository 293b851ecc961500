"""One side of the two that a pipe joins: asks the other for what stayed there, and answers what it asks meanwhile.

A request is `[what, handle, nodes, arguments, named, around]`, an answer `["value" | "raise", nodes, changed,
reference, around]`. While a side waits for an answer it serves requests, so that a function which was handed over can
call back. `changed` lists the arguments that were altered in place; `around` is what else both sides must agree on
(`surroundings.py`). What a request may reach is each side's own affair: `perform`.
"""

import copy
import functools
import types
import weakref

from codestill.grading.sandbox import exception_values, stand_ins, wire
from codestill.grading.sandbox.decoding import decode, value_of
from codestill.grading.sandbox.encoding import Encoder
from codestill.grading.sandbox.literals import FILLED, MUTABLE, dumps
from codestill.grading.sandbox.shared_classes import SharedClasses
from codestill.grading.sandbox.stand_ins import Remote, handle_of, owns, peer_of
from codestill.grading.sandbox.values import BUFFERS, VALUES

_FUNCTIONS = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    functools.partial,
    types.MethodWrapperType,
)
_CLOSED = (types.FrameType, types.TracebackType, types.CodeType, types.ModuleType, types.CellType)
_isinstance, _getattr = isinstance, getattr


class Peer:
    """See above. `shared`: classes that both sides define; `known`: stand-ins by handle, the same for the same object.

    What few programs need is made when they do: in a process just forked each first step costs.
    """

    shared = SharedClasses()
    known = loop = None

    def __init__(self, receive_from, send_to):
        self.receive_from, self.send_to = receive_from, send_to
        self.held, self.handles = [], {}  # what was handed out

    # What is sent.

    def node(self, value, encoder):
        """A node for a stand-in, an exception, or what both sides define."""
        if _isinstance(value, Remote) and peer_of(value) is self:
            about = owns(value)
            return ("remote", [handle_of(value), about if _isinstance(value, stand_ins.RemoteMethod) else None])
        if _isinstance(value, BaseExceptionGroup):
            names = exception_values.names_of(value)
            return "group", [names, value.message, encoder.refer(tuple(value.exceptions))]
        if _isinstance(value, BaseException):
            return "exception", [exception_values.names_of(value)]
        return self.shared.node(value, encoder)

    def content(self, kind, value, encoder):
        """The payload of an exception or of an instance of a shared class."""
        return (exception_values if kind == "exception" else self.shared).content(value, encoder)

    def handle_node(self, value, encoder):
        """A node for what stays here, or None where not even that can be."""
        if _isinstance(value, _CLOSED):
            return self.not_carried(value)
        known = self.handles.get(id(value))
        if known is not None:
            return known
        return self._hand_out(value, self._kind(value))

    def not_carried(self, value):
        """Called for what cannot be handed over."""

    def _hand_out(self, value, kind):
        handle = len(self.held)
        self.held.append(value)
        facts = self._facts(value) if kind == "object" else [None]
        node = self.handles[id(value)] = kind, [handle, *facts]
        return node

    @staticmethod
    def _kind(value):
        if _isinstance(value, types.GeneratorType):
            return "generator"
        if _isinstance(value, types.CoroutineType):
            return "coroutine"
        if stand_ins.is_plain_iterator(type(value)):
            return "iterator"
        return "async iterator" if _isinstance(value, types.AsyncGeneratorType) else "object"

    def _facts(self, value):
        cls = type(value)
        if _isinstance(value, _FUNCTIONS):
            return ["function", ["__call__"], [], []]
        bases = [self.shared.names[base] for base in cls.__mro__ if base in self.shared.names][:1]
        return [cls.__name__, self.special_of(cls), self.methods_of(cls), bases]

    special_of, methods_of = map(staticmethod, map(functools.cache, (stand_ins.special_of, stand_ins.methods_of)))

    # What is received.

    def make(self, kind, payload, ref):
        """The value of a node that `node` or `handle_node` of the other side has made; None for other kinds."""
        if kind == "remote":
            value = self.held[payload[0]]
            return value if payload[1] is None else self.look_up_here(value, payload[1])
        if kind == "group":
            return exception_values.group_made(payload[0], str(payload[1]), ref(payload[2]), self.shared)
        if kind == "generator":
            return stand_ins.generator_of(self, int(payload[0]))
        if kind == "coroutine":
            return stand_ins.coroutine_of(self, int(payload[0]))
        if kind in ("object", "iterator", "async iterator"):
            if self.known is None:
                self.known = weakref.WeakValueDictionary()
            made = self.known.get(payload[0])
            if made is None:
                made = self.known[payload[0]] = self._stand_in(kind, *payload)
            return made
        return self.shared.make(kind, payload, ref)

    def _stand_in(self, kind, handle, name=None, special=(), methods=(), bases=()):
        if kind == "object":
            return stand_ins.object_of(self, int(handle), name, special, methods, map(self.shared.find, bases))
        cls = stand_ins.RemoteIterator if kind == "iterator" else stand_ins.RemoteAsyncIterator
        return stand_ins.placed(cls(), self, int(handle))

    def blank(self, kind, payload):
        """An exception or instance, to be filled."""
        return exception_values.blank(payload[0], self.shared) if kind == "exception" else self.shared.blank(payload)

    def refill(self, kind, target, payload, ref):
        """Fill it."""
        if kind == "exception":
            exception_values.refill(target, payload, ref)
        else:
            self.shared.refill(target, payload, ref)

    # Asking.

    def ask(self, what, handle, *args, **kwargs):
        """The value that the other side answers. Raises what was raised there."""
        encoder = Encoder(peer=self)
        references = [encoder.encode(value) for value in args]
        named = {name: encoder.encode(value) for name, value in kwargs.items()}
        around = encoder.encode(self.around())
        self.send([what, handle, encoder.nodes, references, named, around])
        while True:
            message = self.receive()
            if len(message) == 5:
                break
            self.send(self.answer(message))
        return self._answered(encoder, *message)

    def _value(self, encoder, _, nodes, changed, reference, around):
        objects = encoder.objects
        decode(nodes, objects, changed, self, encoder.nodes)
        value = value_of(reference, objects)
        self.surround(value_of(around, objects))
        return value

    def _answered(self, encoder, *message):
        value = self._value(encoder, *message)
        if message[0] != "raise":
            return value
        raise value

    def ask_special(self, stand_in, name, args):
        """What a special method of a stand-in gives. No traceback goes over."""
        if name in ("__exit__", "__aexit__"):
            args = (*args[:2], None)
        return self.ask("method", handle_of(stand_in), name, *args)

    def look_up(self, stand_in, name):
        """What an attribute of a stand-in gives."""
        if name in owns(stand_in):
            method = stand_ins.RemoteMethod()
            return stand_ins.placed(method, self, handle_of(stand_in), name)
        return self.ask("get", handle_of(stand_in), name)

    # Answering.

    def answer(self, request):
        """The answer to a request."""
        what, handle, nodes, references, named, around = request
        objects = []
        decode(nodes, objects, peer=self)
        self.surround(value_of(around, objects))
        args = [value_of(reference, objects) for reference in references]
        kwargs = {name: value_of(reference, objects) for name, reference in named.items()}
        buffers = {index: _content(kind, objects[index]) for index, (kind, _) in enumerate(nodes) if kind in BUFFERS}
        try:
            outcome, result = "value", self.perform(what, handle, args, kwargs)
        except BaseException as error:
            outcome, result = "raise", error
        encoder = Encoder(objects, self)
        reference = encoder.encode(result)
        changed = []
        for index, (kind, before) in enumerate(nodes):
            if kind in MUTABLE or kind in FILLED:
                after = encoder.payload(kind, objects[index])
                if after is not before and dumps(after) != dumps(before):
                    changed.append([index, after])
        for index, before in buffers.items():
            kind = nodes[index][0]
            if _content(kind, objects[index]) != before:
                changed.append([index, encoder.payload(kind, objects[index])])
        around = encoder.encode(self.around())  # and what the changes reach
        return [outcome, encoder.nodes, changed, reference, around]

    def perform(self, what, handle, args, kwargs):
        """Do what a request asks of what was handed out."""
        value = self.held[handle]
        if what == "call":
            return value(*args, **kwargs)
        if what == "method":
            return self.method(value, *args, **kwargs)
        if what == "get":
            return self.look_up_here(value, *args)
        if what == "set":
            return setattr(value, *args)
        if what == "delete":
            return delattr(value, *args)
        if what == "names":
            return dir(value)
        if what in ("copy", "deepcopy"):
            return getattr(copy, what)(value)
        if what == "await":
            return self.completed(value)
        if what == "await method":
            return self.completed(self.method(value, *args))
        raise ValueError("an unknown request")

    def look_up_here(self, value, name):
        """An attribute of something handed out."""
        return _getattr(value, name)

    def method(self, value, name, *args, **kwargs):
        """Call a method of something handed out; special ones of its class, as operators do."""
        if name.startswith("__") and name.endswith("__"):
            return special(name, value, args)
        return self.look_up_here(value, name)(*args, **kwargs)

    def completed(self, awaitable):
        """What an awaitable gives, in a loop of events of its own inside one that may be running."""
        import asyncio  # rarely needed, and slow to load

        running = asyncio._get_running_loop()
        asyncio._set_running_loop(None)
        try:
            if self.loop is None:
                self.loop = asyncio.new_event_loop()
            loop = asyncio.new_event_loop() if self.loop.is_running() else self.loop
            return loop.run_until_complete(_awaited(awaitable))
        finally:
            asyncio._set_running_loop(running)

    # The pipe.

    def send(self, message):
        """Send a message."""
        wire.send(self.send_to, message, limit=wire.VALUES)

    def receive(self):
        """The other side's next message."""
        return wire.receive(self.receive_from, limit=wire.VALUES)

    def around(self):
        """What the other side must know beside a message, or None."""

    def surround(self, around):
        """Take note of that."""


def _content(kind, value):
    return VALUES[kind][1](value)


async def _awaited(awaitable):
    return await awaitable


def special(name, value, args):
    """Call a special method of a value's class."""
    found = next((vars(cls)[name] for cls in type(value).__mro__ if name in vars(cls)), None)
    if found is None:
        raise AttributeError(f"{type(value).__name__!r} object has no attribute {name!r}")
    bind = getattr(type(found), "__get__", None)
    return (bind(found, value, type(value)) if bind else found)(*args)
