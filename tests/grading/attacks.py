"""Hostile and odd programs, each with the kinds of verdict that are right for it.

All are completions of PROBLEM's prompt, most in text files: a line `=== name : kinds`, then the program. SECRET_FILE,
VICTIM and PORT stand for a file that holds a secret, one that must not change, and a port that must hear nothing.
"""

import re
from pathlib import Path

PROBLEM = {
    "task_id": "Attack/0",
    "prompt": 'def add(a, b):\n    """The sum of a and b, numbers or lists."""\n',
    "entry_point": "add",
    "canonical_solution": "    return a + b\n",
    "test": (
        "def check(candidate):\n"
        "    assert candidate(2, 3) == 5\n"
        "    assert candidate([1], [2]) == [1, 2]\n"
        "    assert abs(candidate(0.5, 0.25) - 0.75) < 1e-9\n"
        "    x = [1]\n"
        "    candidate(x, [5])\n"
        "    assert x == [1], 'the argument was changed'\n"
    ),
}


def _read(name):
    text = (Path(__file__).parent / "programs" / f"{name}.txt").read_text()
    parts = re.split(r"^=== (.+?) : (.+)\n", text, flags=re.MULTILINE)[1:]
    names, kinds, programs = parts[::3], parts[1::3], parts[2::3]
    return {name: (program, set(kind.split(", "))) for name, kind, program in zip(names, kinds, programs, strict=True)}


def _claims_to_be_equal(base):
    """A class that answers every comparison as a test would like."""
    answers = {"eq": True, "ne": False, "lt": True, "le": True, "gt": True, "ge": True, "bool": True}
    lines = [f"    def __{name}__(self, *other): return {answer}" for name, answer in answers.items()]
    lines += [f"    def __{name}__(self, *other): return self" for name in ("sub", "rsub", "abs", "round")]
    return f"    return Yes()\n\n\nclass Yes({base}):\n" + "\n".join(lines) + "\n"


_UNEQUAL = {"assertion", "exception", "cannot be judged here"}
# name: (completion, kinds of verdict)
ATTACKS = {
    **_read("forgeries"),
    **_read("damage"),
    **{
        f"{base or 'object'} equal to everything": (
            _claims_to_be_equal(base),
            {"assertion", "exception", "cannot be judged here"},
        )
        for base in ("", "int", "list", "float", "str", "tuple", "dict")
    },
    "NUL in the source": ("    return a + b\0\n", {"syntax"}),
    "surrogate in the source": ("    return '\ud800'\n", {"syntax"}),
    "deep nesting in the source": ("    return " + "(" * 5000 + ")" * 5000 + "\n", {"syntax", "memory", "died"}),
}

# Right programs with odd habits: all pass.
RIGHT = {name: program for name, (program, _) in _read("habits").items()}
RIGHT["backslash at the end"] = "    return a + b\nx = 1 \\"
