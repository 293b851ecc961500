"""The house: rooms in one order, imports one way, nothing heavy where every job parses it, no two classes of a name."""

import ast
from collections import Counter
from pathlib import Path

import pytest

LIBRARY = Path(__file__).resolve().parents[2] / "scripts" / "codestill"
ORDER = ["kit", "statistics", "study", "models", "data", "sampling", "distill", "grading", "measure", "plan"]
ORDER += ["cluster", "report"]
LIGHT = ("kit", "statistics", "study", "plan", "cluster")  # parsed by the workflow, or by programs without a model
HEAVY = {"torch", "transformers", "datasets", "accelerate"}
FILES = sorted(path for path in LIBRARY.rglob("*.py") if path.parent != LIBRARY)


def room_of(path):
    return path.relative_to(LIBRARY).parts[0]


def imported(path):
    """(line, module) of everything that a file imports, at its top or within."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def test_every_room_has_its_place():
    assert {room_of(path) for path in FILES} == set(ORDER)


@pytest.mark.parametrize("room", ORDER)
def test_imports_run_one_way(room):
    above = set(ORDER[ORDER.index(room) + 1 :])
    for path in (path for path in FILES if room_of(path) == room):
        for line, module in imported(path):
            parts = module.split(".")
            assert parts[0] != "codestill" or parts[1] not in above, f"{path}:{line}: {room} imports {module}"
            assert room not in LIGHT or parts[0] not in HEAVY, f"{path}:{line}: {room} imports {module}"


def test_no_room_is_crowded():
    lines = Counter()
    for path in FILES:
        lines[str(path.parent.relative_to(LIBRARY))] += path.read_text().count("\n")
    whole = sum(lines.values())
    assert {room: count for room, count in lines.items() if count > 0.18 * whole} == {}


def test_no_two_classes_have_one_name():
    names = Counter()
    for path in FILES:
        names.update(node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef))
    assert [name for name, count in names.items() if count > 1 and not name.startswith("_")] == []
