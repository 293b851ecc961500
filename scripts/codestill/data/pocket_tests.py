"""Tests for Pocket's problems: inputs chosen to tell a solution from its mutants, and functions that do the same."""

import ast
import random
import warnings

from codestill.data.pocket_grammar import NUMBER, WORD

LETTERS = "aebno"  # of most words: those of the grammar, and others
EDGES = (-2, -1, 0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 14, 15, 21)  # around the grammar's numbers
CHECKS = 12  # assertions of a problem, at least
MUTANTS = 14  # one-edit mutants that a problem has, at least: a shorter one asks too little
POOL = 64  # inputs of a kind that a problem's assertions are chosen from
PROBES = 12  # inputs of each kind of probe, on which two functions that agree count as doing the same
_KEY = 3  # of the probes, by which functions that may agree are looked up


def compiled(name, source):
    """The function `name` of our own `source`, a text or a syntax tree."""
    namespace = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a mutant may be nonsense
        exec(compile(source, "<pocket>", "exec"), namespace)
    return namespace[name]


def outcome(function, argument):
    """What a function returns, with its type, or the error it raises."""
    try:
        result = function(argument)
    except Exception as error:
        return type(error).__name__
    return type(result), repr(result)


# -- inputs ------------------------------------------------------------------------------------------------------


def _numbers(rng, low, high, longest):
    drawn = [
        rng.choice(EDGES) if rng.random() < 0.5 else rng.randint(low, high) for _ in range(rng.randint(0, longest))
    ]
    return drawn + rng.sample(drawn, min(len(drawn), rng.choice((0, 0, 2))))


def _word(rng, longest):
    letters = LETTERS if rng.random() < 0.8 else LETTERS + "xyzAB7 -"
    word = "".join(rng.choice(letters) for _ in range(rng.randint(0, longest)))
    return word + word[::-1] if rng.random() < 0.15 else word


def _words(rng, longest_word, longest):
    drawn = [_word(rng, longest_word) for _ in range(rng.randint(0, longest))]
    return drawn + rng.sample(drawn, min(len(drawn), rng.choice((0, 0, 2))))


_PROBES = {
    NUMBER: (
        lambda rng: [rng.randint(-20, 40) for _ in range(rng.randint(4, 12))],
        lambda rng: [rng.randint(-9, 9) for _ in range(rng.randint(4, 12))],
        lambda rng: [rng.randint(0, 30) for _ in range(rng.randint(4, 12))],
    ),
    WORD: (
        lambda rng: ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(1, 9))) for _ in range(10)],
        lambda rng: ["".join(rng.choices(LETTERS, k=rng.randint(0, 9))) for _ in range(rng.randint(4, 12))],
        lambda rng: [_word(rng, 8) for _ in range(rng.randint(4, 12))],
    ),
}


class Behaviours:
    """What a set of functions does, so that others that do the same are found."""

    def __init__(self, seed):
        rng = random.Random(f"pocket inputs {seed}")
        self._pools = {
            NUMBER: [[], *(_numbers(rng, -20, 40, 9) for _ in range(POOL))],
            WORD: [[], *(_words(rng, rng.choice((4, 9)), 8) for _ in range(POOL))],
        }
        self._probes = {
            kind: [[make(rng) for _ in range(PROBES)] for make in makers] for kind, makers in _PROBES.items()
        }
        self._found = {}

    def pool(self, kind):
        """The inputs that tests of this kind are chosen from; every problem's tests hold the first few."""
        return self._pools[kind]

    def _groups(self, kind, tests):
        """Groups of inputs: two functions that agree on all of one group do the same."""
        return [*self._probes[kind], tests]

    def add(self, kind, function, tests):
        """Remember a problem's function, and the arguments of its tests."""
        for number, group in enumerate(self._groups(kind, tests)):
            expected = [outcome(function, argument) for argument in group]
            key = (kind, number, tuple(expected[:_KEY]))
            self._found.setdefault(key, []).append((group, expected))

    def same_as(self, kind, function):
        """True where `function` does what one of the remembered does."""
        # Every problem's own tests start with the pool's first inputs.
        for number, first in enumerate(self._groups(kind, self.pool(kind))):
            key = (kind, number, tuple(outcome(function, argument) for argument in first[:_KEY]))
            for group, expected in self._found.get(key, ()):
                if all(outcome(function, a) == e for a, e in zip(group[_KEY:], expected[_KEY:], strict=True)):
                    return True
        return False


# -- mutants -----------------------------------------------------------------------------------------------------

_OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Pow: ast.Mult, ast.Mod: ast.FloorDiv,
    ast.FloorDiv: ast.Mod, ast.And: ast.Or, ast.Or: ast.And, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_ORDERS = {ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.Lt)}
