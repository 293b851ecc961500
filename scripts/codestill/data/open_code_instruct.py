"""OpenCodeInstruct's rows (NVIDIA 2025, arXiv 2504.04030) put as MBPP's are: what is asked as a docstring, with tests.

A row has `input` (what is asked), `output` (an answer with code) and `unit_tests` (a list of asserts, as JSON text).
Rows are taken whose asserts call a function that the answer defines: by others no program could be judged.
"""

import ast
import json

from codestill.data.code_in_text import code_in
from codestill.data.functions import parse
from codestill.data.mbpp import convert
from codestill.kit.program import UserError, log

FIELDS = ("input", "output", "unit_tests")


def problems(rows, path):
    """Benchmark rows of a file's rows. Raises UserError where a row lacks a field, or none is left."""
    found, lost = [], 0
    for number, row in enumerate(rows, 1):
        missing = [name for name in FIELDS if name not in row]
        if missing:
            raise UserError(f"{path}: row {number} has no field {missing[0]!r}; give OpenCodeInstruct's rows")
        problem = _problem(row, number, path)
        if problem:
            found.append(problem)
        lost += not problem
    if lost:
        log(f"{path}: {lost:,} of {number:,} rows left out whose asserts call no function of the answer")
    return found


def _problem(row, number, path):
    """The benchmark row of one row, or None."""
    asserts = _asserts(row["unit_tests"])
    if not asserts:
        return None
    try:
        given = {"task_id": number, "text": row["input"], "code": code_in(row["output"]), "test_list": asserts}
        made = convert(given, path)
    except UserError:
        return None
    if parse(made["prompt"] + made["canonical_solution"]) is None:
        return None
    return made | {"task_id": f"OpenCodeInstruct/{row.get('id', number)}"}


def _asserts(tests):
    """The asserts of a list of tests, be it text; [] where there is none."""
    try:
        tests = json.loads(tests) if isinstance(tests, str) else tests
    except ValueError:
        return []
    trees = [parse(one.strip()) for one in tests or () if isinstance(one, str)]
    return [ast.unparse(node) for tree in trees if tree for node in tree.body if isinstance(node, ast.Assert)]
