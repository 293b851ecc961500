"""From the nodes of `literals.py` to values. Nothing that is received is executed."""

import base64
import collections
import functools

from codestill.grading.sandbox.literals import BY_NAME, FILLED, MAPPINGS, MUTABLE, VIEWS, Malformed, kind_of
from codestill.grading.sandbox.values import BUFFERS, VALUES, refill

_type, _len = type, len


class Opaque:
    """Stands for an object that is no literal: true or false, equal only to itself."""

    def __init__(self, name, truth):
        self.name, self.truth = name, truth

    def __bool__(self):
        return self.truth

    def __repr__(self):
        return f"<{self.name} object>"


def _resolve(reference, objects, limit):
    """The value behind a reference; only nodes below `limit`, or mutable ones, exist yet."""
    if _type(reference) is not list:
        return reference
    (index,) = reference
    if _type(index) is not int or not 0 <= index < _len(objects) or (index >= limit and objects[index] is None):
        raise Malformed("a reference to no node")
    return objects[index]


@functools.lru_cache(64)
def _namedtuple(name, fields):
    return collections.namedtuple(name, fields)


def _immutable(kind, payload, ref, peer):
    if kind in ("tuple", "frozenset"):
        return (tuple if kind == "tuple" else frozenset)(ref(item) for item in payload)
    if kind == "namedtuple":
        return _namedtuple(payload[0], tuple(payload[1]))._make(map(ref, payload[2:]))
    if kind == "int":
        return int(payload, 16)
    if kind == "bytes":
        return base64.b64decode(payload)
    if kind == "type":
        return BY_NAME[payload]
    if kind in VALUES:
        return VALUES[kind][2](*(ref(part) for part in payload))
    if kind in VIEWS:
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


def _empty(kind, payload, peer):
    if kind in MUTABLE:
        return collections.deque(maxlen=payload[0]) if kind == "deque" else MUTABLE[kind]()
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
            objects[index] = getattr(dict, kind)(value) if kind in VIEWS else value

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
