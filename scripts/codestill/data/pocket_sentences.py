"""Pocket's sentences: drawn at random from the grammar, written in words and in code.

A noun phrase is built from the inside out. Each level is a noun ("numbers", or "squares" of the level below it) with a
condition and a selection of its own: "the three largest odd squares of the numbers above ten". What stands behind a
noun binds to that noun. The code of a phrase depends on where it stands and on what: a condition on squares tests the
squares' code, a list that is selected from is written out, and one that is only summed stays a generator.
"""

from dataclasses import dataclass, replace

from codestill.data import pocket_grammar as grammar

FILTERED = (0.6, 0.15)  # how often a noun has a condition: the argument itself, a mapping's values
SELECTED = 0.3  # how often a noun has a selection
QUANTIFIED = 0.1  # how often a function returns whether any or each
WITHOUT_OTHERS = 0.3  # how often a number is less that of the others, where there are others


@dataclass(frozen=True)
class Values:
    """Values in code: `value` for each `variable` of `source` where all of `tests` hold."""

    variable: str
    source: str
    value: str
    atom: bool = True
    tests: tuple[str, ...] = ()

    @property
    def plain(self):
        """True where the values are those of `source`."""
        return self.value == self.variable and not self.tests

    @property
    def gen(self):
        """As the only argument of a call."""
        tests = ["if " + " and ".join(self.tests)] if self.tests else []
        return self.source if self.plain else " ".join([self.value, "for", self.variable, "in", self.source, *tests])

    @property
    def argument(self):
        """As an argument beside others."""
        return self.source if self.plain else f"({self.gen})"

    @property
    def list(self):
        """As a list."""
        return self.source if self.plain else f"[{self.gen}]"

    def apply(self, template):
        """The code of a template on one value."""
        return template.format(x=self.value if self.atom else f"({self.value})", e=self.value)

    def mapped(self, mapping):
        """These values after a mapping."""
        return replace(self, value=self.apply(mapping.code), atom=mapping.atom)

    def where(self, template):
        """These values where a condition's code holds too."""
        return replace(self, tests=(*self.tests, self.apply(template)))


@dataclass(frozen=True)
class Phrase:
    """A noun phrase without its article."""

    words: str
    names: tuple[str, ...]  # what it is made of, from the inside out
    kind: str
    code: Values
    others: Values | None  # the same phrase over the elements that its innermost condition leaves out


@dataclass(frozen=True)
class Sentence:
    """One sentence of a docstring: its words, names of what it is made of, its line of code or an empty one."""

    words: str
    names: tuple[str, ...]
    line: str
    label: grammar.Condition | None = None  # the condition that it gives a name


class Writer:
    """Draws sentences with `rng`, about one argument of the given kind."""

    def __init__(self, rng, kind):
        self.rng, self.kind = rng, kind
        self.argument, self.element = rng.choice(grammar.ARGUMENTS[kind])
        self.start = Values(self.element, self.argument, self.element)

    def _condition(self, kind):
        return self.rng.choice([one for one in grammar.CONDITIONS if one.kind == kind])

    def _mapping(self, source, kinds=(grammar.NUMBER, grammar.WORD)):
        return self.rng.choice([one for one in grammar.MAPPINGS if one.source == source and one.kind in kinds])

    def _phrase(self, levels, label):
        """A noun phrase of `levels` mappings over the argument; `label` is a condition on the argument, or None."""
        kind, code, others, names = self.kind, self.start, None, []
        words = ""
        for level in range(levels + 1):
            noun, inner = self.argument, ""
            if level:
                mapping = self._mapping(kind)
                noun, inner, kind = mapping.plural, f" of the {words}", mapping.kind
                code, others = code.mapped(mapping), others and others.mapped(mapping)
                names.append(mapping.plural)
            condition = label if level == 0 else None
            if not condition and self.rng.random() < FILTERED[level > 0]:
                condition = self._condition(kind)
            if condition:
                noun = f"{condition.before} {noun} {condition.behind}".strip()
                others = code.where(condition.negated) if level == 0 else others and others.where(condition.code)
                code = code.where(condition.code)
                names.append(condition.name)
            if self.rng.random() < SELECTED:
                selection = self.rng.choice([one for one in grammar.SELECTIONS if kind in one.kinds])
                noun = f"{selection.words} {noun}"
                code, others = Values(self.element, selection.code.format(list=code.list), self.element), None
                names.append(selection.words)
            words = noun + inner
        return Phrase(words, tuple(names), kind, code, others)

    def returned(self, levels, label=None):
        """The sentence that returns."""
        phrase = self._phrase(levels, label)
        if self.rng.random() < QUANTIFIED:
            return self._whether(phrase)
        reduction = self.rng.choice([one for one in grammar.REDUCTIONS if phrase.kind in one.kinds])
        words, names = f"Return {reduction.words} the {phrase.words}", (reduction.words, *phrase.names)
        code = _reduced(reduction, phrase.code)
        if reduction.numeric and phrase.others and self.rng.random() < WITHOUT_OTHERS:
            code += " - " + _reduced(reduction, phrase.others)
            words, names = f"{words} minus that of the others", (*names, "others")
        return Sentence(f"{words}.", names, f"return {code}")

    def _whether(self, phrase):
        condition, quantifier = self._condition(phrase.kind), self.rng.choice(list(grammar.QUANTIFIERS))
        tested = replace(phrase.code, value=phrase.code.apply(condition.code))
        words = f"Return whether {quantifier} of the {phrase.words} {condition.predicate}."
        code = f"return {grammar.QUANTIFIERS[quantifier]}({tested.gen})"
        return Sentence(words, (quantifier, condition.name, *phrase.names), code)

    def replaced(self):
        """A sentence that changes each element of the argument by a condition."""
        condition = self._condition(self.kind)
        first = second = self._mapping(self.kind, (self.kind,))
        while second == first:
            second = self._mapping(self.kind, (self.kind,))
        which = f"{condition.before} {self.argument} {condition.behind}".strip()
        words = f"Replace the {which} by their {first.plural} and the others by their {second.plural}."
        yes, test, no = map(self.start.apply, (first.code, condition.code, second.code))
        line = f"{self.argument} = [{yes} if {test} else {no} for {self.element} in {self.argument}]"
        return Sentence(words, ("replace", condition.name, first.plural, second.plural), line)

    def defined(self):
        """A sentence that defines a word. It has no line of its own."""
        word = self.rng.choice(grammar.LABELS)
        if self.rng.random() < 0.5:
            mapping = self._mapping(self.kind)
            condition = self._condition(mapping.kind)
            said, names = f"its {mapping.singular} {condition.predicate}", (mapping.plural, condition.name)
            value = Values("", "", mapping.code, mapping.atom)
            code, negated = value.apply(condition.code), value.apply(condition.negated)
        else:
            one, two = self._condition(self.kind), self._condition(self.kind)
            while two == one:
                two = self._condition(self.kind)
            said, names = f"it {one.predicate} or {two.predicate}", (one.name, "or", two.name)
            code, negated = f"({one.code} or {two.code})", f"{one.negated} and {two.negated}"
        label = grammar.Condition("label", self.kind, word, "", "", code, negated)
        return Sentence(f"Call a {self.element} {word} if {said}.", ("define", *names), "", label)


def _reduced(reduction, code):
    return reduction.code.format(gen=code.argument if reduction.several else code.gen, list=code.list)
