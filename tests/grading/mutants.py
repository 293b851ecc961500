"""Wrong and half-wrong programs, made from right ones by one seeded change to their syntax tree."""

import ast
import copy
import random

_PAIRS = "Add Sub, FloorDiv Div, Lt LtE, Gt GtE, Eq NotEq, And Or, In NotIn, Mod Mult"
_SWAPS = {}
for _pair in _PAIRS.split(", "):
    _left, _right = (getattr(ast, name) for name in _pair.split())
    _SWAPS |= {_left: _right, _right: _left}


def _constant(node, rng):
    value = node.value
    if isinstance(value, bool):
        node.value = not value
    elif isinstance(value, int | float):
        node.value = value + rng.choice([-1, 1, 2])
    elif isinstance(value, str):
        node.value = value[1:] if rng.random() < 0.5 else value + " "


def _changes(tree):
    """Every place of a tree that one of the changes fits, as (change, node)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp) and type(node.op) in _SWAPS:
            yield "operator", node
        elif isinstance(node, ast.Compare) and type(node.ops[0]) in _SWAPS:
            yield "comparison", node
        elif isinstance(node, ast.Constant) and node.value is not None:
            yield "constant", node
        elif isinstance(node, ast.Return) and node.value is not None:
            yield "return", node
        elif isinstance(node, ast.If | ast.IfExp):
            yield "condition", node
        elif isinstance(node, ast.Call) and node.args:
            yield "call", node


def _apply(change, node, rng):
    if change == "operator":
        node.op = _SWAPS[type(node.op)]()
    elif change == "comparison":
        node.ops[0] = _SWAPS[type(node.ops[0])]()
    elif change == "constant":
        _constant(node, rng)
    elif change == "condition":
        node.test = ast.UnaryOp(ast.Not(), node.test)
    elif change == "call":
        node.args.append(copy.deepcopy(node.args[0])) if rng.random() < 0.3 else node.args.reverse()
    else:
        made = [ast.Tuple([node.value], ast.Load()), ast.List([node.value], ast.Load()), ast.Constant(None)]
        made += [ast.Call(ast.Name(name, ast.Load()), [node.value], []) for name in ("str", "list", "iter", "set")]
        made.append(ast.Yield(node.value))
        node.value = rng.choice(made)


def mutants(problem, count, seed=0):
    """At most `count` different completions of a problem's prompt, each one change away from the right one."""
    rng = random.Random(f"{seed} {problem['task_id']}")
    whole = ast.parse(problem["prompt"] + problem["canonical_solution"])
    found = {}
    for _ in range(8 * count):
        if len(found) == count:
            break
        tree = copy.deepcopy(whole)
        # Only the last function: the ones before it are the prompt's own.
        places = list(_changes(tree.body[-1]))
        _apply(*rng.choice(places), rng)
        # Put behind the prompt, the function replaces the one that the prompt began.
        found["    pass\n\n\n" + ast.unparse(ast.fix_missing_locations(tree.body[-1])) + "\n"] = None
    return list(found)
