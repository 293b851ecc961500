"""Pocket: its parts are apart by what they do, its tests tell wrong from right, and look-ups do not solve it."""

import ast
import copy
import itertools
import random

import pytest

from codestill.data import pocket
from codestill.data.baselines import NearestNeighbour, PhraseTable
from codestill.data.functions import parse_function
from codestill.data.normal_form import fingerprint, normal_form
from codestill.data.slots import problem_of

PROBLEMS = pocket.problems()
VALIDATION = pocket.problems("validation")
TRAINING = list(pocket.training_functions(2000))


def function_of(source, name):
    """Our own code, so it is run right here."""
    scope = {}
    exec(source, scope)
    return scope[name]


def solution_of(problem):
    return function_of(problem["prompt"] + problem["canonical_solution"], problem["entry_point"])


def passes(problem, solution, prompt=None):
    """True where `solution` passes the problem's test."""
    try:
        scope = {}
        exec((problem["prompt"] if prompt is None else prompt) + solution + "\n" + problem["test"], scope)
        scope["check"](scope[problem["entry_point"]])
    except Exception:
        return False
    return True


def outcome(function, argument):
    try:
        return repr(function(argument))
    except Exception as error:
        return type(error).__name__


def inputs(kind, count, seed):
    """Arguments drawn by other rules than the benchmark's own."""
    rng = random.Random(seed)
    for number in range(count):
        size = rng.randint(0, 10)
        if kind == "number":
            high = (5, 20, 60)[number % 3]
            yield [rng.randint(-high, high) for _ in range(size)]
        else:
            letters = ("ab", "aeiourst", "abcdefghijklmnopqrstuvwxyz")[number % 3]
            words = ["".join(rng.choices(letters, k=rng.randint(0, 8))) for _ in range(size)]
            yield [word + word[::-1] if rng.random() < 0.2 else word for word in words]


INPUTS = {kind: list(inputs(kind, 800, 1)) for kind in ("number", "word")}


def kind_of(problem):
    return "number" if problem["prompt"].partition("(")[2].split(")")[0] in NUMBERS else "word"


NUMBERS = ("numbers", "values", "scores", "prices")


def behaviours(functions):
    """{what a function does on a few inputs: [(kind, function)]} of (kind, function) pairs."""
    found = {}
    for kind, function in functions:
        key = (kind, *(outcome(function, argument) for argument in INPUTS[kind][2:12]))
        found.setdefault(key, []).append((kind, function))
    return found


def same(kind, one, other):
    return all(outcome(one, argument) == outcome(other, argument) for argument in INPUTS[kind])


def does_the_same(functions, others):
    """Pairs of (kind, function) of two lists that agree on all 800 inputs."""
    known = behaviours(others)
    for key, pairs in behaviours(functions).items():
        for (kind, one), (_, other) in itertools.product(pairs, known.get(key, ())):
            if same(kind, one, other):
                yield one, other


def described(problems):
    return [(kind_of(problem), solution_of(problem)) for problem in problems]


def test_there_are_enough_problems_each_of_its_own_composition():
    for part, rows in (("test", PROBLEMS), ("validation", VALIDATION)):
        assert len(rows) >= 160
        assert len({str(row["composition"]) for row in rows}) == len(rows)
        assert [row["task_id"] for row in rows[:2]] == [f"Pocket{pocket.VERSION}/{part}/{n}" for n in (0, 1)]


def test_no_problem_does_what_a_training_function_or_a_problem_of_the_other_part_does():
    trained = [(row["path"].partition("/")[0], function_of(row["code"], row["func_name"])) for row in TRAINING]
    tested, chosen = described(PROBLEMS), described(VALIDATION)
    for one, others in ((tested, trained), (chosen, trained), (tested, chosen)):
        assert list(does_the_same(one, others)) == []
    assert len(list(does_the_same(tested, tested))) == len(tested)  # so the comparison can find


def test_no_training_function_passes_a_problem():
    by_kind = {"number": [], "word": []}
    for row in TRAINING[:200]:
        by_kind[row["path"].partition("/")[0]].append(row)
    for problem in PROBLEMS[::5]:
        for row in by_kind[kind_of(problem)]:
            code = row["code"].replace(f"def {row['func_name']}(", f"def {problem['entry_point']}(")
            assert not passes(problem, code, prompt=""), (problem["task_id"], code)


def test_every_sentence_of_a_problem_is_of_its_part_and_every_word_of_it_is_in_training():
    trained, words = set(), set()
    for row in TRAINING:
        trained.update(tuple(one.split(", ")) for one in row["path"].partition("/")[2].split("; "))
        words.update(row["docstring"].split())
    for problem in (*PROBLEMS, *VALIDATION):
        assert not {tuple(one) for one in problem["composition"]} & trained
        assert {word.strip(".") for word in problem["prompt"].split('"""')[1].split()} <= {
            one.strip(".") for one in words
        }


def test_look_ups_do_not_solve_it():
    for baseline, most in ((PhraseTable, 0.2), (NearestNeighbour, 0.02)):
        learnt = baseline(TRAINING)
        solved = sum(passes(problem, learnt.complete(problem_of(problem))) for problem in PROBLEMS)
        assert solved <= most * len(PROBLEMS), baseline


# -- the problems' tests ----------------------------------------------------------------------------------------

SWAPS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Pow: ast.Mult, ast.Mod: ast.FloorDiv,
    ast.FloorDiv: ast.Mult, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.GtE, ast.Gt: ast.LtE, ast.LtE: ast.Gt,
    ast.GtE: ast.Lt, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.USub: ast.UAdd, ast.Or: ast.And, ast.And: ast.Or,
}  # fmt: skip
NAMES = {
    "sum": "len", "len": "max", "max": "min", "min": "max", "any": "all", "all": "any", "sorted": "list",
    "startswith": "endswith", "upper": "lower", "count": "find", "isalpha": "isdigit", "abs": "int", "set": "list",
}  # fmt: skip


