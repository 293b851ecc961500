"""Typed literals: the only values that the tests' process and the candidate's process exchange.

A value is sent as a graph of nodes, so that shared and cyclic containers keep their identity, and rebuilt from plain
data: nothing received is ever executed or unpickled. A reference is a JSON scalar (str, bool, None, float, int below
64 bits) or `[i]`, the i-th node; a node is `[kind, payload]`. Immutable nodes only refer to earlier nodes or to mutable
ones, therefore a graph is rebuilt without recursion. Subclasses of the literal types travel as their base type, hence
an overridden `__eq__` never reaches the other side, unless both sides define the class (`shared_classes.py`). What is
no literal travels as what the encoder's peer makes of it, or as an opaque token that equals nothing. Here are the
kinds; `encoding.py` takes values apart, `decoding.py` puts them together.
"""

import builtins
import json
from collections import Counter, OrderedDict, defaultdict, deque

from codestill.grading.sandbox.values import VALUES

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
VIEWS = {"keys": type({}.keys()), "values": type({}.values()), "items": type({}.items())}
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
    *((kind, name) for name, kind in VIEWS.items()),
)
EXACT = dict(_BASES)
TYPES = (
    *(int, float, str, bool, type(None), bytes, object, complex, range, frozenset, tuple, *MUTABLE.values()),
    *(kind for kind, *_ in VALUES.values() if isinstance(kind, type)),
    *(kind for kind in vars(builtins).values() if isinstance(kind, type) and issubclass(kind, BaseException)),
)
BY_NAME = {f"{kind.__module__}.{kind.__qualname__}": kind for kind in TYPES}
# References kept here: the candidate's program may replace what the modules hold. And one encoder for all: to make one
# takes as long as to use it.
_text, _loads = json.JSONEncoder(separators=(",", ":")).encode, json.loads
_issubclass, _type = issubclass, type


class Malformed(Exception):
    """What was received is no graph of literals."""


def dumps(value):
    """JSON bytes of `value`, ASCII, so that lone surrogates survive."""
    return _text(value).encode("ascii")


def loads(data):
    """The value in JSON bytes. Raises Malformed where they are none (also: too deep, too many digits)."""
    try:
        return _loads(data)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not JSON: {type(error).__name__}") from None


def base_of(kind):
    """The name of the literal kind that a type is, or is derived from, or None."""
    return EXACT.get(kind) or next((name for base, name in _BASES if _issubclass(kind, base)), None)


def kind_of(value):
    """The name of a mutable literal kind, or None."""
    name = base_of(_type(value))
    return name if name in MUTABLE else None
