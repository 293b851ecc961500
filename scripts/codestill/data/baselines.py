"""Baselines that need no model: what a benchmark's problems give away to a look-up in the training functions.

Each class learns from functions {code, docstring} and completes a problem's prompt. Where one has no answer it writes
ABSTAINS, which no test passes. All see text through slots (data/slots.py), so that another name for the argument or
another number is no obstacle to them.
"""

import difflib
import math
import re
from collections import Counter, defaultdict

from codestill.data.slots import Slots, code_tokens, function_of, written

ABSTAINS = "    pass\n"
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")


def _examples(functions):
    """(slots, docstring, body lines) of each function that can be read."""
    for function in functions:
        node = function_of(function["code"])
        if node is not None:
            yield node


class PhraseTable:
    """The n-th sentence of a docstring means the n-th line of the body, as most training functions have it.

    Where a function has not as many lines as sentences, all of its docstring means all of its body.
    """

    def __init__(self, functions):
        self.table = defaultdict(Counter)
        for example in _examples(functions):
            for sentence, lines in self._pairs(example):
                slots = Slots(example, sentence)
                self.table[tuple(slots.words)][tuple(slots.code("\n".join(lines)))] += 1

    @staticmethod
    def _pairs(example):
        sentences = [one for one in _SENTENCE.split(example.docstring.strip()) if one]
        if len(sentences) == len(example.lines):
            yield from zip(sentences, ([line] for line in example.lines), strict=True)
        yield example.docstring, example.lines

    def complete(self, problem):
        """The body for a problem's prompt."""
        whole = self._looked_up(problem, [problem.docstring])
        sentences = [one for one in _SENTENCE.split(problem.docstring.strip()) if one]
        return whole or self._looked_up(problem, sentences) or ABSTAINS

    def _looked_up(self, problem, phrases):
        lines = []
        for phrase in phrases:
            slots = Slots(problem, phrase)
            found = self.table.get(tuple(slots.words))
            if not found:
                return None
            lines.append(slots.filled(found.most_common(1)[0][0]))
        return written(lines)


class NearestNeighbour:
    """The body of the function whose docstring is most alike (cosine of tf-idf), its names and numbers adapted."""

    def __init__(self, functions):
        self.bodies, self.vectors = [], []
        counts, seen = [], Counter()
        for example in _examples(functions):
            slots = Slots(example, example.docstring)
            words = Counter(slots.words) + Counter(zip(slots.words, slots.words[1:], strict=False))
            counts.append(words)
            seen.update(words.keys())
            self.bodies.append(slots.code("\n".join(example.lines)))
        self.weights = {word: math.log(len(counts) / number) for word, number in seen.items()}
        self.holders = defaultdict(list)  # of each word: (number of a function, its weight there)
        for number, words in enumerate(counts):
            for word, weight in self._vector(words).items():
                self.holders[word].append((number, weight))

    def _vector(self, words):
        vector = {word: count * self.weights[word] for word, count in words.items() if word in self.weights}
        length = math.sqrt(sum(weight**2 for weight in vector.values()))
        return {word: weight / length for word, weight in vector.items()} if length else {}

    def complete(self, problem):
        """The body for a problem's prompt."""
        slots = Slots(problem, problem.docstring)
        words = Counter(slots.words) + Counter(zip(slots.words, slots.words[1:], strict=False))
        scores = defaultdict(float)
        for word, weight in self._vector(words).items():
            for number, other in self.holders[word]:
                scores[number] += weight * other
        if not scores:
            return ABSTAINS
        # Of equals the first, so that the order of the training functions decides and nothing else.
        best = min(scores, key=lambda number: (-round(scores[number], 12), number))
        return written([slots.filled(self.bodies[best])])


