"""Typed literals: the only values that the tests' process and the candidate's process exchange.

A value is sent as a graph of nodes, so that shared and cyclic containers keep their identity, and rebuilt from plain
data: nothing received is ever executed or unpickled. A reference is a JSON scalar (str, bool, None, float, int below
64 bits) or `[i]`, the i-th node; a node is `[kind, payload]`. Immutable nodes only refer to earlier nodes or to mutable
ones, therefore a graph is rebuilt without recursion. Subclasses of the literal types travel as their base type, hence
an overridden `__eq__` never reaches the other side, unless both sides define the class (`shared_classes.py`). What is
no literal travels as what the encoder's peer makes of it, or as an opaque token that equals nothing.
"""

import base64
import builtins
import json
from collections import Counter, OrderedDict, defaultdict, deque

from codestill.grading.sandbox.values import BUFFERS, LATE, VALUES, is_numpy, refill

MUTABLE = {
    "list": list,
    "dict": dict,
    "set": set,
    "bytearray": bytearray,
    "deque": deque,
    "OrderedDict": OrderedDict,
    "defaultdict": defaultdict,
    "Counter": Counter,
}
MAPPINGS = ("dict", "OrderedDict", "defaultdict", "Counter")
FILLED = ("instance", "exception")  # mutable too, and made by the peer
_VIEWS = {"keys": type({}.keys()), "values": type({}.values()), "items": type({}.items())}
# Asked in this order, because each later type is a base of an earlier one.
_BASES = (
    (Counter, "Counter"),
    (defaultdict, "defaultdict"),
    (OrderedDict, "OrderedDict"),
    *((kind, name) for name, kind in MUTABLE.items() if name not in ("Counter", "defaultdict", "OrderedDict")),
    (tuple, "tuple"),
    (frozenset, "frozenset"),
    (bytes, "bytes"),
    *((kind, name) for name, (kind, *_) in VALUES.items() if kind is not None),
    *((kind, name) for name, kind in _VIEWS.items()),
)
_EXACT = dict(_BASES)
TYPES = (
    *(int, float, str, bool, type(None), bytes, object, complex, range, frozenset, tuple, *MUTABLE.values()),
    *(kind for kind, *_ in VALUES.values() if isinstance(kind, type)),
    *(kind for kind in vars(builtins).values() if isinstance(kind, type) and issubclass(kind, BaseException)),
)
_TYPES = {f"{kind.__module__}.{kind.__qualname__}": kind for kind in TYPES}
_INT63 = 1 << 63
# References kept here: the candidate's program may replace what the modules hold.
_dumps, _loads = json.dumps, json.loads
_isinstance, _issubclass, _type, _len = isinstance, issubclass, type, len


class Malformed(Exception):
    """What was received is no graph of literals."""


class Opaque:
    """Stands for an object that is no literal: true or false, equal only to itself."""

    def __init__(self, name, truth):
        self.name, self.truth = name, truth

    def __bool__(self):
        return self.truth

    def __repr__(self):
        return f"<{self.name} object>"


def dumps(value):
    """JSON bytes of `value`, ASCII, so that lone surrogates survive."""
    return _dumps(value, separators=(",", ":")).encode("ascii")


def loads(data):
    """The value in JSON bytes. Raises Malformed where they are none (also: too deep, too many digits)."""
    try:
        return _loads(data)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not JSON: {type(error).__name__}") from None


def _truth(value):
    try:
        return bool(value)
    except Exception:
        return True


def _class_name(value):
    name = type.__dict__["__name__"].__get__(type(value))
    return str.__str__(name)[:80] if type(name) is str else "object"


def base_of(kind):
    """The name of the literal kind that a type is, or is derived from, or None."""
    return _EXACT.get(kind) or next((name for base, name in _BASES if _issubclass(kind, base)), None)


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
        name = _EXACT.get(kind)
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
        if kind in _VIEWS:
            return ref(dict(value.mapping))
        if kind in FILLED:
            return self.peer.content(kind, value, self)
        return [ref(part) for part in VALUES[kind][1](value)]

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
        if kind is type and value in TYPES:
            return self._add(value, ["type", f"{value.__module__}.{value.__qualname__}"])
        name = (
            "numpy" if is_numpy(value) else base_of(kind) or LATE.get((getattr(kind, "__module__", ""), kind.__name__))
        )
        if name:
            return self._add(value, [name, None if name in MUTABLE else self.payload(name, value)])
        last = self.peer and self.peer.handle_node(value, self)
        return self._add(value, list(last or ("opaque", [_class_name(value), _truth(value)])))


