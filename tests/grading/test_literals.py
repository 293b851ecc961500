"""Typed literals survive the way to another process; nothing else does, and nothing received is executed."""

import math
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy
import pytest

from codestill.grading.sandbox.decoding import Opaque, decode, value_of
from codestill.grading.sandbox.encoding import Encoder
from codestill.grading.sandbox.literals import Malformed, dumps, loads


def travel(value):
    encoder = Encoder()
    reference = encoder.encode(value)
    nodes, reference = loads(dumps([encoder.nodes, reference]))
    objects = []
    decode(nodes, objects)
    return value_of(reference, objects)


ALIKE = [
    0, 1, -1, True, False, None, 1.0, -0.0, 5e-324, math.inf, 2**62, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**5000,
    "", "a\0b", "\ud800", "é", b"", b"\x00\xff", bytearray(b"x"), 1 + 2j, range(5), range(0, -10, -3), range(2**70),
    [], [1, [2, (3, {4: [5]})]], (), (1,), {}, {(1, 2): {3}}, set(), {1, "a", (2,)}, frozenset([frozenset([1])]),
    Fraction(1, 3), Fraction(2**80, 7), Decimal("1.50"), deque([1, 2], 5), deque(), Counter("aab"),
    OrderedDict([(2, 1), (1, 2)]), datetime(2020, 1, 2, 3), date(2020, 1, 2), timedelta(1, 2, 3), int, str,
]  # fmt: skip


@pytest.mark.parametrize("value", ALIKE, ids=range(len(ALIKE)))
def test_value_and_type_survive(value):
    back = travel(value)
    assert type(back) is type(value) and back == value
    if not isinstance(value, int) or abs(value) < 10**100:
        assert repr(back) == repr(value)


def test_nan_and_the_types_of_equal_numbers_survive():
    assert math.isnan(travel(math.nan))
    assert [type(x) for x in travel([1, 1.0, True, {1.0: 1}])] == [int, float, bool, dict]
    assert type(next(iter(travel({1.0: 1})))) is float


def test_numpy_numbers_and_arrays_survive():
    assert type(travel(numpy.int64(3))) is numpy.int64
    back = travel(numpy.arange(6.0).reshape(2, 3))
    assert back.tolist() == [[0, 1, 2], [3, 4, 5]] and back.flags.writeable
    assert isinstance(travel(numpy.array([object()])), Opaque)


def test_shared_and_cyclic_containers_keep_their_identity():
    inner = [1]
    a, b = travel([inner, inner])
    assert a is b
    cycle = []
    cycle.append((cycle, {"me": cycle}))
    back = travel(cycle)
    assert back[0][0] is back and back[0][1]["me"] is back


def test_views_stay_views():
    keys, items, values = travel([{1: 2}.keys(), {1: 2}.items(), {1: 2}.values()])
    assert keys == {1} and items == {(1, 2)} and list(values) == [2]
    assert type(keys) is type({}.keys())


def test_subclasses_travel_as_what_they_hold():
    class Liar(int):
        __eq__ = __ne__ = __lt__ = lambda self, other: True
        __hash__ = int.__hash__

    point = namedtuple("point", "x y")
    assert travel(Liar(3)) == 3 and type(travel(Liar(3))) is int and travel(Liar(3)) != 4

    class Forward(point):
        __eq__ = lambda *_: True  # noqa: E731
        __hash__, area = tuple.__hash__, property(lambda self: 3)

    back = travel(Forward(1, [2]))
    assert back == (1, [2]) and back != (1, [3]) and back.y == [2] and not hasattr(back, "area")
    assert travel(type("T", (tuple,), {"_fields": 3})([1])) == (1,)
    assert type(travel(type("L", (list,), {"__iter__": None})([1]))) is list
    assert travel(defaultdict(int, {1: 2})) == {1: 2}


def test_what_is_no_literal_equals_nothing():
    class Yes:
        __eq__ = __lt__ = lambda *_: True
        __bool__ = lambda self: False  # noqa: E731

    back = travel(Yes())
    assert isinstance(back, Opaque) and back != 1 and not back
    with pytest.raises(TypeError):
        back < 1  # noqa: B015
    assert isinstance(travel(print), Opaque) and bool(travel(object()))


def test_deep_nesting_travels():
    value = []
    for _ in range(20_000):
        value = [value]
    back, depth = travel(value), 0
    while back:
        back, depth = back[0], depth + 1
    assert depth == 20_000


def test_changes_are_made_in_place():
    inner, outer = [1], {"a": 1}
    objects = [outer, inner]
    decode([["list", [[1], 7]]], objects, changed=[[0, ["b", [2]]], [1, [9]]])
    assert outer == {"b": [[9], 7]} and outer["b"][0] is inner and inner == [9]


NODES = [
    [["list", [[5]]]], [["list", [[-1]]]], [["list", [["x"]]]], [["list", 3]], [["tuple", [[0]]]],
    [["set", [[1]]], ["list", []]], [["dict", [1]]], [["int", "zz"]], [["bytes", "é"]], [["range", [1, 2, 0]]],
    [["Fraction", [1, 0]]], [["type", "Popen"]],
    [["os.system", "id"]], [["numpy", ["array", "|O8", [1], "AAAAAAAAAAA="]]],
    [["numpy", ["array", "<f8", [9], "AA=="]]], [["deque", [-3]]], [["keys", 3]], [[]], ["x"], {"a": 1},
    [["opaque", 1]], [["Decimal", "x"]], [["datetime", 3]], [["iterator", 1]],
    [["Pattern", ["x", 32]], ["Match", [[0], "sub", "x", 0, 1, 0, 1]]],
    [["Match", ["x", "replace", "x", "y", 1, 0, 1]]], [["namedtuple", ["x", ["a", "import"], 1, 2]]],
    [["namedtuple", ["x; print(1)", ["a"], 1]]], [["namedtuple", ["x", ["a"], 1, 2]]],
]  # fmt: skip
HOSTILE = [(nodes, ()) for nodes in NODES] + [([], [[0, []]]), ([["list", []]], [[0, []]])]


@pytest.mark.parametrize("nodes, changed", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_nodes_are_malformed(nodes, changed):
    with pytest.raises(Malformed):
        decode(nodes, [], changed)


@pytest.mark.parametrize("data", [b"", b"[", b"\xff", b"[" * 100_000, b"1" * 10_000, b"'a'"], ids=range(6))
def test_hostile_bytes_are_malformed(data):
    with pytest.raises(Malformed):
        loads(data)
