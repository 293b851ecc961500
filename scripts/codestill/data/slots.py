"""Docstrings and bodies with slots in place of argument names, numbers and quoted words, so that they compare."""

import ast
import re
import textwrap
from dataclasses import dataclass

from codestill.data.functions import FUNCTIONS, body_of, parse
from codestill.data.normal_form import own_names

_CODE = re.compile(r"\n[ ]*|[A-Za-z_]\w*|\d+|'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|[ ]+|.")
_WORD = re.compile(r"[A-Za-z_]\w*|\d+|'[^'\n]*'|[^\w\s]")
_MARK = "\N{SECTION SIGN}"  # leads a slot; no Python token starts with it


def code_tokens(text):
    """The tokens of code; joined they are the text again."""
    return _CODE.findall(text)


@dataclass(frozen=True)
class Function:
    """What is read of a function: its prompt, docstring, argument names, other own names, the lines of its body."""

    prompt: str
    docstring: str
    arguments: tuple[str, ...]
    local: frozenset[str]
    lines: tuple[str, ...]  # one for each statement, at column 0


def _read(node, prompt):
    given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    names = tuple(one.arg for one in given)
    lines = tuple(ast.unparse(statement) for statement in body_of(node))
    local = frozenset(own_names(node) - {*names})
    return Function(prompt, ast.get_docstring(node) or "", names, local, lines)


def function_of(code):
    """The first function of `code`, or None where there is none that parses."""
    tree = parse(textwrap.dedent(code))
    node = next((node for node in tree.body if isinstance(node, FUNCTIONS)), None) if tree else None
    return _read(node, code) if node else None


def problem_of(row):
    """The function that a benchmark's row asks for; its body is not read. None where the prompt does not parse."""
    tree = parse(row["prompt"] + "\n    pass\n")
    for node in tree.body if tree else ():
        if isinstance(node, FUNCTIONS) and node.name == row["entry_point"]:
            node.body = node.body[:1]
            return _read(node, row["prompt"])
    return None


def written(pieces):
    """A body of pieces of code, indented."""
    return textwrap.indent("\n".join(pieces), "    ") + "\n"


class Slots:
    """The words of one phrase of a function's docstring, and slots for what in them is its own."""

    def __init__(self, function, phrase):
        self.slots = {}  # a word: its slot
        for number, name in enumerate(function.arguments):
            self.slots[name] = f"{_MARK}a{number}"
            if name.endswith("s"):
                self.slots.setdefault(name[:-1], f"{_MARK}e{number}")
        self._local = function.local - self.slots.keys()
        words = _WORD.findall(phrase)
        for word in words:
            if word[0].isdigit() or word[0] == "'":
                self.slots.setdefault(word, f"{_MARK}k{len(self.slots)}")
        self.words = tuple(self.slots.get(word, word.lower()) for word in words)

    def code(self, text):
        """Code as tokens with slots; local names are numbered as they appear."""
        numbers = {}
        tokens = []
        for token in code_tokens(text):
            if token in self._local or (token in self.slots and self.slots[token][1] == "e"):
                token = f"{_MARK}v{numbers.setdefault(token, len(numbers))}"
            tokens.append(self.slots.get(token, token))
        return tuple(tokens)

    def filled(self, tokens):
        """Code of `tokens` with this function's own words in the slots."""
        own = {slot: word for word, slot in self.slots.items()}
        return "".join(
            own.get(token, f"local_{token[2:]}" if token.startswith(_MARK + "v") else token) for token in tokens
        )
