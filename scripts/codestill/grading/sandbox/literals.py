"""Typed literals: the only values that the tests' process and the candidate's process exchange.

A value is sent as a graph of nodes, so that shared and cyclic containers keep their identity, and rebuilt from plain
data: nothing received is ever executed or unpickled. A reference is a JSON scalar (str, bool, None, float, int below
64 bits) or `[i]`, the i-th node; a node is `[kind, payload]`. Immutable nodes only refer to earlier nodes or to mutable
ones, therefore a graph is rebuilt without recursion. Subclasses of the literal types travel as their base type, hence
an overridden `__eq__` never reaches the other side. What is no literal travels as an opaque token that equals nothing.
"""

import base64
import datetime
import json
from collections import Counter, OrderedDict, defaultdict, deque
from decimal import Decimal
from fractions import Fraction

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
# Asked in this order, because each later type is a base of an earlier one.
_BASES = (
    (Counter, "Counter"),
    (defaultdict, "defaultdict"),
    (OrderedDict, "OrderedDict"),
    (dict, "dict"),
    (list, "list"),
    (set, "set"),
    (bytearray, "bytearray"),
    (deque, "deque"),
    (tuple, "tuple"),
    (frozenset, "frozenset"),
    (bytes, "bytes"),
    (range, "range"),
    (complex, "complex"),
    (Fraction, "Fraction"),
    (Decimal, "Decimal"),
    (datetime.datetime, "datetime"),
    (datetime.date, "date"),
    (datetime.time, "time"),
    (datetime.timedelta, "timedelta"),
    (type({}.keys()), "keys"),
    (type({}.values()), "values"),
    (type({}.items()), "items"),
)
_BUILTIN_TYPES = {t.__name__: t for t in (int, float, str, bool, list, dict, set, tuple, type(None), bytes, object)}
_NUMPY_KINDS = "biufc"
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


class Encoder:
    """Turns values into nodes. `objects` are the values behind the first nodes, which both sides already hold.

    `export(value)` is asked about what is no literal and answers `(kind, payload)` or None.
    """

    def __init__(self, objects=(), export=None):
        self.first = _len(objects)
        self.objects = list(objects)
        self.nodes = []
        self.memo = {id(value): index for index, value in enumerate(self.objects)}
        self.export = export
        self._pending = []

    def refer(self, value):
        """The reference to `value`, for `export` to put in a payload; what it reaches follows."""
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
        name = next((name for base, name in _BASES if _issubclass(kind, base)), None)
        if name is None:
            return self._rare(value, kind)
        if name in MUTABLE:
            node = [name, None]
            self._pending.append((name, value, node))
            return self._add(value, node)
        # The payload first: an immutable node comes after those that it refers to.
        return self._add(value, [name, self.payload(name, value)])

    def payload(self, kind, value):
        """What a node of `kind` holds for `value`, one level deep."""
        ref = self._reference
        if kind == "list":
            return [ref(item) for item in list.__iter__(value)]
        if kind in MAPPINGS:
            return [ref(part) for pair in MUTABLE[kind].items(value) for part in pair]
        if kind in ("set", "frozenset"):
            return [ref(item) for item in MUTABLE.get(kind, frozenset).__iter__(value)]
        if kind == "tuple":
            return [ref(item) for item in tuple.__iter__(value)]
        if kind == "deque":
            return [value.maxlen, *(ref(item) for item in deque.__iter__(value))]
        if kind in ("bytes", "bytearray"):
            return base64.b64encode(value).decode("ascii")
        if kind == "range":
            return [ref(value.start), ref(value.stop), ref(value.step)]
        if kind == "complex":
            return [complex.real.__get__(value), complex.imag.__get__(value)]
        if kind == "Fraction":
            return [ref(value.numerator), ref(value.denominator)]
        if kind == "Decimal":
            return Decimal.__str__(value)
        if kind == "timedelta":
            return [value.days, value.seconds, value.microseconds]
        if kind in ("keys", "values", "items"):
            return ref(dict(value.mapping))
        return value.isoformat()  # datetime, date, time

    def _rare(self, value, kind):
        """Subclasses of scalars, builtin types, NumPy's numbers and arrays, what `export` knows, or an opaque token."""
        if _issubclass(kind, int):
            return self._reference(int.__index__(value))
        if _issubclass(kind, float):
            return float.__float__(value)
        if _issubclass(kind, str):
            return "".join(str.__iter__(value))
        if kind is type and value in _BUILTIN_TYPES.values():
            return self._add(value, ["type", value.__name__])
        if kind.__module__ == "numpy" and hasattr(value, "dtype") and value.dtype.kind in _NUMPY_KINDS:
            array = "array" if kind.__name__ == "ndarray" else "scalar"
            data = base64.b64encode(value.tobytes()).decode("ascii")
            return self._add(value, ["numpy", [array, value.dtype.str, list(value.shape), data]])
        known = self.export(value) if self.export else None
        return self._add(value, list(known or ("opaque", [_class_name(value), _truth(value)])))


