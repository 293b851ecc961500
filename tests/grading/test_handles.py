"""Handles lead to what a test hands over and no further, and a candidate's object never answers for itself."""

import pytest

from codestill.grading.sandbox.pool import Job, Pool

PROMPT = "def f(*things):\n"
# The test hands over each kind of thing; the program reports what it could take from there beyond its right.
TEST = """
SECRET = "expected"


def check(candidate):
    class Case:
        def __init__(self):
            self._hidden, self.shown = SECRET, 2

        def method(self):
            return 3

        def __len__(self):
            return 4

    def items():
        hidden = SECRET
        yield 1
        yield hidden

    def function():
        return 5

    async def later():
        return SECRET

    case = Case()
    generator = items()
    found = candidate(function, case, generator, case.method, Case, later())
    assert found == [], found
    assert function() == 5 and case.method() == 3 and case._hidden == SECRET
    assert type(case).__len__(case) == 4 and not hasattr(case, "_made")
"""
WALK = """
    import sys
    found = []

    def reached(what, value):
        text = repr(value)
        if "expected" in text or "SECRET" in text:
            found.append(what)

    def attempt(what, work):
        try:
            reached(what, work())
        except BaseException:
            pass
"""
ATTRIBUTES = (
    *("__globals__", "__code__", "__closure__", "__defaults__", "__dict__", "__self__", "__func__", "__wrapped__"),
    *("gi_frame", "gi_code", "cr_frame", "cr_code", "_hidden", "__class__", "__init__", "__subclasses__", "__mro__"),
    *("__getattribute__", "__reduce__", "__reduce_ex__", "__builtins__", "f_globals", "tb_frame", "__module__"),
)
# The program's own link to the tests' side, taken from the frames that called it.
RAW = f"""{WALK}
    frame = sys._getframe()
    while frame and not hasattr(frame.f_locals.get("self"), "held"):
        frame = frame.f_back
    service = frame.f_locals["self"]
    names = {ATTRIBUTES!r}
    for handle in range(12):
        for name in names:
            attempt((handle, "get", name), lambda: service.ask("get", handle, name))
            attempt((handle, "method", name), lambda: service.ask("method", handle, name))
            attempt((handle, "through", name), lambda: service.ask("method", handle, "__getattribute__", name))
        attempt((handle, "names"), lambda: service.ask("names", handle))
        for what in ("global", "entry", "names of program", "follow", "share", "signature", "exec"):
            attempt((handle, what), lambda: service.ask(what, handle, "SECRET"))
        attempt((handle, "set"), lambda: service.ask("set", handle, "_hidden", 0))
        attempt((handle, "class"), lambda: service.ask("set", handle, "__len__", 0))
        attempt((handle, "made"), lambda: service.ask("set", handle, "_made", 0))
        attempt((handle, "deleted"), lambda: service.ask("delete", handle, "method"))
    return found
"""
POLITE = f"""{WALK}
    for thing in things:
        for name in {ATTRIBUTES!r}:
            attempt((thing, name), lambda: getattr(thing, name))
        for other in dir(thing):
            attempt((thing, other), lambda: getattr(thing, other))
        for name in ("_made", "__len__", "__class__"):
            attempt((thing, name), lambda: setattr(thing, name, 0))
    return [str(what) for what in found]
"""

