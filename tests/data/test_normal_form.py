"""The normal form: what changes nothing is gone from it, and what changes what a function does is not."""

import ast

import pytest

from codestill.data.functions import parse_function
from codestill.data.normal_form import anonymous, fingerprint, normal_form

BASE = """def total(items, limit):
    '''Add up.'''
    result = 0
    for item in items:
        if item < limit and item != result:
            result += item
    return result"""
RENAMED = """def addUp(xs: list, top: int = 3) -> int:
    # another comment
    total_: int = 0
    print('starting', xs)
    for x in xs:

        if (top > x and total_ != x): total_ = total_ + x
    return total_"""


def form(code):
    words, nodes = normal_form(parse_function(code))
    return fingerprint(words), nodes


def test_layout_comments_annotations_own_names_prints_and_turned_comparisons_are_gone():
    assert form(BASE) == form(RENAMED)


@pytest.mark.parametrize(
    "old, new",
    [
        ("<", "<="), ("<", ">"), ("!=", "=="), ("= 0", "= 1"), ("+= item", "+= limit"), ("+=", "-="),
        ("in items", "in sorted(items)"), ("return result", "return print(result)"), ("return result", "return"),
    ],
)  # fmt: skip
def test_a_change_of_what_is_done_stays(old, new):
    assert old in BASE
    assert form(BASE.replace(old, new))[0] != form(BASE)[0]


@pytest.mark.parametrize(
    "one, other",
    [
        ("a < b <= c", "c >= b > a"),
        ("a == len(b)", "len(b) == a"),
        ("a is None", "None is a"),
        ("a < b > c", "a < b > c"),
    ],
)
def test_a_comparison_means_the_same_from_either_side(one, other):
    assert form(f"def f(a, b, c): return {one}") == form(f"def g(a, b, c): return {other}")


@pytest.mark.parametrize("one, other", [("a in b", "b in a"), ("a < b == c", "c == b < a"), ("a < b", "b < a")])
def test_what_is_not_the_same_is_told_apart(one, other):
    assert form(f"def f(a, b, c): return a, b, {one}")[0] != form(f"def g(a, b, c): return a, b, {other}")[0]


def test_names_from_outside_stay():
    assert form("def f(x): return len(x)")[0] != form("def f(x): return sum(x)")[0]
    assert form("def f(x): return x.a")[0] != form("def f(x): return x.b")[0]
    assert form("def f(x): return '@x'")[0] != form("def f(x): return '@y'")[0]


def test_own_names_are_told_apart_unless_they_are_to_be_alike():
    one, other = (normal_form(parse_function(f"def f(a, b): return a - {name}"))[0] for name in "ab")
    assert fingerprint(one) != fingerprint(other)
    assert anonymous(one) == anonymous(other)


def test_nested_functions_lose_docstrings_annotations_and_decorators_too():
    one = "def f():\n    def g(x: int) -> int:\n        '''doc'''\n        return 1\n    return g"
    two = "def f():\n    @cache\n    def h(y):\n        return 1\n    return h"
    assert form(one) == form(two)


def test_code_nested_too_deep_to_walk_is_still_told_apart():
    def deep(name):
        function = parse_function(f"def f(x): return {name}")
        for _ in range(3000):
            function.body[0].value = ast.UnaryOp(ast.USub(), function.body[0].value)
        return normal_form(function)

    words, nodes = deep("x.a")
    assert nodes > 6000 and deep("x.a")[0] == words != deep("x.b")[0]
