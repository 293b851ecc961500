"""The steps that Pocket's functions are made of: each phrase of a docstring stands for one line of code.

A template may name the argument `{xs}`, one element of it `{x}`, a small number `{k}` and a letter `{c}` or `{d}`.
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


def _keep(name, phrase, condition):
    return Step(name, phrase, f"[{{x}} for {{x}} in {{xs}} if {condition}]")


def _each(name, phrase, value):
    return Step(name, phrase, f"[{value} for {{x}} in {{xs}}]")


_ORDER = (
    Step("first", "Take the first {k} {xs}.", "{xs}[:{k}]"),
    Step("skip", "Skip the first {k} {xs}.", "{xs}[{k}:]"),
    Step("sort", "Sort the {xs}.", "sorted({xs})"),
    Step("reverse", "Reverse the {xs}.", "{xs}[::-1]"),
)

NUMBERS = Domain(
    "numbers",
    (
        ("numbers", "number"),
        ("values", "value"),
        ("scores", "score"),
        ("prices", "price"),
    ),
    (
        _keep("even", "Keep the even {xs}.", "{x} % 2 == 0"),
        _keep("odd", "Keep the odd {xs}.", "{x} % 2 == 1"),
        _keep("greater", "Keep the {xs} greater than {k}.", "{x} > {k}"),
        _keep("less", "Keep the {xs} less than {k}.", "{x} < {k}"),
        _keep("multiple", "Keep the multiples of {k}.", "{x} % {k} == 0"),
        _keep("unequal", "Drop the {xs} equal to {k}.", "{x} != {k}"),
        _each("add", "Add {k} to each {x}.", "{x} + {k}"),
        _each("subtract", "Subtract {k} from each {x}.", "{x} - {k}"),
        _each("multiply", "Multiply each {x} by {k}.", "{x} * {k}"),
        _each("square", "Square each {x}.", "{x} ** 2"),
        _each("absolute", "Take the absolute value of each {x}.", "abs({x})"),
        _each("modulo", "Take each {x} modulo {k}.", "{x} % {k}"),
        _each("cap", "Cap each {x} at {k}.", "min({x}, {k})"),
        *_ORDER,
    ),
    (
        Step("sum", "Return the sum.", "sum({xs})"),
        Step("count", "Return how many are left.", "len({xs})"),
        Step("largest", "Return the largest, or 0.", "max({xs}, default=0)"),
        Step("smallest", "Return the smallest, or 0.", "min({xs}, default=0)"),
        Step("list", "Return the {xs}.", "{xs}"),
        Step("any", "Return whether any {x} is greater than {k}.", "any({x} > {k} for {x} in {xs})"),
        Step("all", "Return whether every {x} is less than {k}.", "all({x} < {k} for {x} in {xs})"),
    ),
)

WORDS = Domain(
    "words",
    (
        ("words", "word"),
        ("names", "name"),
        ("lines", "line"),
        ("labels", "label"),
    ),
    (
        _keep("longer", "Keep the {xs} longer than {k} letters.", "len({x}) > {k}"),
        _keep("shorter", "Keep the {xs} shorter than {k} letters.", "len({x}) < {k}"),
        _keep("starting", "Keep the {xs} that start with '{c}'.", "{x}.startswith('{c}')"),
        _keep("ending", "Keep the {xs} that end with '{c}'.", "{x}.endswith('{c}')"),
        _keep("containing", "Keep the {xs} that contain '{c}'.", "'{c}' in {x}"),
        _keep("lacking", "Drop the {xs} that contain '{c}'.", "'{c}' not in {x}"),
        _each("upper", "Write each {x} in upper case.", "{x}.upper()"),
        _each("backwards", "Write each {x} backwards.", "{x}[::-1]"),
        _each("cut", "Cut each {x} to {k} letters.", "{x}[:{k}]"),
        _each("repeat", "Repeat each {x} {k} times.", "{x} * {k}"),
        _each("append", "Append '{c}' to each {x}.", "{x} + '{c}'"),
        *_ORDER,
    ),
    (
        Step("count", "Return how many are left.", "len({xs})"),
        Step("join", "Return the {xs} joined by '{c}'.", "'{c}'.join({xs})"),
        Step("total", "Return the total length.", "sum(len({x}) for {x} in {xs})"),
        Step("longest", "Return the length of the longest, or 0.", "max((len({x}) for {x} in {xs}), default=0)"),
        Step("list", "Return the {xs}.", "{xs}"),
        Step("any", "Return whether any {x} contains '{c}'.", "any('{c}' in {x} for {x} in {xs})"),
    ),
)

TEXT = Domain(
    "text",
    (
        ("text", "char"),
        ("string", "char"),
        ("message", "char"),
        ("phrase", "char"),
    ),
    (
        Step("consonants", "Drop the vowels.", "''.join({x} for {x} in {xs} if {x} not in 'aeiou')"),
        Step("vowels", "Keep only the vowels.", "''.join({x} for {x} in {xs} if {x} in 'aeiou')"),
        Step("letters", "Keep only the letters.", "''.join({x} for {x} in {xs} if {x}.isalpha())"),
        Step("without", "Drop every '{c}'.", "''.join({x} for {x} in {xs} if {x} != '{c}')"),
        Step("repeat", "Repeat every character {k} times.", "''.join({x} * {k} for {x} in {xs})"),
        Step("follow", "Put '{c}' after every character.", "''.join({x} + '{c}' for {x} in {xs})"),
        Step("replace", "Replace '{c}' by '{d}'.", "{xs}.replace('{c}', '{d}')"),
        Step("upper", "Write the {xs} in upper case.", "{xs}.upper()"),
        Step("first", "Take the first {k} characters.", "{xs}[:{k}]"),
        Step("skip", "Skip the first {k} characters.", "{xs}[{k}:]"),
        Step("stride", "Take every character at a multiple of {k}.", "{xs}[::{k}]"),
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
)

DOMAINS = (NUMBERS, WORDS, TEXT)
LETTERS = "aeinorst"
VERBS = (
    "process", "handle", "solve", "compute", "prepare", "refine", "convert", "digest",
    "transform", "resolve", "evaluate", "reduce", "adapt", "treat", "render", "derive",
)  # fmt: skip