# name: (body, test); the program is wrong, and says in its own way that it is right.
LIES = {
    "equal to everything, in a list": ("class Y:\n        __eq__ = lambda *a: True\n    return [Y()]", "== [1]"),
    "equal to everything, as a key": (
        "class Y:\n        __eq__ = lambda *a: True\n        __hash__ = lambda s: hash(1)\n    return {Y(): Y()}",
        "== {1: 2}",
    ),
    "answers str's methods": (
        "class Y:\n        def __getattr__(s, name):\n            return lambda *a: True\n    return Y()",
        ".startswith('abc')",
    ),
    "answers sums": (
        "class Y:\n        __sub__ = __rsub__ = __add__ = __abs__ = lambda s, *a: 0\n        __lt__ = lambda *a: True"
        "\n    return Y()",
        "- 3 == 0",
    ),
    "holds everything": ("class Y:\n        __contains__ = lambda *a: True\n    return Y()", ".__contains__(3)"),
    "less than everything": ("class Y:\n        __lt__ = __gt__ = lambda *a: True\n    return Y()", "< 3"),
    "length of everything": (
        "class Y:\n        __len__ = lambda s: 3\n        __iter__ = lambda s: iter([0, 0, 0])\n        "
        "__eq__ = lambda *a: True\n    return Y()",
        "== [1, 2, 3]",
    ),
    "an exception of the test's kind": ("raise AssertionError('passed')", "== 1"),
    "a shared instance with a method of its own": (
        "import types\n    n = types.SimpleNamespace(a=1)\n    n.__eq__ = lambda *a: True\n    return n",
        "== __import__('types').SimpleNamespace(a=2)",
    ),
}
# name: (body, the test's lines): programs that reach for what a test counts or checks by.
_MOCK = "from unittest import mock\n\n\ndef check(candidate):\n    m = mock.Mock()\n    candidate(m)\n    "
_CASE = (
    "class Case:\n    def right(self):\n        return False\n\n\ndef check(candidate):\n    case = Case()\n"
    "    candidate(case)\n    "
)
REACHES = {
    "lays over a mock's assertion": (
        "things[0].assert_called_once_with = lambda *a: None",
        _MOCK + "m.assert_called_once_with(3)\n",
    ),
    "sets a mock's count": ("things[0].call_count = 1", _MOCK + "assert m.call_count == 1\n"),
    "says that a mock was called": ("things[0].called = True", _MOCK + "assert m.called\n"),
    "forgets a mock's calls": (
        "things[0](1)\n    things[0](3)\n    things[0].reset_mock()\n    things[0](3)",
        _MOCK + "m.assert_called_once_with(3)\n",
    ),
    "configures a mock": ("things[0].configure_mock(called=True)", _MOCK + "assert m.called\n"),
    "puts a mock's parent": ("things[0].attach_mock(things[0].x, 'called')", _MOCK + "assert m.called is True\n"),
    "lays over a method": ("things[0].right = lambda: True", _CASE + "assert case.right()\n"),
    "lays over a method by force": (
        "object.__setattr__(things[0], 'right', lambda: True)",
        _CASE + "assert case.right()\n",
    ),
    "changes a method's class": ("type(things[0]).right = lambda s: True", _CASE + "assert case.right()\n"),
    "skips a test in unittest": (
        "import unittest\n    raise unittest.SkipTest",
        "import unittest\n\n\ndef check(candidate):\n    class T(unittest.TestCase):\n"
        "        def test(self):\n            assert candidate() == 1\n    result = unittest.TestResult()\n"
        "    T('test').run(result)\n    assert result.wasSuccessful()\n",
    ),
}
EQUAL_POINT = (
    "from dataclasses import dataclass\n\n@dataclass\nclass Point:\n    x: int\n\n    def good(self):\n"
    "        return self.x == 5\n\ndef f(*things):\n"
)
POINTS = {
    "a class made anew": "    global Point\n    class Point:\n        __eq__ = lambda *a: True\n    return Point()\n",
    "a method laid over": "    p = Point(1)\n    p.__dict__['good'] = lambda: True\n    return p\n",
    "a subclass": "    class P(Point):\n        __eq__ = good = lambda *a: True\n    return P(1)\n",
    "a patched class": "    Point.__eq__ = lambda *a: True\n    Point.good = lambda s: True\n    return Point(1)\n",
}


# Right programs that cannot be seen to be right: no failed assertion, and not passed either.
UNJUDGED = {
    "a list of its own kind": (
        "class L(list):\n        first = property(lambda s: s[0])\n    return L([1])",
        ".first == 1",
    ),
    "a number of its own kind": (
        "class N(int):\n        next = property(lambda s: s + 1)\n    return N(1)",
        ".next == 2",
    ),
    "a class made equal": ("class Y:\n        __eq__ = lambda *a: True\n    return Y()", "== 1"),
    "a frame": ("import sys\n    return sys._getframe()", ".f_lineno > 0"),
}


def jobs():
    """Every program with its test."""

    def job(name, prompt, body, test):
        row = {"task_id": name, "prompt": prompt, "entry_point": "f", "test": test}
        return Job(name, row, prompt + body + "\n\n")

    yield job("raw", PROMPT, RAW, TEST)
    yield job("polite", PROMPT, POLITE, TEST)
    for name, (body, test) in LIES.items():
        yield job(name, PROMPT, f"    {body}\n", f"def check(candidate):\n    assert candidate() {test}\n")
    for name, (body, test) in UNJUDGED.items():
        yield job(name, PROMPT, f"    {body}\n", f"def check(candidate):\n    assert candidate() {test}\n")
    for name, (body, test) in REACHES.items():
        yield job(name, PROMPT, f"    {body}\n", test)
    for name, body in POINTS.items():
        test = "def check(candidate):\n    p = candidate()\n    assert p == Point(5) and p.good()\n"
        yield job(name, EQUAL_POINT, body, test)


@pytest.fixture(scope="module")
def outcomes():
    with Pool(2, 1 << 30) as pool:
        return dict(pool.run(jobs(), 5.0))


@pytest.mark.parametrize("name", ["raw", "polite"])
def test_no_way_leads_from_a_handle_into_the_test(outcomes, name):
    assert outcomes[name]["kind"] == "passed", outcomes[name]


@pytest.mark.parametrize("name", [*LIES, *REACHES, *POINTS])
def test_no_object_says_of_itself_that_it_is_right(outcomes, name):
    assert outcomes[name]["kind"] in ("assertion", "exception", "cannot be judged here"), outcomes[name]


@pytest.mark.parametrize("name", UNJUDGED)
def test_what_is_not_carried_says_so(outcomes, name):
    assert outcomes[name]["kind"] == "cannot be judged here", outcomes[name]
