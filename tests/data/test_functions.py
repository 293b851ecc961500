"""Finding functions in source files, and telling when two of them are the same."""

import textwrap

import pytest

from codestill.data.functions import (
    documented_functions,
    does_something,
    normalised,
    parse_function,
)

SOURCE = '''
import functools

def plain(x):
    """Plain."""
    return x; y = 1

class Outer:
    """A class."""

    @functools.lru_cache(
        maxsize=None)
    @staticmethod
    async def method(a,
                     b=1):
        """Method
        in two lines.
        """
        text = """
left of all
        """
        return a

    def silent(self):
        return 1

    class Inner:
        def deep(self):
            "Deep."
            def nested():
                """Nested."""
                return 2
            return nested

if True:
\tdef tabbed():
\t\t"""Tabbed \u00e9."""
\t\treturn "\u00e9"
'''


def test_documented_functions_are_found_with_their_names_docstrings_and_decorators():
    found = {name: (code, docstring) for name, code, docstring in documented_functions(SOURCE)}
    names = ["plain", "Outer.method", "Outer.Inner.deep", "Outer.Inner.deep.nested", "tabbed"]
    assert list(found) == names
    code, docstring = found["Outer.method"]
    assert docstring == "Method\nin two lines."
    assert code.startswith("@functools.lru_cache(\n    maxsize=None)\n@staticmethod\nasync def method(a,\n")
    assert code.endswith("\n    return a")
    assert found["tabbed"][0] == 'def tabbed():\n\t"""Tabbed \u00e9."""\n\treturn "\u00e9"'
    for name, (code, _) in found.items():
        assert parse_function(code).name == name.split(".")[-1]


def test_windows_line_ends_and_broken_files():
    assert next(documented_functions(SOURCE.replace("\n", "\r\n")))[0] == "plain"
    assert list(documented_functions("def f(:\n")) == []
    assert list(documented_functions("print 'python 2'\n")) == []
    assert list(documented_functions("x = 1\0")) == []


def test_what_is_no_function_is_told_from_what_does_not_parse():
    assert parse_function("def f(): return 1").name == "f"
    assert parse_function("    def f(self):\n        return 1\n").name == "f"
    assert parse_function("async def f(): return 1").name == "f"
    assert parse_function("class A: pass") is False
    assert parse_function("def f(): pass\ndef g(): pass") is False
    assert parse_function("def f(:") is None
    assert parse_function("print 'x'") is None
    assert parse_function("(" * 5000 + ")" * 5000) is None


@pytest.mark.parametrize("body, works", [("pass", 0), ("...", 0), ("'a docstring'", 0), ("return 1", 1), ("x", 1)])
def test_empty_bodies(body, works):
    assert does_something(parse_function(f"def f(x):\n    '''doc'''\n    {body}")) == bool(works)


def function(code):
    return parse_function(textwrap.dedent(code).strip())


BASE = """
def total(items, limit):
    '''Add up.'''
    result = 0
    for item in items:
        if item < limit:
            result += item
    return result
"""


def test_normalised_ignores_layout_alone():
    base = normalised(function(BASE))
    assert normalised(function(BASE.replace("result = 0", "result   = (0)  # zero\n"))) == base
    for change in (("total", "sum_up"), ("item ", "i "), ("Add", "Count")):
        assert normalised(function(BASE.replace(*change))) != base
