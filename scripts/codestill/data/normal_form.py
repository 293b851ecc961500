"""The normal form of code: what is left when layout, comments, docstrings, annotations, own names and turns of writing
that change nothing are gone. Two functions of one normal form do the same.
"""

import ast

from codestill.data.functions import FUNCTIONS, body_of, digest, nodes_under

_SKIPPED = frozenset({"ctx", "annotation", "returns", "type_comment", "kind", "decorator_list", "type_params"})
_TURNED = {ast.Gt: ast.Lt, ast.GtE: ast.LtE}
_EITHER_WAY = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot)
_OWN = "@"  # leads a name of the function's own; no Python word starts with it


def own_names(function):
    """The names that a function binds itself: its own, parameters, local variables, nested functions."""
    names = set()
    for node in nodes_under(function):
        kind = type(node)
        if kind is ast.arg:
            names.add(node.arg)
        elif kind is ast.Name:
            if type(node.ctx) is not ast.Load:
                names.add(node.id)
        elif kind in FUNCTIONS or (kind is ast.ExceptHandler and node.name):
            names.add(node.name)
    return names


_SILENT = frozenset({ast.Expr, ast.Pass})  # the kinds of statement that may say nothing


def _says_nothing(statement):
    """True for one of _SILENT that is a constant, `pass` or a call of print: none acts on what is returned."""
    if isinstance(statement, ast.Pass):
        return True
    value = statement.value
    called = value.func if isinstance(value, ast.Call) else None
    return isinstance(value, ast.Constant) or (isinstance(called, ast.Name) and called.id == "print")


def _turned(compare):
    """A comparison from small to large: `a > b` as `b < a`; what is equal either way by the order of its words."""
    kinds = {type(operator) for operator in compare.ops}
    operands = [compare.left, *compare.comparators]
    if kinds <= set(_TURNED):
        operands.reverse()
        return operands, [_TURNED[type(operator)]() for operator in reversed(compare.ops)]
    return operands, compare.ops


class _Writer:
    """Writes statements as words in pre-order."""

    def __init__(self, own):
        self.own = own
        self.words = []
        self.nodes = 0
        self.order = {}  # of each own name: when it was first written

    def add(self, value):
        """Append one node, list or plain value."""
        if isinstance(value, list):
            self.words.append("[")
            for item in value:
                if type(item) not in _SILENT or not _says_nothing(item):
                    self.add(item)
            self.words.append("]")
        elif not isinstance(value, ast.AST):
            self.words.append(repr(value))
        elif isinstance(value, ast.AnnAssign) and value.value:
            self.add(ast.Assign(targets=[value.target], value=value.value))
        elif isinstance(value, ast.AugAssign):
            self.add(ast.Assign(targets=[value.target], value=ast.BinOp(value.target, value.op, value.value)))
        elif isinstance(value, ast.Compare):
            self._compare(value)
        else:
            self._node(value)

    def _node(self, node):
        self.nodes += 1
        self.words.append(type(node).__name__)
        for field in node._fields:
            if field in _SKIPPED:
                continue
            part = getattr(node, field, None)
            if field in ("id", "arg", "name") and isinstance(part, str) and not isinstance(node, ast.keyword):
                self.words.append(_OWN + part if part in self.own else part)
                self.order.setdefault(self.words[-1], len(self.order))
            elif field == "body" and isinstance(node, FUNCTIONS):
                self.add(body_of(node))
            else:
                self.add(part)

    def _compare(self, compare):
        self.nodes += 1
        self.words.append("Compare")
        operands, operators = _turned(compare)
        known = dict(self.order)  # names that were written before this comparison
        written = [self._apart(operand) for operand in operands]
        if len(written) == 2 and isinstance(operators[0], _EITHER_WAY):
            written.sort(key=lambda words: (anonymous(words), [known.get(word, len(known)) for word in words]))
        for operator in operators:
            self._node(operator)
        for words in written:
            self.words.extend(words)

    def _apart(self, node):
        """The words of a node, not yet appended."""
        words, self.words = self.words, []
        self.add(node)
        words, self.words = self.words, words
        return words


def anonymous(words):
    """Words in which all own names are one."""
    return [_OWN if word[:1] == _OWN else word for word in words]


def _flat(node):
    """A node's kind, name and constant, without what is under it."""
    values = (getattr(node, field, None) for field in node._fields)
    return " ".join([type(node).__name__, *(repr(value) for value in values if not isinstance(value, ast.AST | list))])


def normal_form(function):
    """(words, nodes) of a function's body. Own names carry a mark and are still told apart.

    `nodes` is the number of syntax nodes of the body: how much a match means. Constants, attributes and names from
    outside count. Code that is nested too deep for that keeps its names.
    """
    writer = _Writer(own_names(function))
    try:
        writer.add(body_of(function))
    except RecursionError:
        words = [_flat(node) for node in nodes_under(function)]
        return words, len(words)
    return writer.words, writer.nodes


def fingerprint(words):
    """A number for words, equal for those that differ by a renaming of own names alone."""
    numbers = {}
    return digest(
        "\x00".join(
            f"{_OWN}{numbers.setdefault(word, len(numbers))}" if word.startswith(_OWN) else word for word in words
        )
    )
