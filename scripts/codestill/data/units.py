"""Any Python as training text: what a file holds, cut into units that can be read alone.

A unit is a function or a class of the top level with what it needs of its file: the imports, constants and helpers
whose names it uses, and the comment that stands above it. A file without any is one unit, as a script.
"""

import ast

from codestill.data.functions import FUNCTIONS, first_line, nodes_under, parse

_DEFINITIONS = (*FUNCTIONS, ast.ClassDef)
_NEEDS = 8  # statements of the file that a unit may bring along; of more, the unit stands without its helpers


def units(source):
    """Yield (name, text) of each unit of a source file, in its order; nothing where the file does not parse."""
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    tree = parse(source)
    if tree is None:
        return
    lines = source.split("\n")
    if not any(isinstance(node, _DEFINITIONS) for node in tree.body):
        if tree.body:
            yield "script", source.strip("\n").rstrip()
        return
    binds = {}  # name: the number of the last statement of the top level that binds it
    for number, node in enumerate(tree.body):
        binds |= dict.fromkeys(_bound(node), number)
    for number, node in enumerate(tree.body):
        if isinstance(node, _DEFINITIONS):
            needed = sorted({*_needed(tree.body, binds, number), number})
            yield node.name, "\n".join(_piece(lines, tree.body, one) for one in needed).strip("\n")


def _bound(node):
    """The names that a statement of the top level binds."""
    if isinstance(node, _DEFINITIONS):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [(one.asname or one.name).partition(".")[0] for one in node.names]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [one.id for one in targets if isinstance(one, ast.Name)]


def _needed(body, binds, number):
    """The numbers of the statements that statement `number` needs, theirs included, or its imports alone."""
    found, waiting = set(), [number]
    while waiting:
        for node in nodes_under(body[waiting.pop()]):
            place = binds.get(node.id) if isinstance(node, ast.Name) else None
            if place is not None and place != number and place not in found:
                found.add(place)
                waiting.append(place)
    if len(found) <= _NEEDS:
        return found
    return {one for one in found if isinstance(body[one], ast.Import | ast.ImportFrom)}


def _piece(lines, body, number):
    """The lines of one statement, with two empty lines before a definition and the comment above it."""
    node = body[number]
    start = first_line(node)
    floor = body[number - 1].end_lineno if number else 0
    while start - 1 > floor and lines[start - 2].startswith("#"):
        start -= 1
    text = "\n".join(lines[start - 1 : node.end_lineno])
    return f"\n\n{text}" if isinstance(node, _DEFINITIONS) else text
