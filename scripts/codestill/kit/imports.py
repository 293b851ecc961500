"""Which files of the library a script runs: the closure of its imports, read with `ast` and never executed.

A rule takes them as inputs, so that an edit of code that the rule runs reruns it and no other edit does.
"""

import ast
from functools import cache
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2]


def _modules(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            # `from codestill.data import tokens` imports a module, not a name within one.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def _direct(path):
    found = set()
    for module in _modules(ast.parse(path.read_text(encoding="utf-8"))):
        if module.split(".")[0] == "codestill":
            stem = SCRIPTS.joinpath(*module.split("."))
            found |= {file for file in (stem.with_suffix(".py"), stem / "__init__.py") if file.is_file()}
    return frozenset(found)


def imports_of(script):
    """The library files that `script` (a path) imports, directly or not, as sorted strings; empty files left out."""
    seen, waiting = set(), [Path(script)]
    while waiting:
        for file in _direct(waiting.pop()) - seen:
            seen.add(file)
            waiting.append(file)
    return sorted(str(file) for file in seen if file.stat().st_size)
