"""Classes that both sides define, the prompt's: their instances travel as class name, content and attributes.

On each side an instance is one of that side's own class, so that no method of the other side's ever runs here. Their
constructors do not run again. A class is named as `Outer.Inner` within the prompt.
"""

import collections
import enum
import types

from codestill.grading.sandbox.decoding import fill
from codestill.grading.sandbox.literals import MUTABLE, Malformed, base_of

# Mutable ones of the library's, whose attributes are all that they hold.
_LIBRARY = {
    f"{cls.__module__}.{cls.__name__}": cls
    for cls in (types.SimpleNamespace, collections.ChainMap, collections.UserDict, collections.UserList)
}
_MADE_IN_PYTHON = 1 << 9  # Py_TPFLAGS_HEAPTYPE
_SCALARS = {int: "int", float: "float", str: "str"}


def defined_in(namespace):
    """{name: class} of the classes that a program has defined in `namespace`, those within classes included."""
    found = {}
    for name, value in namespace.items():
        if isinstance(value, type) and value.__name__ == name and _module(value) in ("builtins", "__main__"):
            _collect(name, value, found)
    return found


def _module(cls):
    return getattr(cls, "__module__", "builtins")  # one made where no module has a name has none


def _collect(name, cls, found):
    import builtins

    if getattr(builtins, cls.__name__, None) is cls:
        return
    found[name] = cls
    for inner, value in vars(cls).items():
        if isinstance(value, type) and value.__qualname__ == f"{cls.__qualname__}.{inner}":
            _collect(f"{name}.{inner}", value, found)


def within(namespace, name):
    """The class called `name` there, or None."""
    found = namespace.get(name.partition(".")[0])
    for part in name.split(".")[1:]:
        found = vars(found).get(part) if isinstance(found, type) else None
    return found if isinstance(found, type) else None


class SharedClasses:
    """{name: class} of this side, and how instances are taken apart and made."""

    def __init__(self, classes=()):
        self.classes = {**_LIBRARY, **dict(classes)}
        self.names = {cls: name for name, cls in self.classes.items()}

    def node(self, value, encoder):
        """(kind, payload) of a shared class or of an instance of one; None for anything else."""
        kind = type(value)
        if isinstance(value, type):
            name = self.names.get(value)
            return name and ("class", name)
        name = self.names.get(kind)
        if name is None or isinstance(value, BaseException):
            return None
        if isinstance(value, enum.Enum):
            return "member", [name, value.name if value.name in kind.__members__ else encoder.refer(value._value_)]
        base = _scalar(kind) or base_of(kind)
        if base is None or base in MUTABLE:
            return "instance", [name]
        return "derived", [name, encoder.refer(_plain(base, value))]

    def find(self, name):
        """The class of that name. Raises Malformed where there is none."""
        if name not in self.classes:
            raise Malformed("no class of the prompt's")
        return self.classes[name]

    def make(self, kind, payload, ref):
        """The class, enum member or immutable instance of a node; None for other kinds."""
        if kind == "class":
            return self.find(payload)
        if kind == "member":
            cls = self.find(payload[0])
            if not issubclass(cls, enum.Enum):
                raise Malformed("no enum")
            return cls[payload[1]] if isinstance(payload[1], str) else cls(ref(payload[1]))
        if kind == "derived":
            cls, value = self.find(payload[0]), ref(payload[1])
            base = type(value)
            if not issubclass(cls, base) or base is object:
                raise Malformed("not of that base")
            return base.__new__(cls, value)
        return None

    def blank(self, payload):
        """An instance without content, to be filled."""
        cls = self.find(payload[0])
        return built_in(cls).__new__(cls)

    def content(self, value, encoder):
        """What an instance holds: its class, its base's content, its attributes' names and values."""
        kind = type(value)
        base = base_of(kind)
        held = [base, encoder.payload(base, value)] if base in MUTABLE else None
        attributes = [part for name, held_there in attributes_of(value) for part in (name, encoder.refer(held_there))]
        return [self.names[kind], held, attributes]

    def refill(self, target, payload, ref):
        """Put content into an instance in place."""
        name, held, attributes = payload
        if type(target) is not self.find(name):
            raise Malformed("an instance of another class")
        if held is not None:
            if base_of(type(target)) != held[0]:
                raise Malformed("content of another kind")
            fill(held[0], target, held[1], ref)
        set_attributes(target, dict(zip(attributes[::2], map(ref, attributes[1::2]), strict=True)))


def built_in(cls):
    """The class's nearest base that is not made in Python: its `__new__` runs none of the class's own code."""
    return next(base for base in cls.__mro__ if not base.__flags__ & _MADE_IN_PYTHON)


def set_attributes(target, now):
    """Make {name: value} an object's attributes in its `__dict__` and slots. What its class does stays the class's."""
    cls, slots = type(target), set(_slots(type(target)))
    for name, _ in list(attributes_of(target)):
        if name not in now:
            object.__delattr__(target, name)
    for name, value in now.items():
        if name in slots:
            object.__setattr__(target, name, value)
        elif not callable(getattr(cls, name, None)) and not isinstance(getattr(cls, name, None), property):
            vars(target)[name] = value


def _scalar(kind):
    return next((name for base, name in _SCALARS.items() if issubclass(kind, base)), None)


def _plain(base, value):
    """The immutable literal that an instance of a derived class is."""
    if base == "int":
        return int.__index__(value)
    if base == "float":
        return float.__float__(value)
    if base == "str":
        return "".join(str.__iter__(value))
    return {"tuple": tuple, "frozenset": frozenset, "bytes": bytes}[base](value)


def _slots(cls):
    """The names of a class's slots, as they are stored."""
    for base in cls.__mro__:
        slots = vars(base).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            private = name.startswith("__") and not name.endswith("__")
            if name not in ("__dict__", "__weakref__"):
                yield f"_{base.__name__.lstrip('_')}{name}" if private else name


def attributes_of(value):
    """Yield (name, value) of an instance's attributes, those in slots included."""
    yield from getattr(value, "__dict__", {}).items()
    for name in _slots(type(value)):
        try:
            yield name, object.__getattribute__(value, name)
        except AttributeError:
            continue
