"""From values to the nodes of `literals.py`."""

import base64
from collections import deque

from codestill.grading.sandbox.literals import EXACT, FILLED, MAPPINGS, MUTABLE, TYPES, VIEWS, base_of
from codestill.grading.sandbox.values import LATE, VALUES, is_numpy

_INT63 = 1 << 63
# References kept here: the candidate's program may replace what the modules hold.
_issubclass, _type, _len = issubclass, type, len


def _truth(value):
    try:
        return bool(value)
    except Exception:
        return True


def _class_name(value):
    name = type.__dict__["__name__"].__get__(type(value))
    return str.__str__(name)[:80] if type(name) is str else "object"


class Encoder:
    """Turns values into nodes. `objects` are the values behind the first nodes, which both sides already hold.

    peer: asked first about types that are not literal themselves: `peer.node(value, encoder)` is `(kind, payload)` or
    None; for the kinds in FILLED, `peer.content(kind, value, encoder)` is the payload, asked for later.
    """

    def __init__(self, objects=(), peer=None):
        self.objects = list(objects)
        self.nodes = []
        self.memo = {id(value): index for index, value in enumerate(self.objects)}
        self.peer = peer
        self._pending = []

    def refer(self, value):
        """The reference to `value`, for a peer to put in a payload; what it reaches follows."""
        return self._reference(value)

    def encode(self, value):
        """The reference to `value`; all that it reaches is then in `nodes`."""
        reference = self._reference(value)
        while self._pending:
            kind, held, node = self._pending.pop()
            node[1] = self.payload(kind, held)
        return reference

    def _add(self, value, node):
        self.memo[id(value)] = index = _len(self.objects)
        self.objects.append(value)
        self.nodes.append(node)
        if node[0] in MUTABLE or node[0] in FILLED:
            self._pending.append((node[0], value, node))
        return [index]

    def _reference(self, value):
        kind = _type(value)
        if kind is int:
            return value if -_INT63 <= value < _INT63 else self._add(value, ["int", hex(value)])
        if kind is str or kind is float or kind is bool or value is None:
            return value
        index = self.memo.get(id(value))
        if index is not None:
            return [index]
        name = EXACT.get(kind)
        if name is None:
            return self._rare(value, kind)
        # The payload of an immutable node first: it comes after those that it refers to.
        return self._add(value, [name, None if name in MUTABLE else self.payload(name, value)])

    def payload(self, kind, value):
        """What a node of `kind` holds for `value`, one level deep."""
        ref = self._reference
        if kind == "list":
            return [ref(item) for item in list.__iter__(value)]
        if kind in MAPPINGS:
            pairs = [ref(part) for pair in MUTABLE[kind].items(value) for part in pair]
            return [ref(value.default_factory), *pairs] if kind == "defaultdict" else pairs
        if kind in ("set", "frozenset"):
            return [ref(item) for item in MUTABLE.get(kind, frozenset).__iter__(value)]
        if kind == "tuple":
            return [ref(item) for item in tuple.__iter__(value)]
        if kind == "deque":
            return [value.maxlen, *(ref(item) for item in deque.__iter__(value))]
        if kind in ("bytes", "bytearray"):
            return base64.b64encode(value).decode("ascii")
        if kind in VIEWS:
            return ref(dict(value.mapping))
        if kind in FILLED:
            return self.peer.content(kind, value, self)
        return [ref(part) for part in VALUES[kind][1](value)]

    def _named(self, value, kind):
        """The payload of a namedtuple: the class's name, the fields' names, the items."""
        fields = [str(field) for field in tuple.__iter__(kind._fields)]
        return [_class_name(value), fields, *(self._reference(item) for item in tuple.__iter__(value))]

    def _rare(self, value, kind):
        """What both sides define, subclasses of literals, builtin types, NumPy's, what the peer knows, or a token."""
        known = self.peer and self.peer.node(value, self)
        if known:
            return self._add(value, list(known))
        if _issubclass(kind, int):
            return self._reference(int.__index__(value))
        if _issubclass(kind, float):
            return float.__float__(value)
        if _issubclass(kind, str):
            return "".join(str.__iter__(value))
        if _issubclass(kind, tuple) and _type(getattr(kind, "_fields", None)) is tuple:
            return self._add(value, ["namedtuple", self._named(value, kind)])
        if kind is type and value in TYPES:
            return self._add(value, ["type", f"{value.__module__}.{value.__qualname__}"])
        name = (
            "numpy" if is_numpy(value) else base_of(kind) or LATE.get((getattr(kind, "__module__", ""), kind.__name__))
        )
        if name:
            return self._add(value, [name, None if name in MUTABLE else self.payload(name, value)])
        last = self.peer and self.peer.handle_node(value, self)
        return self._add(value, list(last or ("opaque", [_class_name(value), _truth(value)])))