_CALLS = {"sum": "len", "len": "sum", "max": "min", "min": "max", "any": "all", "all": "any", "sorted": "list"}
_METHODS = {"startswith": "endswith", "endswith": "startswith", "upper": "lower", "isalpha": "isdigit"}


def _parts(node):
    """The smaller expressions that a node may shrink to: what leaves one operation out."""
    if isinstance(node, ast.Subscript):
        yield node.value
    elif isinstance(node, ast.BinOp):
        yield node.left
        yield node.right
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.BoolOp):
        yield from node.values
    elif isinstance(node, ast.IfExp):
        yield node.body
        yield node.orelse
    elif isinstance(node, ast.Call) and len(node.args) == 1:
        yield node.args[0]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not node.args:
        yield node.func.value


def _changes(node):
    """Changes to a node in place, each as (object, field, new value)."""
    if isinstance(node, ast.Constant) and type(node.value) is int:
        yield node, "value", node.value + 1
        yield node, "value", node.value - 1
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) == 1:
        yield node, "value", "e" if node.value == "a" else "a"
    elif isinstance(node, ast.BinOp | ast.BoolOp) and type(node.op) in _OPERATORS:
        yield node, "op", _OPERATORS[type(node.op)]()
    elif isinstance(node, ast.Compare):
        for kind in _ORDERS.get(type(node.ops[0])) or (_OPERATORS[type(node.ops[0])],):
            yield node, "ops", [kind()]
    elif isinstance(node, ast.Name) and node.id in _CALLS:
        yield node, "id", _CALLS[node.id]
    elif isinstance(node, ast.Attribute) and node.attr in _METHODS:
        yield node, "attr", _METHODS[node.attr]
    elif isinstance(node, ast.comprehension) and node.ifs:
        yield node, "ifs", []
    elif isinstance(node, ast.GeneratorExp | ast.ListComp) and not isinstance(node.elt, ast.Name):
        yield node, "elt", ast.Name(node.generators[0].target.id, ast.Load())
    elif isinstance(node, ast.Slice):
        yield node, "lower", node.upper
        yield node, "upper", node.lower
    elif isinstance(node, ast.FunctionDef) and len(node.body) > 2:
        yield node, "body", [node.body[0], *node.body[2:]]


def mutants(source):
    """Yield (tree, whether an operation is left out) for each program one edit away.

    It is one and the same tree, changed and changed back: compile it before the next.
    """
    tree = ast.parse(source)
    for node in list(ast.walk(tree)):
        for target, field, value in _changes(node):
            old = getattr(target, field)
            setattr(target, field, value)
            yield ast.fix_missing_locations(tree), field in ("ifs", "elt", "body")
            setattr(target, field, old)
        for field, value in ast.iter_fields(node):
            for index, child in enumerate(value if isinstance(value, list) else [value]):
                if not isinstance(child, ast.expr):
                    continue
                for part in _parts(child):
                    changed = [*value[:index], part, *value[index + 1 :]] if isinstance(value, list) else part
                    setattr(node, field, changed)
                    yield ast.fix_missing_locations(tree), True
                    setattr(node, field, value)


def checks_of(name, source, pool):
    """[(argument, result)] of `pool` on which every mutant of `source` fails that does on the pool.

    None where leaving an operation out changes nothing, or where the results say too little.
    """
    function = compiled(name, source)
    right = [outcome(function, argument) for argument in pool]
    if len(set(right)) < 2 or max(right.count(one) for one in set(right)) > 0.8 * len(right):
        return None
    telling = []
    for tree, essential in mutants(source):
        mutant = compiled(name, tree)
        found = {number for number, argument in enumerate(pool) if outcome(mutant, argument) != right[number]}
        if essential and len(found) < 3:
            return None
        telling.append(found)
    if len(telling) < MUTANTS:
        return None
    chosen = list(range(_KEY))
    # Each mutant fails twice where it can: greedily, the input that tells most of those that have not.
    while True:
        alive = [found for found in telling if len(found.intersection(chosen)) < min(2, len(found))]
        rest = [number for number in range(len(pool)) if number not in chosen]
        if not alive or not rest:
            break
        chosen.append(max(rest, key=lambda number: sum(number in found for found in alive)))
    fresh = {right[number]: number for number in reversed(range(len(pool)))}
    for number in [*sorted(fresh.values()), *range(len(pool))]:
        if len(chosen) >= CHECKS:
            break
        if number not in chosen:
            chosen.append(number)
    return [(pool[number], function(pool[number])) for number in chosen]
