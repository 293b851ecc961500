"""What the library offers by name, read from its source: importing it would import torch while a workflow parses.

A kind of source or benchmark, or a divergence, is one entry in one file: `NAME = {"name": Entry(function, word=...)}`,
or `NAME["name"] = Entry(function, word=...)`. What the config must know of it stands in that entry as literals.
"""

import ast
from functools import cache
from pathlib import Path

LIBRARY = Path(__file__).resolve().parents[1]


@cache
def entries(file, name):
    """{entry: {keyword: literal}} of the table `name` in a file of the library, in its order."""
    found = {}
    for node in ast.parse((LIBRARY / file).read_text(encoding="utf-8")).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(target, ast.Name) and target.id == name:
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                found[key.value] = _literals(value)
        elif isinstance(target, ast.Subscript) and getattr(target.value, "id", None) == name:
            found[target.slice.value] = _literals(node.value)
    return found


def _literals(call):
    return {word.arg: ast.literal_eval(word.value) for word in call.keywords if _is_literal(word.value)}


def _is_literal(node):
    return not any(isinstance(part, ast.Name | ast.Call | ast.Attribute) for part in ast.walk(node))


def divergences():
    """The divergences of distill/divergences.py; `uses_beta` where one depends on beta."""
    return entries("distill/divergences.py", "DIVERGENCES")


def source_kinds():
    """The kinds of sources of data/sources.py: the fields that each `takes` and `needs`."""
    return entries("data/sources.py", "KINDS")


def benchmark_kinds():
    """The kinds of benchmarks of data/benchmarks.py: the same, and how many `problems` one has where that is known."""
    return entries("data/benchmarks.py", "KINDS")


def compressions():
    """The operations of models/compression.py: their `words`, and the `values`, `share` or `parts` that each takes."""
    return entries("models/compression.py", "OPERATIONS")


def figures():
    """The names of the figures of report/figures.py, whose import would draw matplotlib into every dry run."""
    return tuple(entries("report/figures.py", "FIGURES"))
