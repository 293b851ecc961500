"""Stand-ins for what stays on the other side of a pipe: objects, functions, classes, iterators, coroutines.

A stand-in has no attributes of its own: each look-up, call and operator is asked of the other side through its peer.
An object's stand-in has a class made for it, which answers to the special methods that the object's class has and to
no others, so that `len(x)`, `callable(x)` and `hasattr(x, "append")` are as they were.
"""

import functools
import types

EQUALITY = ("__eq__", "__ne__")
ORDER = ("__lt__", "__le__", "__gt__", "__ge__")
_BINARY = [
    "add",
    "sub",
    "mul",
    "matmul",
    "truediv",
    "floordiv",
    "mod",
    "divmod",
    "pow",
    "lshift",
    "rshift",
    "and",
    "xor",
    "or",
]
ARITHMETIC = tuple(f"__{way}{name}__" for name in _BINARY for way in ("", "r", "i") if (way, name) != ("i", "divmod"))
SPECIAL = (
    *EQUALITY,
    *ORDER,
    *ARITHMETIC,
    *(
        f"__{name}__"
        for name in [
            "call",
            "len",
            "iter",
            "next",
            "reversed",
            "contains",
            "getitem",
            "setitem",
            "delitem",
            "bool",
            "hash",
            "repr",
            "str",
            "format",
            "bytes",
            "int",
            "float",
            "complex",
            "index",
            "neg",
            "pos",
            "abs",
            "invert",
            "round",
            "trunc",
            "floor",
            "ceil",
            "enter",
            "exit",
            "aenter",
            "aexit",
            "await",
            "aiter",
            "anext",
            "fspath",
            "length_hint",
            "instancecheck",
            "subclasscheck",
        ]
    ),
)
_SPECIAL = frozenset(SPECIAL)
_OWN = ("__class__", "__copy__", "__deepcopy__")


class Remote:
    """Something that stayed on the other side."""

    __slots__ = ("__weakref__", "_handle", "_owns", "_peer")


_peer, _handle, _owns = (Remote.__dict__[name] for name in ("_peer", "_handle", "_owns"))
peer_of, handle_of, owns = _peer.__get__, _handle.__get__, _owns.__get__


class RemoteObject(Remote):
    """An object of the other side's. Its own classes are made by `object_of`."""

    __slots__ = ()

    def __getattribute__(self, name):
        if name in _OWN:
            return object.__getattribute__(self, name)
        return peer_of(self).look_up(self, name)

    def __setattr__(self, name, value):
        peer_of(self).ask("set", handle_of(self), name, value)

    def __delattr__(self, name):
        peer_of(self).ask("delete", handle_of(self), name)

    def __eq__(self, other):
        return self is other

    def __hash__(self):
        return object.__hash__(self)

    def __repr__(self):
        return f"<{type(self).__name__} object>"

    def __str__(self):
        return repr(self)

    def __format__(self, form):
        return format(str(self), form)

    def __copy__(self):
        return peer_of(self).ask("copy", handle_of(self))

    def __deepcopy__(self, memo):
        return peer_of(self).ask("deepcopy", handle_of(self))

    def __dir__(self):
        return peer_of(self).ask("names", handle_of(self))


class RemoteMethod(Remote):
    """A method of an object of the other side's: `_handle` is the object's, `_owns` the method's name."""

    __slots__ = ()

    def __call__(self, *args, **kwargs):
        return peer_of(self).ask("method", handle_of(self), owns(self), *args, **kwargs)

    def __getattr__(self, name):
        return getattr(peer_of(self).ask("get", handle_of(self), owns(self)), name)


class RemoteIterator(Remote):
    """An iterator of the other side's, asked for one item at a time: it may be endless."""

    __slots__ = ()

    def __iter__(self):
        return self

    def __next__(self):
        return peer_of(self).ask("method", handle_of(self), "__next__")


class RemoteAsyncIterator(RemoteIterator):
    """An asynchronous iterator of the other side's."""

    __slots__ = ()

    def __aiter__(self):
        return self

    async def __anext__(self):
        return peer_of(self).ask("await method", handle_of(self), "__anext__")

    async def aclose(self):
        """Close an asynchronous generator."""
        return peer_of(self).ask("await method", handle_of(self), "aclose")


def _forwarder(name):
    def forward(self, *args):
        return peer_of(self).ask_special(self, name, args)

    def call(self, *args, **kwargs):
        return peer_of(self).ask("call", handle_of(self), *args, **kwargs)

    made = call if name == "__call__" else forward
    made.__name__ = name
    return made


_FORWARDERS = {name: _forwarder(name) for name in SPECIAL}


def _bound(self, instance, owner=None):
    """A function put into a class becomes a method there, as functions do."""
    return self if instance is None else functools.partial(self, instance)


@functools.cache
def _class_for(name, special, bases):
    members = {special_name: _FORWARDERS[special_name] for special_name in special}
    if name == "function":
        members["__get__"] = _bound
    try:
        made = type(name, (RemoteObject, *bases), {**members, "__slots__": ()})
    except TypeError:  # layouts that do not go together
        made = type(name, (RemoteObject,), {**members, "__slots__": ()})
    made.__abstractmethods__ = frozenset()
    return made


def placed(made, peer, handle, about=None):
    """Tell a new stand-in where what it stands for lies."""
    _peer.__set__(made, peer)
    _handle.__set__(made, handle)
    _owns.__set__(made, about)
    return made


def object_of(peer, handle, name, special, methods, bases=()):
    """The stand-in for an object: its class's name, its special methods, other methods, and known base classes."""
    cls = _class_for(str(name), tuple(s for s in special if s in _SPECIAL), tuple(bases))
    return placed(object.__new__(cls), peer, handle, frozenset(methods))


def generator_of(peer, handle):
    """A generator that asks the other side's for each item, and hands on what is sent and thrown into it."""
    ask, args = functools.partial(peer.ask, "method", handle), ("__next__",)
    while True:
        try:
            item = ask(*args)
        except StopIteration as end:
            return end.value
        try:
            given = yield item
            args = ("__next__",) if given is None else ("send", given)
        except GeneratorExit:
            ask("close")
            raise
        except BaseException as error:
            args = ("throw", error)


async def coroutine_of(peer, handle):
    """A coroutine that has the other side's run to its end when it is awaited."""
    return peer.ask("await", handle)


@functools.cache
def is_plain_iterator(cls):
    """Whether a class gives one item after the other and has nothing else that could be asked for."""
    return hasattr(cls, "__next__") and not cls.__dictoffset__ and all(name.startswith("_") for name in dir(cls))


def special_of(cls):
    """The names in SPECIAL that a class defines beyond `object`, those that it sets to None left out."""
    found = []
    for name in SPECIAL:
        owner = next((base for base in cls.__mro__ if name in vars(base)), object)
        if owner is not object and vars(owner)[name] is not None:
            found.append(name)
    return found


def methods_of(cls):
    """The names of the plain functions in a class and its bases."""
    return [
        name
        for base in cls.__mro__
        for name, value in vars(base).items()
        if type(value) in _FUNCTIONS and not (name.startswith("__") and name.endswith("__"))
    ]


_FUNCTIONS = (types.FunctionType, types.MethodDescriptorType)
