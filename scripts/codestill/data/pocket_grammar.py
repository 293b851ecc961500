"""The steps that Pocket's functions are made of: each phrase of a docstring stands for one line of code.

A template may name the argument `{xs}`, one element of it `{x}`, a small number `{k}` and a letter `{c}`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One step: its name, the phrase that asks for it, and the expression that the line assigns or returns."""

    name: str
    phrase: str
    code: str


@dataclass(frozen=True)
class Domain:
    """What one kind of argument allows: names for it, steps that keep its type, and the steps that end a function."""

    name: str
    arguments: tuple[tuple[str, str], ...]  # (the argument, one element of it)
    body: tuple[Step, ...]
    ends: tuple[Step, ...]
    empty: list | str  # the empty argument


def _keep(name, phrase, condition):
    return Step(name, phrase, f"[{{x}} for {{x}} in {{xs}} if {condition}]")


def _each(name, phrase, value):
    return Step(name, phrase, f"[{value} for {{x}} in {{xs}}]")


_ORDER = (
    Step("first", "Take the first {k} {xs}.", "{xs}[:{k}]"),
    Step("rest", "Skip the first {x}.", "{xs}[1:]"),
    Step("sort", "Sort the {xs}.", "sorted({xs})"),
    Step("reverse", "Reverse the {xs}.", "{xs}[::-1]"),
)

NUMBERS = Domain(
    "numbers",
    (("numbers", "number"), ("values", "value"), ("scores", "score"), ("prices", "price")),
    (
        _keep("even", "Keep the even {xs}.", "{x} % 2 == 0"),
        _keep("odd", "Keep the odd {xs}.", "{x} % 2 == 1"),
        _keep("positive", "Keep the positive {xs}.", "{x} > 0"),
        _keep("nonzero", "Drop the zeros.", "{x} != 0"),
        _keep("greater", "Keep the {xs} greater than {k}.", "{x} > {k}"),
        _keep("less", "Keep the {xs} less than {k}.", "{x} < {k}"),
        _each("add", "Add {k} to each {x}.", "{x} + {k}"),
        _each("multiply", "Multiply each {x} by {k}.", "{x} * {k}"),
        _each("square", "Square each {x}.", "{x} ** 2"),
        _each("halve", "Halve each {x}.", "{x} // 2"),
        _each("decrease", "Decrease each {x} by one.", "{x} - 1"),
        _each("negate", "Negate each {x}.", "-{x}"),
        _each("absolute", "Take the absolute value of each {x}.", "abs({x})"),
        *_ORDER,
    ),
    (
        Step("sum", "Return the sum.", "sum({xs})"),
        Step("count", "Return how many are left.", "len({xs})"),
        Step("largest", "Return the largest, or 0.", "max({xs}, default=0)"),
        Step("smallest", "Return the smallest, or 0.", "min({xs}, default=0)"),
        Step("list", "Return the {xs}.", "{xs}"),
        Step("any", "Return whether any {x} is greater than {k}.", "any({x} > {k} for {x} in {xs})"),
    ),
    [],
)

WORDS = Domain(
    "words",
    (("words", "word"), ("names", "name"), ("lines", "line"), ("labels", "label")),
    (
        _keep("longer", "Keep the {xs} longer than {k} letters.", "len({x}) > {k}"),
        _keep("shorter", "Keep the {xs} shorter than {k} letters.", "len({x}) < {k}"),
        _keep("starting", "Keep the {xs} that start with '{c}'.", "{x}.startswith('{c}')"),
        _keep("containing", "Keep the {xs} that contain '{c}'.", "'{c}' in {x}"),
        _keep("alphabetic", "Keep the {xs} that are all letters.", "{x}.isalpha()"),
        _keep("nonempty", "Drop the empty {xs}.", "{x} != ''"),
        _each("upper", "Write each {x} in upper case.", "{x}.upper()"),
        _each("title", "Capitalize each {x}.", "{x}.capitalize()"),
        _each("backwards", "Write each {x} backwards.", "{x}[::-1]"),
        _each("twice", "Write each {x} twice.", "{x} * 2"),
        _each("cut", "Cut each {x} to {k} letters.", "{x}[:{k}]"),
        _each("tail", "Remove the first letter of each {x}.", "{x}[1:]"),
        _each("exclaim", "Put an exclamation mark after each {x}.", "{x} + '!'"),
        *_ORDER,
    ),
    (
        Step("count", "Return how many are left.", "len({xs})"),
        Step("join", "Return the {xs} joined by commas.", "','.join({xs})"),
        Step("total", "Return the total length.", "sum(len({x}) for {x} in {xs})"),
        Step("longest", "Return the length of the longest, or 0.", "max((len({x}) for {x} in {xs}), default=0)"),
        Step("list", "Return the {xs}.", "{xs}"),
        Step("any", "Return whether any {x} contains '{c}'.", "any('{c}' in {x} for {x} in {xs})"),
    ),
    [],
)

TEXT = Domain(
    "text",
    (("text", "char"), ("string", "char"), ("message", "char"), ("phrase", "char")),
    (
        Step("consonants", "Drop the vowels.", "''.join({x} for {x} in {xs} if {x} not in 'aeiou')"),
        Step("vowels", "Keep only the vowels.", "''.join({x} for {x} in {xs} if {x} in 'aeiou')"),
        Step("letters", "Keep only the letters.", "''.join({x} for {x} in {xs} if {x}.isalpha())"),
        Step("digits", "Drop the digits.", "''.join({x} for {x} in {xs} if not {x}.isdigit())"),
        Step("without", "Drop every '{c}'.", "''.join({x} for {x} in {xs} if {x} != '{c}')"),
        Step("twice", "Repeat every character.", "''.join({x} * 2 for {x} in {xs})"),
        Step("dots", "Put a dot after every character.", "''.join({x} + '.' for {x} in {xs})"),
        Step("underline", "Replace the spaces by underscores.", "{xs}.replace(' ', '_')"),
        Step("upper", "Write the {xs} in upper case.", "{xs}.upper()"),
        Step("swap", "Swap upper and lower case.", "{xs}.swapcase()"),
        Step("first", "Take the first {k} characters.", "{xs}[:{k}]"),
        Step("rest", "Skip the first character.", "{xs}[1:]"),
        Step("alternate", "Take every second character.", "{xs}[::2]"),
        Step("backwards", "Write the {xs} backwards.", "{xs}[::-1]"),
    ),
    (
        Step("text", "Return the {xs}.", "{xs}"),
        Step("length", "Return the length.", "len({xs})"),
        Step("count", "Return how often '{c}' occurs.", "{xs}.count('{c}')"),
        Step("any", "Return whether '{c}' occurs.", "'{c}' in {xs}"),
        Step("distinct", "Return how many characters differ.", "len(set({xs}))"),
        Step("last", "Return the last {k} characters.", "{xs}[-{k}:]"),
    ),
    "",
)

DOMAINS = (NUMBERS, WORDS, TEXT)
LARGEST = 7  # numbers run from 2 to this
LETTERS = "aenrst"
VERBS = (
    "process", "handle", "solve", "compute", "prepare", "refine", "convert", "digest",
    "transform", "resolve", "evaluate", "reduce", "adapt", "treat", "render", "derive",
)  # fmt: skip
