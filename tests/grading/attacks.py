"""Hostile and odd programs, each with the kinds of verdict that are right for it and what it takes to stop it.

All are completions of PROBLEM's prompt, most in text files: a line `=== name : kinds`, for some ` : need`, then the
program. SECRET_FILE, VICTIM and others in capitals stand for what they aim at (see `test_attacks.Field`).

Needs: `files`, a list of what may be read and written; `outside`, no way to processes and sockets of others; `calls`,
a filter of system calls. Without one an attack must fail at every level.
"""

import platform
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
    parts = re.split(r"^=== (.+?) : ([^:\n]+)(?: : (\w+))?\n", text, flags=re.MULTILINE)[1:]
    found = {
        name: (program, set(kind.split(", ")), need)
        for name, kind, need, program in zip(*(parts[n::4] for n in range(4)), strict=True)
    }
    # Their numbers are x86-64's.
    return {
        name: entry for name, entry in found.items() if platform.machine() == "x86_64" or "syscall(" not in entry[0]
    }


def _claims_to_be_equal(base):
    """A class that answers every comparison as a test would like."""
    answers = {"eq": True, "ne": False, "lt": True, "le": True, "gt": True, "ge": True, "bool": True}
    lines = [f"    def __{name}__(self, *other): return {answer}" for name, answer in answers.items()]
    lines += [f"    def __{name}__(self, *other): return self" for name in ("sub", "rsub", "abs", "round")]
    return f"    return Yes()\n\n\nclass Yes({base}):\n" + "\n".join(lines) + "\n"


_UNEQUAL = {"assertion", "exception", "cannot be judged here"}
# name: (completion, kinds of verdict, need)
ATTACKS = {
    **_read("forgeries"),
    **_read("damage"),
    **_read("reach"),
    **_read("stalls"),
    **{
        f"{base or 'object'} equal to everything": (_claims_to_be_equal(base), _UNEQUAL, None)
        for base in ("", "int", "list", "float", "str", "tuple", "dict")
    },
    "NUL in the source": ("    return a + b\0\n", {"syntax"}, None),
    "surrogate in the source": ("    return '\ud800'\n", {"syntax"}, None),
    "deep nesting in the source": ("    return " + "(" * 5000 + ")" * 5000 + "\n", {"syntax", "memory", "died"}, None),
}

# Right programs with odd habits: all pass.
RIGHT = {name: program for name, (program, _, _) in _read("habits").items()}
RIGHT["backslash at the end"] = "    return a + b\nx = 1 \\"


def stopped(level):
    """Names of the attacks that a level must stop."""
    needs = {None}
    needs |= {"files"} if level.namespaces or level.landlock else set()
    needs |= {"outside"} if level.namespaces or level.seccomp else set()
    needs |= {"calls"} if level.seccomp else set()
    return [name for name, (_, _, need) in ATTACKS.items() if need in needs]
