"""The training text of one documented function: as HumanEval prompts it, signature, docstring once, then the body."""

import ast
import io
import re
import textwrap
import tokenize

from codestill.data.functions import FUNCTIONS, first_line, parse
from codestill.data.instruct import Chat
from codestill.kit.files import read_jsonl
from codestill.kit.program import UserError

_SURROGATE = re.compile("[\ud800-\udfff]")
_BLANK = (tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.COMMENT)
_TRIPLE = re.compile(r"[A-Za-z]{0,2}(\"\"\"|''')")


def function_text(record):
    """The text that a model learns for `record` {code, docstring, ...}, without the end token.

    Newlines are `\\n`, the function starts at column 0 with its body one level in (a method cut out of its class
    carries the class's indentation in every line but the first), and nothing follows the last statement. The
    docstring stands in it once: the code's own where it has one, else the record's, put in at the head of the body.
    Code that does not parse, and code of the format `code`, is taken as it is.
    """
    code = record["code"].replace("\r\n", "\n").replace("\r", "\n").strip("\n").rstrip()
    code = textwrap.dedent(code)
    function = _function(code) if record.get("format") != "code" else None
    if function is None:
        return code
    shifted = _outdent(code, function)
    if shifted != code:
        code, function = shifted, _function(shifted) or function
    docstring = (record.get("docstring") or "").strip()
    if docstring and ast.get_docstring(function) is None:
        code = _with_docstring(code, function, docstring)
    return code


def body_start(text):
    """Where the body of a function's text begins: behind its docstring, else its signature; in characters.

    None where the text holds no whole signature. The text may be cut off anywhere behind that.
    """
    lines = [0]
    for line in text.splitlines(keepends=True):
        lines.append(lines[-1] + len(line))
    depth, signature, end = 0, False, None
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            place = lines[token.end[0] - 1] + token.end[1] if token.end[0] <= len(lines) else len(text)
            if end is not None:
                if token.type in _BLANK:
                    continue
                return place if token.type == tokenize.STRING else end
            signature = signature or (token.type == tokenize.NAME and token.string == "def")
            if token.type == tokenize.OP:
                depth += (token.string in "([{") - (token.string in ")]}")
                if signature and depth == 0 and token.string == ":":
                    end = place
    except (tokenize.TokenError, SyntaxError):
        pass  # cut off within a string or a bracket
    return end


def text_of(record, where):
    """(text, source) of one record of a corpus; a text that no encoding can write (half of a surrogate pair) is None.

    Raises UserError that says `where` for a record without code.
    """
    if not isinstance(record.get("code"), str):
        raise UserError(f'{where} has no "code"; give the functions that prepare_corpus.py writes')
    text = Chat(record["messages"]) if record.get("format") == "instruct" else function_text(record)
    return None if _SURROGATE.search(text) else text, record.get("source") or "corpus"


def read_texts(path):
    """Yield the text of each function of a JSON-lines file, "" where no encoding can write it."""
    for number, record in enumerate(read_jsonl(path), 1):
        yield text_of(record, f"{path}: record {number}")[0] or ""


def _function(code):
    """The first function of `code` as a syntax tree, or None."""
    tree = parse(code)
    return next((node for node in tree.body if isinstance(node, FUNCTIONS)), None) if tree else None


def _outdent(code, function):
    """Take the class's indentation off every line but the first; text inside other strings than the docstring stays."""
    body = function.body[0]
    indent = body.col_offset
    if indent <= 4 or first_line(body) == function.lineno:
        return code
    surplus = indent - _unit(function, indent)
    lines = code.split("\n")
    kept = _lines_inside_strings(lines, function)
    surplus_at_most = re.compile(rf"[ \t]{{0,{surplus}}}")
    for number in range(1, len(lines)):
        if number + 1 not in kept:
            lines[number] = surplus_at_most.sub("", lines[number], count=1)
    return "\n".join(lines)


def _unit(function, indent):
    """How many columns one level of indentation has, from the blocks nested in the body; else 4 where that fits."""
    steps = set()
    for node in ast.walk(function):
        for block in (getattr(node, "body", None), getattr(node, "orelse", None)):
            if node is not function and isinstance(block, list) and block and hasattr(node, "col_offset"):
                steps.add(block[0].col_offset - node.col_offset)
    steps = {step for step in steps if 0 < step < indent and indent % step == 0}
    if steps:
        return min(steps)
    return 4 if indent % 4 == 0 else indent


def _lines_inside_strings(lines, function):
    """Numbers of the lines that continue a triple-quoted string, the docstring's left out."""
    first = function.body[0]
    docstring = first.value if isinstance(first, ast.Expr) else None
    inside = set()
    for node in ast.walk(function):
        text = isinstance(node, ast.JoinedStr) or (
            isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes))
        )
        if text and node is not docstring and node.end_lineno > node.lineno:
            opening = lines[node.lineno - 1].encode()[node.col_offset :].decode(errors="replace")
            if _TRIPLE.match(opening):
                inside.update(range(node.lineno + 1, node.end_lineno + 1))
    return inside


def _with_docstring(code, function, docstring):
    """Put `docstring` before the first statement of the body, indented like it."""
    lines = code.split("\n")
    body = function.body[0]
    number = first_line(body) - 1
    if number == function.body[0].lineno - 1 and lines[number].encode()[: body.col_offset].strip():
        # The body stands on the signature's line: give it lines of its own.
        head = lines[number].encode()[: body.col_offset].decode().rstrip()
        rest = lines[number].encode()[body.col_offset :].decode()
        lines[number : number + 1] = [head, "    " + rest]
        indent, number = "    ", number + 1
    else:
        indent = re.match(r"[ \t]*", lines[number]).group()
    lines[number:number] = _quoted(docstring, indent)
    return "\n".join(lines)


def _quoted(docstring, indent):
    """The lines of a docstring literal."""
    text = textwrap.dedent(docstring).replace("\r\n", "\n").replace("\r", "\n")
    text = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    first, *others = text.split("\n")
    if not others:
        return [f'{indent}"""{first[:-1]}\\""""' if first.endswith('"') else f'{indent}"""{first}"""']
    body = [indent + line if line.strip() else "" for line in others]
    return [f'{indent}"""{first}', *body, f'{indent}"""']
