"""The program in what a model wrote: past its thoughts and talk, out of its fences, up to where it ends.

What is found either defines the entry point, and then follows what the prompt has before it, or continues the prompt.
Statements of the top level that only try the program out are left out, as evalplus's sanitizer leaves them out.
"""

import ast
import re
import textwrap

from codestill.data.functions import FUNCTIONS, first_line, parse

END_MARKERS = (
    *("<|endoftext|>", "<|endofmask|>", "<|im_end|>", "<|im_start|>", "<|eot_id|>", "<|end_of_text|>", "<|end|>"),
    *("<|EOT|>", "<｜end▁of▁sentence｜>", "<end_of_turn>", "<eos>", "</s>", "<|file_separator|>", "<file_sep>"),
)
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[^\n`]*$", re.MULTILINE)
_THOUGHT = re.compile(r"<(think|thinking|reasoning)>.*?</\1>", re.DOTALL)
_STARTS = re.compile(r"^(?:async def|def|class|import|from|@)\b|^@", re.MULTILINE)
_KEPT = (*FUNCTIONS, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.AugAssign)
_TRIES = 300  # lines cut off in search of an end that parses


def program_in(text, prompt, entry_point):
    """The program that `text` answers `prompt` with; where none is found, prompt and text joined."""
    text = _without_talk(text)
    blocks = _blocks(text)
    whole = [found for block in blocks for found in [_defining(block, entry_point)] if found]
    if whole:
        return _before(prompt, entry_point) + _bound(whole[-1], entry_point)
    for fenced, block in [*((True, block) for block in blocks if block != text), (False, text)]:
        continued = _continued(prompt, block, entry_point, fenced)
        if continued:
            return continued
    named = [found for block in blocks for found in [_other_name(block, prompt, entry_point)] if found]
    return _before(prompt, entry_point) + named[-1] if named else prompt + text


def code_in(text):
    """The code of a text that may hold it in fences: the blocks that parse, joined; the text itself where none does."""
    blocks = [block for block in _blocks(text) if block.strip() and parse(block)] if _FENCE.search(text) else []
    return "\n\n\n".join(block.strip("\n") for block in blocks) or text


def _without_talk(text):
    """The text after the model's thoughts and before its end."""
    text = _THOUGHT.sub("", text.replace("\r\n", "\n"))
    for name in ("think", "thinking", "reasoning"):
        text = text.rpartition(f"</{name}>")[2]  # the template may have opened them
    cuts = [place for marker in END_MARKERS if (place := text.find(marker)) >= 0]
    return text[: min(cuts, default=None)]


def _blocks(text):
    """What stands in fences, each block dedented, or the whole text where there are none."""
    fences = list(_FENCE.finditer(text))
    if not fences:
        return [text]
    edges = [0, *(edge for fence in fences for edge in (fence.start(), fence.end())), len(text)]
    pieces = [text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True)]
    # A completion may begin inside a fence that the prompt has opened.
    inside = pieces[1::2] if len(fences) % 2 == 0 or len(fences) == 1 else pieces[0::2]
    return [textwrap.dedent(piece.strip("\n")) for piece in [*(pieces[:1] if len(fences) == 1 else ()), *inside]]


def _longest(text, before=""):
    """(the first lines of `text`, as many as parse behind `before`, their tree); ("", None) where none do."""
    lines = text.split("\n")
    for _ in range(_TRIES):
        joined = before + "\n".join(lines)
        try:
            return "\n".join(lines), ast.parse(joined)
        except SyntaxError as error:
            failed = (error.lineno or 0) - before.count("\n")
            # An open bracket or string is told where it begins, or at the very end.
            lines = lines[: min(len(lines) - 1, max(0, failed - 1))] if failed > 0 else lines[:-1]
        except (ValueError, RecursionError, MemoryError):
            return "", None
        if not lines:
            break
    return "", None


def _defining(block, entry_point):
    """The code of a block that defines the entry point, at its top level or as a method; None where none does."""
    best = None
    assigned = re.compile(rf"^{re.escape(entry_point)}\s*[:=]", re.MULTILINE)
    for start in (*_STARTS.finditer(block), *assigned.finditer(block)):
        code, tree = _longest(block[start.start() :])
        if tree is not None and _definition(tree, entry_point) is not None:
            best = best if best and len(best) >= len(code) else code
        if best:
            break
    return best and _kept(best)


def _definition(tree, entry_point):
    """The entry point's node, or the class that has it as a method."""
    kinds = (*FUNCTIONS, ast.ClassDef)
    for node in tree.body:
        if isinstance(node, kinds) and node.name == entry_point:
            return node
        if isinstance(node, ast.Assign) and any(getattr(target, "id", None) == entry_point for target in node.targets):
            return node
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and any(getattr(one, "name", None) == entry_point for one in node.body):
            return node
    return None


def _kept(code):
    """The code without the statements of its top level that define nothing."""
    lines, kept = code.split("\n"), []
    for node in ast.parse(code).body:
        if isinstance(node, _KEPT):
            kept.append("\n".join(lines[first_line(node) - 1 : node.end_lineno]))
    return "\n".join(kept) + "\n"


def _bound(code, entry_point):
    """The code, and the entry point as a method's where only a class has it."""
    node = _definition(ast.parse(code), entry_point)
    if isinstance(node, ast.ClassDef) and node.name != entry_point:
        return f"{code}\n{entry_point} = {node.name}().{entry_point}\n"
    return code


def _before(prompt, entry_point):
    """What a prompt has before its entry point: imports, helpers, classes."""
    found = re.search(rf"^(?:@.*\n)*(?:async )?(?:def|class) {re.escape(entry_point)}\b", prompt, re.MULTILINE)
    return prompt[: found.start()] if found else prompt.rstrip() + "\n" if parse(prompt) else ""


def _continued(prompt, text, entry_point, fenced):
    """Prompt and text joined, up to where it parses and without what only tries it out; None where nothing does.

    A body in a fence may have lost its indentation to the fence; elsewhere a wrong one is the model's mistake.
    """
    bare = fenced and not _STARTS.match(text)
    for way in (text, textwrap.indent(text, "    ")) if bare else (text,):
        rest, tree = _longest(way, prompt)
        node = tree and _definition(tree, entry_point)
        code = (prompt + rest).split("\n")
        if node is not None and node.end_lineno > prompt.rstrip().count("\n") + 1 and rest.strip():
            return _kept("\n".join(code))
    return None


def _other_name(block, prompt, entry_point):
    """The code of a block with its one function under the entry point's name; None where it has none or many."""
    start = _STARTS.search(block)
    code, tree = _longest(block[start.start() :]) if start else ("", None)
    functions = [node for node in tree.body if isinstance(node, FUNCTIONS)] if tree else []
    wanted = re.search(rf"def {re.escape(entry_point)}\((.*?)\)", prompt, re.DOTALL)
    alike = [node for node in functions if wanted and len(node.args.args) == _parameters(wanted.group(1))]
    if len(functions) != 1 and len(alike) != 1:
        return None
    return f"{_kept(code)}\n{entry_point} = {(alike or functions)[-1].name}\n"


def _parameters(text):
    tree = parse(f"def f({text}): pass")
    return len(tree.body[0].args.args) if tree else -1
