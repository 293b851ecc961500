"""What a program runs: the closure of its imports, read with `ast` and never executed, and a digest of each file.

A rule holds the digests as a param, so that an edit of code that the rule runs reruns it. They are of a normal form:
a touch, a comment, a formatting, a docstring or a wording (WORDS, SPEAKERS) changes no result and so no digest, and
nor does the folder that the workflow lies in.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2]
DIGITS = 8  # hexadecimal, of a file's digest: an edit goes unseen once in four billion
WORDS = {"help", "description", "metavar"}  # keywords whose texts only a reader sees
SPEAKERS = {"UserError", "log"}  # whose texts end on a terminal or in a log


def _modules(nodes):
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            # `from codestill.data import tokens` imports a module, not a name within one.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def _tree(path):
    return ast.parse(path.read_bytes())


def _nodes(tree, part):
    """The nodes of a file; with a `part`, of its functions that one's alone."""
    kept = [one for one in tree.body if not (part and isinstance(one, ast.FunctionDef)) or one.name == part]
    return (node for one in kept for node in ast.walk(one))


@cache
def _direct(path, part=""):
    found = set()
    for module in _modules(_nodes(_tree(path), part)):
        if module.split(".")[0] == "codestill":
            stem = SCRIPTS.joinpath(*module.split("."))
            found |= {file for file in (stem.with_suffix(".py"), stem / "__init__.py") if file.is_file()}
    return frozenset(found)


def imports_of(script, part=""):
    """The library files that `script` (a path) imports, directly or not, as sorted strings; empty files left out.

    part: of a script that does one of several things, the function that does it; what the others import is left out.
    """
    seen, waiting = set(), [*_direct(Path(script), part)]
    while waiting:
        file = waiting.pop()
        if file not in seen:
            seen.add(file)
            waiting += _direct(file)
    return sorted(str(file) for file in seen if file.stat().st_size)


@cache
def code_digests(program, templates="", part=""):
    """{path from the scripts' folder: digest} of a program, the library files that it imports and its templates.

    `program` is a name such as "distill", `templates` a pattern below the scripts' folder; they count byte for byte.
    part: of `imports_of`.
    """
    script = SCRIPTS / f"{program}.py"
    found = {file: _digest(file) for file in [script, *map(Path, imports_of(script, part))]}
    for file in SCRIPTS.glob(templates) if templates else ():
        found[file] = _hash(file.read_bytes())
    return {file.relative_to(SCRIPTS).as_posix(): found[file] for file in sorted(found) if found[file] != NOTHING}


def _hash(content):
    return hashlib.sha256(content).hexdigest()[:DIGITS]


def _digest_of(tree):
    return _hash(repr(_normal(tree)).encode())


@cache
def _digest(path):
    return _digest_of(_tree(path))


def _normal(node):
    """A syntax tree as nested lists of what acts: no positions, no docstrings, no wordings, nothing that is empty.

    (`ast.dump` would show what another version of Python adds to its nodes.)
    """
    if isinstance(node, list):
        return [_normal(one) for one in node if not (isinstance(one, ast.Expr) and _is_text(one.value))]
    if not isinstance(node, ast.AST):
        return node
    form = [type(node).__name__]
    for name in node._fields:
        value = getattr(node, name)
        if isinstance(node, ast.Call):
            value = _unworded(node, name, value)
        if value is not None and value != [] and not isinstance(value, ast.expr_context):
            form += [name, _normal(value)]
    return form


def _unworded(call, name, value):
    """The field `name` of a call without texts that are only read."""
    if name == "keywords":
        return [one for one in value if not (one.arg in WORDS and _is_text(one.value))]
    if name == "args" and getattr(call.func, "id", None) in SPEAKERS:
        return [one for one in value if not _is_text(one)]
    return value


def _is_text(node):
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


NOTHING = _digest_of(ast.Module(body=[], type_ignores=[]))  # of a package's empty __init__.py