def edits(node):
    """The ways to spoil one node, each a function on it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield lambda node: setattr(node, "value", node.value + 1)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield lambda node: setattr(node, "value", "q" + node.value[1:] if node.value else "q")
    elif isinstance(node, ast.BinOp | ast.UnaryOp | ast.BoolOp) and type(node.op) in SWAPS:
        yield lambda node: setattr(node, "op", SWAPS[type(node.op)]())
    elif isinstance(node, ast.Compare):
        yield lambda node: setattr(node, "ops", [SWAPS[type(node.ops[0])]()])
    elif isinstance(node, ast.Name) and node.id in NAMES:
        yield lambda node: setattr(node, "id", NAMES[node.id])
    elif isinstance(node, ast.Attribute) and node.attr in NAMES:
        yield lambda node: setattr(node, "attr", NAMES[node.attr])
    elif isinstance(node, ast.comprehension) and node.ifs:
        yield lambda node: node.ifs.clear()
    elif isinstance(node, ast.ListComp | ast.GeneratorExp) and not isinstance(node.elt, ast.Name):
        yield lambda node: setattr(node, "elt", ast.Name(node.generators[0].target.id))


def mutants(problem):
    """Every program that is one edit away from the canonical solution."""
    tree = ast.parse(problem["prompt"] + problem["canonical_solution"])
    del tree.body[0].body[0]
    for position, node in enumerate(ast.walk(tree)):
        for number in range(len(list(edits(node)))):
            spoilt = copy.deepcopy(tree)
            target = next(itertools.islice(ast.walk(spoilt), position, None))
            list(edits(target))[number](target)
            yield ast.unparse(ast.fix_missing_locations(spoilt))


def test_every_solution_passes_and_an_empty_body_does_not():
    for problem in (*PROBLEMS, *VALIDATION):
        assert passes(problem, problem["canonical_solution"]), problem["task_id"]
        assert not passes(problem, "    pass\n")


def test_at_least_five_one_edit_mutants_of_every_solution_fail_and_hardly_a_wrong_one_lives():
    wrong = living = 0
    for problem in PROBLEMS:
        killed, right, arguments = 0, solution_of(problem), INPUTS[kind_of(problem)][:200]
        for mutant in set(mutants(problem)):
            if not passes(problem, mutant, prompt=""):
                killed, wrong = killed + 1, wrong + 1
                continue
            spoilt = function_of(mutant, problem["entry_point"])
            differs = any(outcome(spoilt, argument) != outcome(right, argument) for argument in arguments)
            wrong, living = wrong + differs, living + differs
        assert killed >= 5, (problem["task_id"], killed, problem["canonical_solution"])
    assert wrong > 1000 and living / wrong <= 18 / 1004, (living, wrong)


# -- the training part ------------------------------------------------------------------------------------------


def test_partitions_share_no_function_up_to_names():
    partitions = {}
    for row in TRAINING:
        key = fingerprint(normal_form(parse_function(row["code"]))[0])
        partitions.setdefault((key, row["docstring"].lower()), set()).add(row["partition"])
    assert all(len(found) == 1 for found in partitions.values())
    counts = [sum(row["partition"] == name for row in TRAINING) for name in ("train", "validation", "test")]
    assert counts[0] > 1700 and min(counts) > 30


def test_training_functions_run_and_are_all_different():
    assert len({row["code"].partition("(")[2] for row in TRAINING}) == len(TRAINING)
    for row in TRAINING[:300]:
        kind = row["path"].partition("/")[0]
        function_of(row["code"], row["func_name"])({"number": [3, -1, 4], "word": ["tea", "rose"]}[kind])
        assert ast.get_docstring(parse_function(row["code"])) == row["docstring"]


def test_a_seed_gives_the_same_grammar_and_another_seed_another():
    assert pocket.problems(count=5) == PROBLEMS[:5]
    assert list(pocket.training_functions(50)) == TRAINING[:50]
    other = pocket.problems(seed=1)
    assert len(other) >= 160 and other[:5] != PROBLEMS[:5]


@pytest.mark.parametrize("seed", [1])
def test_another_seed_holds_out_as_well(seed):
    assert list(pocket.training_functions(50, seed)) != TRAINING[:50]
    trained = [
        (row["path"].partition("/")[0], function_of(row["code"], row["func_name"]))
        for row in pocket.training_functions(500, seed)
    ]
    tested = described(pocket.problems("test", 40, seed))
    assert list(does_the_same(tested, [*trained, *described(pocket.problems("validation", 160, seed))])) == []


def test_training_problems_are_functions_of_the_training_part_and_their_tests_tell_wrong_from_right():
    """None is of the partitions that stay unseen, and mutants that a problem's inputs tell apart fail."""
    found = pocket.training_problems(25)
    assert found == pocket.training_problems(25) and len({row["task_id"] for row in found}) == 25
    learnt = {one["code"] for one in pocket.training_functions() if one["partition"] == "train"}
    judged = {one["prompt"] + one["canonical_solution"] for one in (*PROBLEMS, *VALIDATION)}
    for row in found:
        assert row["prompt"] + row["canonical_solution"].rstrip("\n") in learnt
        assert passes(row, row["canonical_solution"]) and not passes(row, "    return None")
        assert row["prompt"] + row["canonical_solution"] not in judged
        assert sum(not passes(row, mutant, prompt="") for mutant in set(mutants(row))) >= 5