def _resolve(reference, objects, limit):
    """The value behind a reference; only nodes below `limit`, or mutable ones, exist yet."""
    if _type(reference) is not list:
        return reference
    (index,) = reference
    if _type(index) is not int or not 0 <= index < _len(objects) or (index >= limit and objects[index] is None):
        raise Malformed("a reference to no node")
    return objects[index]


def _numpy(payload):
    import numpy

    shape_kind, dtype, shape, data = payload
    dtype = numpy.dtype(dtype)
    if dtype.kind not in _NUMPY_KINDS:
        raise Malformed("a NumPy type that is no number")
    array = numpy.frombuffer(base64.b64decode(data), dtype=dtype).reshape(shape)
    return array.copy() if shape_kind == "array" else array[()]


def _immutable(kind, payload, ref, importer):
    if kind in ("tuple", "frozenset"):
        return (tuple if kind == "tuple" else frozenset)(ref(item) for item in payload)
    if kind == "int":
        return int(payload, 16)
    if kind == "bytes":
        return base64.b64decode(payload)
    if kind in ("range", "Fraction"):
        return (range if kind == "range" else Fraction)(*(ref(item) for item in payload))
    if kind == "complex":
        return complex(*payload)
    if kind == "Decimal":
        return Decimal(payload)
    if kind in ("datetime", "date", "time"):
        return getattr(datetime, kind).fromisoformat(payload)
    if kind == "timedelta":
        return datetime.timedelta(*payload)
    if kind == "type":
        return _BUILTIN_TYPES[payload]
    if kind == "numpy":
        return _numpy(payload)
    if kind in ("keys", "values", "items"):
        return ref(payload)  # the mapping: `decode` takes the view once it is filled
    if kind == "opaque":
        return Opaque(str(payload[0])[:80], bool(payload[1]))
    if kind == "instance":
        payload = [payload[0], ref(payload[1])]
    made = importer(kind, payload) if importer else None
    if made is None:
        raise Malformed(f"unknown kind {str(kind)[:40]}")
    return made


def fill(kind, target, payload, ref):
    """Replace what the mutable `target` holds by `payload`, in place."""
    target.clear()
    if kind == "bytearray":
        target.extend(base64.b64decode(payload))
    elif kind in MAPPINGS:
        for key, value in zip(payload[::2], payload[1::2], strict=True):
            target[ref(key)] = ref(value)
    elif kind == "set":
        target.update(ref(item) for item in payload)
    else:
        target.extend(ref(item) for item in (payload[1:] if kind == "deque" else payload))


def kind_of(value):
    """The name of a mutable kind, or None."""
    return next((name for base, name in _BASES if name in MUTABLE and _issubclass(_type(value), base)), None)


def _build(nodes, objects, changed, importer):
    first = _len(objects)
    for kind, payload in nodes:
        objects.append(deque(maxlen=payload[0]) if kind == "deque" else MUTABLE[kind]() if kind in MUTABLE else None)
    for index, (kind, payload) in enumerate(nodes, first):
        if kind not in MUTABLE:
            value = _immutable(kind, payload, lambda r, limit=index: _resolve(r, objects, limit), importer)
            if kind in ("keys", "values", "items"):
                value = getattr(dict, kind)(value)
            objects[index] = value

    def ref(reference):
        return _resolve(reference, objects, _len(objects))

    for index, (kind, payload) in enumerate(nodes, first):
        if kind in MUTABLE:
            fill(kind, objects[index], payload, ref)
    for index, payload in changed:
        if not 0 <= index < first or kind_of(objects[index]) is None:
            raise Malformed("a change of nothing")
        fill(kind_of(objects[index]), objects[index], payload, ref)


def decode(nodes, objects, changed=(), importer=None):
    """Append to `objects` the values that `nodes` describe, then refill those named in `changed` ([index, payload]).

    `importer(kind, payload)` makes the kinds that Encoder's `export` made. Raises Malformed on anything else.
    """
    try:
        _build(nodes, objects, changed, importer)
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