def _resolve(reference, objects, limit):
    """The value behind a reference; only nodes below `limit`, or mutable ones, exist yet."""
    if _type(reference) is not list:
        return reference
    (index,) = reference
    if _type(index) is not int or not 0 <= index < _len(objects) or (index >= limit and objects[index] is None):
        raise Malformed("a reference to no node")
    return objects[index]


def _immutable(kind, payload, ref, peer):
    if kind in ("tuple", "frozenset"):
        return (tuple if kind == "tuple" else frozenset)(ref(item) for item in payload)
    if kind == "int":
        return int(payload, 16)
    if kind == "bytes":
        return base64.b64decode(payload)
    if kind == "type":
        return _TYPES[payload]
    if kind in VALUES:
        return VALUES[kind][2](*(ref(part) for part in payload))
    if kind in _VIEWS:
        return ref(payload)  # the mapping: `decode` takes the view once it is filled
    if kind == "opaque":
        return Opaque(str(payload[0])[:80], bool(payload[1]))
    made = peer.make(kind, payload, ref) if peer else None
    if made is None:
        raise Malformed(f"unknown kind {str(kind)[:40]}")
    return made


def fill(kind, target, payload, ref, peer=None):
    """Replace what the mutable `target` holds by `payload`, in place."""
    if kind in FILLED:
        peer.refill(kind, target, payload, ref)
        return
    if kind in BUFFERS:
        refill(target, VALUES[kind][2](*map(ref, payload)))
        return
    base = MUTABLE[kind]
    base.clear(target)
    if kind == "bytearray":
        target.extend(base64.b64decode(payload))
    elif kind in MAPPINGS:
        if kind == "defaultdict":
            target.default_factory, payload = ref(payload[0]), payload[1:]
        for key, value in zip(payload[::2], payload[1::2], strict=True):
            base.__setitem__(target, ref(key), ref(value))
    elif kind == "set":
        set.update(target, (ref(item) for item in payload))
    else:
        base.extend(target, (ref(item) for item in (payload[1:] if kind == "deque" else payload)))


def kind_of(value):
    """The name of a mutable literal kind, or None."""
    name = base_of(_type(value))
    return name if name in MUTABLE else None


def _empty(kind, payload, peer):
    if kind in MUTABLE:
        return deque(maxlen=payload[0]) if kind == "deque" else MUTABLE[kind]()
    return peer.blank(kind, payload) if peer and kind in FILLED else None


def _hashed(node):
    """Filled last are those that hash what they hold, once that is whole."""
    return node[1][0] in ("set", *MAPPINGS)


def _build(nodes, objects, changed, peer, sent):
    first = _len(objects)
    for kind, payload in nodes:
        objects.append(_empty(kind, payload, peer))
    for index, (kind, payload) in enumerate(nodes, first):
        if kind not in MUTABLE and objects[index] is None:
            value = _immutable(kind, payload, lambda r, limit=index: _resolve(r, objects, limit), peer)
            objects[index] = getattr(dict, kind)(value) if kind in _VIEWS else value

    def ref(reference):
        return _resolve(reference, objects, _len(objects))

    mutable = [pair for pair in enumerate(nodes, first) if pair[1][0] in MUTABLE or pair[1][0] in FILLED]
    for index, (kind, payload) in sorted(mutable, key=_hashed):
        fill(kind, objects[index], payload, ref, peer)
    for index, payload in changed:
        kind = sent[index][0] if 0 <= index < _len(sent) else kind_of(objects[index])
        if not 0 <= index < first or (kind not in MUTABLE and kind not in FILLED and kind not in BUFFERS):
            raise Malformed("a change of nothing")
        fill(kind, objects[index], payload, ref, peer)


def decode(nodes, objects, changed=(), peer=None, sent=()):
    """Append to `objects` the values that `nodes` describe, then refill those named in `changed` ([index, payload]).

    sent: the nodes that `objects` came from. peer: makes what is no literal. Raises Malformed on anything else.
    """
    try:
        _build(nodes, objects, changed, peer, sent)
    except (Malformed, MemoryError):
        raise
    except Exception as error:  # hostile data: whatever it breaks, it is no literal
        raise Malformed(f"{type(error).__name__}") from None


def value_of(reference, objects):
    """The value that a reference names, once its graph is decoded."""
    try:
        return _resolve(reference, objects, _len(objects))
    except (ValueError, TypeError):
        raise Malformed("not a reference") from None
