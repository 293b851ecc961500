"""The words that Pocket's sentences are made of, each with the code that it stands for.

A template acts on `{x}` (put in brackets where it is more than a name or a call) or `{e}` (any expression), on a list
`{list}` or on the same values as a generator `{gen}`. Numbers and letters belong to the words: what a problem asks is
how words are put together, not which number to copy.
"""

from dataclasses import dataclass

NUMBER, WORD = "number", "word"
_BOTH = (NUMBER, WORD)


@dataclass(frozen=True)
class Condition:
    """What may be true of one element: before or behind its noun, and as a predicate."""

    name: str
    kind: str
    before: str  # "even" numbers; empty where there is no such adjective
    behind: str  # numbers "above ten"; empty where there is no such phrase
    predicate: str  # the number "is even"
    code: str
    negated: str


@dataclass(frozen=True)
class Mapping:
    """A value made of each element: the "squares" of the numbers. `atom` says that its code needs no brackets."""

    source: str  # kind of element
    kind: str  # of value
    plural: str
    singular: str
    code: str
    atom: bool


@dataclass(frozen=True)
class Excerpt:
    """A part or an order of a list: the "three largest" numbers."""

    kinds: tuple[str, ...]
    words: str
    code: str


@dataclass(frozen=True)
class Reduction:
    """What is returned: "the total of" the numbers. `several` says that its code has other arguments beside."""

    kinds: tuple[str, ...]
    words: str
    code: str
    several: bool = False
    numeric: bool = False  # a number of which another can be taken away


def _is(kind, adjective, code, negated):
    return Condition(adjective, kind, adjective, "", f"is {adjective}", code, negated)


def _behind(kind, phrase, code, negated):
    return Condition(phrase, kind, "", phrase, f"is {phrase}", code, negated)


CONDITIONS = (
    _is(NUMBER, "even", "{x} % 2 == 0", "{x} % 2 != 0"),
    _is(NUMBER, "odd", "{x} % 2 != 0", "{x} % 2 == 0"),
    _is(NUMBER, "positive", "{x} > 0", "{x} <= 0"),
    _behind(NUMBER, "above ten", "{x} > 10", "{x} <= 10"),
    _behind(WORD, "longer than four", "len({e}) > 4", "len({e}) <= 4"),
    Condition("containing", WORD, "", "containing 'e'", "contains 'e'", "'e' in {x}", "'e' not in {x}"),
    Condition(
        "starting", WORD, "", "starting with 'a'", "starts with 'a'", "{x}.startswith('a')", "not {x}.startswith('a')"
    ),
)

MAPPINGS = (
    Mapping(NUMBER, NUMBER, "squares", "square", "{x} ** 2", False),
    Mapping(NUMBER, NUMBER, "doubles", "double", "{x} * 2", False),
    Mapping(NUMBER, NUMBER, "halves", "half", "{x} // 2", False),
    Mapping(NUMBER, NUMBER, "opposites", "opposite", "-{x}", False),
    Mapping(WORD, WORD, "reversals", "reversal", "{x}[::-1]", True),
    Mapping(WORD, WORD, "capitals", "capital form", "{x}.upper()", True),
    Mapping(WORD, WORD, "tails", "tail", "{x}[1:]", True),
    Mapping(WORD, NUMBER, "lengths", "length", "len({e})", True),
)

SELECTIONS = (
    Excerpt((NUMBER,), "three largest", "sorted({list})[-3:]"),
    Excerpt((NUMBER,), "two smallest", "sorted({list})[:2]"),
    Excerpt((WORD,), "two longest", "sorted({list}, key=len)[-2:]"),
    Excerpt(_BOTH, "first four", "{list}[:4]"),
)

REDUCTIONS = (
    Reduction((NUMBER,), "the total of", "sum({gen})", numeric=True),
    Reduction(_BOTH, "the number of", "len({list})", numeric=True),
    Reduction((NUMBER,), "the largest of", "max({gen}, default=0)", several=True),
    Reduction((NUMBER,), "the smallest of", "min({gen}, default=0)", several=True),
    Reduction(_BOTH, "the list of", "{list}"),
    Reduction((WORD,), "the text of", "''.join({gen})"),
)
QUANTIFIERS = {"any": "any", "each": "all"}  # whether any of the numbers is even: what calls it

ARGUMENTS = {
    NUMBER: (("numbers", "number"), ("values", "value")),
    WORD: (("words", "word"), ("names", "name")),
}
LABELS = ("good", "special")
VERBS = ("solve", "compute", "derive", "process")