class MinimalPairs:
    """A training function one run of words away, its code edited as other pairs that differ so are.

    This is analogy by substitution: it solves what is made of parts that swap freely.
    """

    LONGEST = 4  # words in a run

    def __init__(self, functions):
        self.examples = []
        self.contexts = defaultdict(list)  # a docstring less one run of words: (number, the run)
        self.runs = defaultdict(dict)  # a run of words: {context: number}
        for example in _examples(functions):
            slots = Slots(example, example.docstring)
            number = len(self.examples)
            self.examples.append((slots.words, slots.code("\n".join(example.lines))))
            for context, run in self._spans(slots.words):
                self.contexts[context].append((number, run))
                self.runs[run][context] = number
        self.rules = {}

    def _spans(self, words):
        for length in range(self.LONGEST + 1):
            for start in range(len(words) - length + 1):
                yield hash((words[:start], words[start + length :])), words[start : start + length]

    def _rule(self, old, new):
        """The commonest edit of code between functions that differ by the runs `old` and `new`, or None."""
        if (old, new) not in self.rules:
            edits = Counter()
            small, large = sorted((self.runs[old], self.runs[new]), key=len)
            for context in small:
                if context in large:
                    edit = _edit(self.examples[self.runs[old][context]][1], self.examples[self.runs[new][context]][1])
                    edits[edit] += 1
                if edits.total() >= 20:
                    break
            edits.pop(None, None)
            self.rules[old, new] = edits.most_common(1)[0][0] if edits else None
        return self.rules[old, new]

    def complete(self, problem):
        """The body for a problem's prompt."""
        slots, votes = Slots(problem, problem.docstring), Counter()
        for context, run in self._spans(slots.words):
            for number, other in self.contexts.get(context, ()):
                code = self.examples[number][1]
                if other == run:
                    return written([slots.filled(code)])
                rule = self._rule(other, run) if run in self.runs else None
                changed = _applied(rule, code) if rule else None
                if changed:
                    votes[changed] += 1
        return written([slots.filled(votes.most_common(1)[0][0])]) if votes else ABSTAINS


def _edit(old, new):
    """The replacements that turn one list of tokens into another, or None where something is put in or left out
    without a token beside it to find the place by."""
    edits = {}
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        if kind == "insert":
            a, c = max(a - 1, 0), max(c - 1, 0)
        if edits.setdefault(tuple(old[a:b]), tuple(new[c:d])) != tuple(new[c:d]):
            return None
    return tuple(sorted(edits.items()))


def _applied(rule, code):
    """Tokens after the replacements of a rule, each wherever its old tokens stand; None where one stands nowhere."""
    for old, new in rule:
        if not old:
            return None
        out, at, found = [], 0, False
        while at < len(code):
            if tuple(code[at : at + len(old)]) == old:
                out.extend(new)
                at += len(old)
                found = True
            else:
                out.append(code[at])
                at += 1
        if not found:
            return None
        code = tuple(out)
    return tuple(code)


class NGram:
    """The likeliest next token after the last `order` - 1, or after as few less as were ever seen together."""

    LONGEST = 200  # tokens of a completion

    def __init__(self, functions, order=10):
        self.order = order
        self.next = defaultdict(Counter)
        for function in functions:
            tokens = [*code_tokens(function["code"]), ""]
            for at, token in enumerate(tokens):
                for length in range(min(at, order - 1) + 1):
                    self.next[tuple(tokens[at - length : at])][token] += 1

    def complete(self, problem):
        """The continuation of a problem's prompt."""
        tokens = code_tokens(problem.prompt.rstrip("\n"))
        start = len(tokens)
        while len(tokens) < start + self.LONGEST:
            for length in range(min(len(tokens), self.order - 1), -1, -1):
                found = self.next.get(tuple(tokens[len(tokens) - length :]))
                if found:
                    break
            token = found.most_common(1)[0][0] if found else ""
            if not token:
                break
            tokens.append(token)
        return "".join(tokens[start:]).lstrip("\n") + "\n"


BASELINES = {
    "phrase_table": PhraseTable,
    "nearest_neighbour": NearestNeighbour,
    "minimal_pairs": MinimalPairs,
    "ngram": NGram,
}
