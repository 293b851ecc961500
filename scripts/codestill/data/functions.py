"""Python functions as text: found in source files with `ast`, cut out, and told apart up to layout."""

import ast
import hashlib
import textwrap
import tokenize
import warnings

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
# {kind of node: its fields} of the whole language.
FIELDS_OF = {kind: kind._fields for kind in vars(ast).values() if isinstance(kind, type) and issubclass(kind, ast.AST)}
_WRITTEN = {kind: [name for name in fields if name != "ctx"] for kind, fields in FIELDS_OF.items()}
_UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)


def parse(source):
    """The syntax tree of `source`, or None where this interpreter cannot read it (Python 2, a torn file)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes and the like in other people's code
        try:
            return ast.parse(source)
        except _UNREADABLE:
            return None


def read_source(path):
    """The text of a Python file in the encoding that its coding line names; None where it cannot be read so."""
    try:
        with tokenize.open(path) as handle:
            return handle.read()
    except (OSError, SyntaxError, UnicodeDecodeError):
        return None


def first_line(statement):
    """The line on which a statement starts, its decorators included."""
    return min([statement.lineno, *(node.lineno for node in getattr(statement, "decorator_list", ()))])


def parse_function(code):
    """The one function that `code` holds. None where it does not parse, False where it is something else.

    A method cut out of its class with its indentation is read as well.
    """
    tree = parse(code) or parse(textwrap.dedent(code))
    if tree is None:
        return None
    if len(tree.body) != 1 or not isinstance(tree.body[0], FUNCTIONS):
        return False
    return tree.body[0]


def parse_code(code):
    """The tree of any Python: of its one function where it holds nothing else, else of a module; None: no Python."""
    tree = parse(code) or parse(textwrap.dedent(code))
    return tree.body[0] if tree and len(tree.body) == 1 and isinstance(tree.body[0], FUNCTIONS) else tree


def body_of(function):
    """The statements of a function, or of a module that has some, without its docstring."""
    first = function.body[0]
    spoken = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    return function.body[1:] if spoken else function.body


def does_something(function):
    """False for a body that is empty but for its docstring, `pass` and `...`."""
    return not all(
        isinstance(statement, ast.Pass)
        or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        for statement in body_of(function)
    )


def documented_functions(source):
    """Yield (qualified name, code, docstring) of each function with a docstring in a source file, in its order.

    Methods, nested and async functions are included; decorators belong to the code, and it starts at column 0.
    Nothing is yielded where the file does not parse.
    """
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    tree = parse(source)
    if tree is None:
        return
    # Form feeds and the like are no line ends to the parser: split at newlines alone.
    lines = source.split("\n")
    for name, node in _named_functions(tree, ()):
        docstring = ast.get_docstring(node)
        if not docstring:
            continue
        code, sure = _cut(lines, node)
        if sure or parse_function(code):
            yield ".".join(name), code, docstring


_BLOCKS = ("body", "handlers", "orelse", "finalbody", "cases")  # the fields that hold statements


def _named_functions(node, path):
    for field in _BLOCKS:
        children = getattr(node, field, None)
        for child in children if isinstance(children, list) else ():
            if isinstance(child, (*FUNCTIONS, ast.ClassDef)):
                if isinstance(child, FUNCTIONS):
                    yield (*path, child.name), child
                yield from _named_functions(child, (*path, child.name))
            else:
                yield from _named_functions(child, path)


def _cut(lines, node):
    """(the lines of a function, its decorators included, at column 0; whether they are sure to parse)."""
    piece = lines[first_line(node) - 1 : node.end_lineno]
    # What follows the function on its last line (`; x = 1`) is not part of it.
    piece[-1] = piece[-1].encode()[: node.end_col_offset].decode()
    indent = piece[0][: len(piece[0]) - len(piece[0].lstrip())]
    # Lines of a string may stand further left than the function: they keep what they have.
    sure = "\t" not in indent and all(line.startswith(indent) or not line.strip() for line in piece)
    return "\n".join(line.removeprefix(indent) for line in piece), sure


def digest(text):
    """The first eight bytes of a text's SHA-256 as a number: the key that sets of texts are kept by."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")


def nodes_under(top):
    """Every node under `top`, itself included; the half of ast.walk's cost matters over a whole corpus."""
    stack = [top]
    while stack:
        node = stack.pop()
        yield node
        for field in node._fields:
            value = getattr(node, field, None)
            if isinstance(value, list):
                stack.extend(item for item in value if isinstance(item, ast.AST))
            elif isinstance(value, ast.AST):
                stack.append(value)


def functions_in(tree):
    """Every function in a syntax tree: of a module, of its classes, inside another, and the tree itself."""
    found, stack = [], [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, FUNCTIONS):
            found.append(node)
        for field in _BLOCKS:  # a statement stands in no other place
            children = getattr(node, field, None)
            if isinstance(children, list):
                stack.extend(children)
    return found


def normalised(function):
    """Fingerprint of a function, or of a module, up to layout and comments: names, docstring's words and code count."""
    named = isinstance(function, FUNCTIONS)
    words = [function.name if named else "", " ".join((ast.get_docstring(function) or "").split())]
    # Each node by its kind, then its fields, of which a kind has always as many; a list by its length: nothing else
    # is written alike. (`ast.dump` says the same in twice the time.)
    stack = [body_of(function), function.args if named else None]
    while stack:
        part = stack.pop()
        kind = type(part)
        if kind in _WRITTEN:
            words.append(kind.__name__)
            stack += [getattr(part, name, None) for name in _WRITTEN[kind]]
        elif kind is list:
            words.append(f"[{len(part)}")
            stack.extend(part)
        else:
            words.append(repr(part))
    return digest("\x00".join(words))
