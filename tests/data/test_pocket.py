"""Pocket: held out means held out, its tests tell wrong from right, and a seed gives the same benchmark everywhere."""

import ast
import copy
import itertools

import pytest

from codestill.data import pocket
from codestill.data.functions import parse_function
from codestill.data.normal_form import fingerprint, normal_form


def _form(function):
    return fingerprint(normal_form(function)[0])


PROBLEMS = pocket.problems()
TRAINING = list(pocket.training_functions(1500))


def passes(problem, solution):
    """True where `solution` passes the problem's test: our own code, so it is run right here."""
    scope = {}
    try:
        exec(problem["prompt"] + solution + "\n" + problem["test"], scope)
        scope["check"](scope[problem["entry_point"]])
    except Exception:
        return False
    return True


SWAPS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Pow: ast.Mult, ast.Mod: ast.FloorDiv,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.GtE, ast.Gt: ast.LtE, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.USub: ast.UAdd,
}  # fmt: skip
NAMES = {
    "sum": "len", "len": "max", "max": "min", "min": "max", "any": "all", "all": "any", "sorted": "list",
    "startswith": "endswith", "endswith": "startswith", "upper": "lower", "capitalize": "upper",
    "swapcase": "upper", "count": "find", "isalpha": "isdigit", "abs": "int",
}  # fmt: skip


def edits(node):
    """The ways to spoil one node, each a function on it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield lambda node: setattr(node, "value", node.value + 1)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield lambda node: setattr(node, "value", "q" + node.value[1:] if node.value else "q")
    elif isinstance(node, ast.BinOp | ast.UnaryOp) and type(node.op) in SWAPS:
        yield lambda node: setattr(node, "op", SWAPS[type(node.op)]())
    elif isinstance(node, ast.Compare):
        yield lambda node: setattr(node, "ops", [SWAPS[type(node.ops[0])]()])
    elif isinstance(node, ast.Name) and node.id in NAMES:
        yield lambda node: setattr(node, "id", NAMES[node.id])
    elif isinstance(node, ast.Attribute) and node.attr in NAMES:
        yield lambda node: setattr(node, "attr", NAMES[node.attr])
    elif isinstance(node, ast.comprehension) and node.ifs:
        yield lambda node: node.ifs.clear()
    elif isinstance(node, ast.ListComp) and not isinstance(node.elt, ast.Name):
        yield lambda node: setattr(node, "elt", ast.Name(node.generators[0].target.id))
    elif isinstance(node, ast.FunctionDef):
        for index in range(1, len(node.body)):
            yield lambda node, index=index: node.body.pop(index)
        if len(node.body) > 3:
            yield lambda node: node.body.insert(1, node.body.pop(2))


def mutants(problem):
    """Every program that is one edit away from the canonical solution."""
    tree = ast.parse(problem["prompt"] + problem["canonical_solution"])
    for position, node in enumerate(ast.walk(tree)):
        for number in range(len(list(edits(node)))):
            spoilt = copy.deepcopy(tree)
            target = next(itertools.islice(ast.walk(spoilt), position, None))
            list(edits(target))[number](target)
            yield ast.unparse(ast.fix_missing_locations(spoilt))


def test_there_are_enough_problems_each_of_its_own_combination():
    assert len(PROBLEMS) >= 150
    assert len({tuple(problem["combination"]) for problem in PROBLEMS}) == len(PROBLEMS)
    assert [problem["task_id"] for problem in PROBLEMS[:2]] == ["Pocket/0", "Pocket/1"]


def test_every_solution_passes_and_an_empty_body_does_not():
    for problem in PROBLEMS:
        assert passes(problem, problem["canonical_solution"]), problem["task_id"]
        assert not passes(problem, "    pass\n")


def test_at_least_five_one_edit_mutants_of_every_solution_fail():
    for problem in PROBLEMS:
        killed = sum(not passes({**problem, "prompt": ""}, mutant) for mutant in set(mutants(problem)))
        assert killed >= 5, (problem["task_id"], killed, problem["canonical_solution"])


def test_leaving_out_any_step_fails():
    for problem in PROBLEMS:
        lines = problem["canonical_solution"].splitlines()
        for index in range(len(lines)):
            assert not passes(problem, "\n".join(lines[:index] + lines[index + 1 :]))


def combination(row):
    domain, _, steps = row["path"].removesuffix(".py").partition("/")
    return domain, steps


def test_no_combination_of_a_problem_is_in_training_but_every_step_of_one_is():
    held = {(problem["combination"][0], "_".join(problem["combination"][1:])) for problem in PROBLEMS}
    trained = [combination(row) for row in pocket.training_functions(4000)]
    assert not held & set(trained)
    steps = {(domain, step) for domain, chain in trained for step in chain.split("_")}
    assert {(domain, step) for domain, chain in held for step in chain.split("_")} <= steps


def test_no_training_function_does_or_ends_with_what_a_problem_does():
    def ends(code):
        lines = code.strip().splitlines()
        head, body = lines[0], lines[2:]
        for start in range(len(body)):
            yield _form(parse_function("\n".join([head, *body[start:]])))

    held = {_form(parse_function(one["prompt"] + one["canonical_solution"])) for one in PROBLEMS}
    for row in TRAINING:
        assert not held & set(ends(row["code"])), row["code"]


def test_partitions_share_no_function_up_to_names():
    partitions = {}
    for row in TRAINING:
        partitions.setdefault(_form(parse_function(row["code"])), set()).add(row["partition"])
    assert all(len(found) == 1 for found in partitions.values())
    counts = [sum(row["partition"] == name for row in TRAINING) for name in ("train", "validation", "test")]
    assert counts[0] > 1200 and min(counts) > 30


def test_training_functions_run_and_are_all_different():
    assert len({row["code"].partition("(")[2] for row in TRAINING}) == len(TRAINING)
    for row in TRAINING[:300]:
        scope = {}
        exec(row["code"], scope)
        domain = row["path"].partition("/")[0]
        scope[row["func_name"]]({"numbers": [3, -1, 4], "words": ["tea", "rose"], "text": "a rose 7"}[domain])
        assert ast.get_docstring(parse_function(row["code"])) == row["docstring"]


def test_a_seed_gives_the_same_grammar_and_another_seed_another():
    assert pocket.problems(5) == PROBLEMS[:5]
    assert list(pocket.training_functions(50)) == TRAINING[:50]
    assert pocket.problems(5, seed=1) != PROBLEMS[:5]
    assert list(pocket.training_functions(50, seed=1)) != TRAINING[:50]


@pytest.mark.parametrize("seed", [1, 2])
def test_another_seed_holds_out_as_well(seed):
    held = {tuple(problem["combination"]) for problem in pocket.problems(20, seed)}
    trained = {combination(row) for row in pocket.training_functions(500, seed)}
    assert not {(one[0], "_".join(one[1:])) for one in held} & trained
