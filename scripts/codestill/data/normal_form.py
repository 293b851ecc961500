"""The normal form of code: what is left when layout, comments, docstrings, annotations, own names and turns of writing
that change nothing are gone. Two functions of one normal form do the same.
"""

import ast

from codestill.data.functions import FIELDS_OF, FUNCTIONS, body_of, digest, nodes_under

_SKIPPED = frozenset({"ctx", "annotation", "returns", "type_comment", "kind", "decorator_list", "type_params"})
_TURNED = {ast.Gt: ast.Lt, ast.GtE: ast.LtE}
_EITHER_WAY = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot)
# The loops below meet every node of a corpus: what they ask of a node's kind is written down once. {kind: its fields}:
# all but the skipped ones, each with whether it is a name; and those that may hold a node that binds a name.
_FIELDS = {
    kind: [(name, name in ("id", "arg", "name") and kind is not ast.keyword) for name in fields if name not in _SKIPPED]
    for kind, fields in FIELDS_OF.items()
}
_HOLDING = {
    kind: [name for name in fields if name not in ("ctx", "op", "ops", "attr", "kind")]
    if kind is not ast.Constant
    else []
    for kind, fields in FIELDS_OF.items()
}
_OWN = "@"  # leads a name of the function's own; no Python word starts with it


def own_names(function):
    """The names that a function binds itself: its own, parameters, local variables, nested functions."""
    names, stack = set(), [function]
    while stack:
        node = stack.pop()
        kind = type(node)
        if kind is ast.Name:
            if type(node.ctx) is not ast.Load:
                names.add(node.id)
            continue
        if kind is ast.arg:
            names.add(node.arg)
        elif kind in FUNCTIONS or (kind is ast.ExceptHandler and node.name):
            names.add(node.name)
        for field in _HOLDING[kind]:
            part = getattr(node, field, None)
            if type(part) is list:
                stack.extend([item for item in part if isinstance(item, ast.AST)])
            elif isinstance(part, ast.AST):
                stack.append(part)
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
        kind = type(value)
        if kind is list:
            self.words.append("[")
            for item in value:
                if type(item) not in _SILENT or not _says_nothing(item):
                    self.add(item)
            self.words.append("]")
        elif kind not in _FIELDS:
            self.words.append(repr(value))
        elif kind is ast.AnnAssign and value.value:
            self.add(ast.Assign(targets=[value.target], value=value.value))
        elif kind is ast.AugAssign:
            self.add(ast.Assign(targets=[value.target], value=ast.BinOp(value.target, value.op, value.value)))
        elif kind is ast.Compare:
            self._compare(value)
        else:
            self._node(value)

    def _node(self, node):
        self.nodes += 1
        kind = type(node)
        self.words.append(kind.__name__)
        for field, named in _FIELDS[kind]:
            part = getattr(node, field, None)
            if part is None or (type(part) is str and not named):
                self.words.append(repr(part))
            elif named and type(part) is str:
                self.words.append(_OWN + part if part in self.own else part)
                self.order.setdefault(self.words[-1], len(self.order))
            elif field == "body" and kind in FUNCTIONS:
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
    own = [word for word in dict.fromkeys(words) if word[:1] == _OWN]  # in the order in which they come
    numbered = {word: f"{_OWN}{number}" for number, word in enumerate(own)}
    return digest("\x00".join([numbered.get(word, word) for word in words]))
