"""No function that holds a benchmark's solution or problem is kept, be it disguised, and real functions stay."""

import ast
import sys
import textwrap
from types import SimpleNamespace

import pytest
from test_corpus import names, prepare, row

import download
from codestill.data import benchmarks
from codestill.data.decontamination import MIN_NODES, Benchmarks, near_copies
from codestill.data.functions import body_of, parse, parse_function
from codestill.data.normal_form import normal_form, own_names
from codestill.kit.files import read_json, read_jsonl
from codestill.kit.program import UserError
from shared_data import shared

PROBLEM = {
    "task_id": "Own/1",
    "prompt": 'def longest_run(values):\n    """Return the length of the longest run of equal neighbours in values.\n'
    "    >>> longest_run([1, 1, 2])\n    2\n" + '    """\n',
    "entry_point": "longest_run",
    "canonical_solution": "    best = run = 0\n    for index, value in enumerate(values):\n"
    "        run = run + 1 if index and values[index - 1] == value else 1\n"
    "        best = max(best, run)\n    return best\n",
    "test": "def check(candidate):\n    assert candidate([1, 1, 2]) == 2\n",
}
SMALL = {
    "task_id": "Own/2",
    "prompt": 'def size(x):\n    """Measure it."""\n',
    "entry_point": "size",
    "canonical_solution": "    return len(x)\n",
    "test": "def check(candidate):\n    assert candidate('ab') == 2\n",
}
FILTER = Benchmarks([PROBLEM, SMALL])
BODY = PROBLEM["canonical_solution"]


def found(code, docstring=""):
    return FILTER.found_in(parse(code), docstring)


def test_the_solution_is_found_under_other_names_layout_and_docstring():
    renamed = BODY.replace("best", "top").replace("values", "xs").replace("run", "n").replace("index", "i")
    code = f'def other(self, xs: list) -> int:\n    """Mine."""\n    # comment\n{renamed.replace("value", "v")}'
    assert "best" not in code and "values" not in code
    assert found(code) == ("solution", "Own/1")


def test_the_solution_is_found_inside_another_function():
    inner = "".join(f"    {line}\n" for line in ["def g(values):", *BODY.splitlines()])
    assert found(f"def outer(rows):\n    '''Mine.'''\n{inner}    return [g(row) for row in rows]") == (
        "solution",
        "Own/1",
    )


def test_the_solution_is_found_among_other_statements():
    code = "def f(values):\n    '''Mine.'''\n    values = list(values)\n" + BODY
    assert found(code) == ("near_copy", "Own/1")
    assert found(code.replace("return best", "log.info(best)\n    return best + 1")) == ("near_copy", "Own/1")
    other = code.replace("for index, value in enumerate(values)", "while values")
    assert found(other.replace("values[index - 1]", "values.pop()")) is None


@pytest.mark.parametrize(
    "frame",
    [
        "import os\n\nclass A:\n    x = 1\n\n{method}",
        "def outer():\n    class A:\n        y = 2\n{deep}\n    return A",
        "x = 1\n\n{plain}\n\ndef main():\n    return 0\n",
    ],
)
def test_classes_and_whole_files_are_looked_into(frame):
    plain = "def g(values):\n" + BODY
    text = frame.format(plain=plain, method=textwrap.indent(plain, "    "), deep=textwrap.indent(plain, " " * 8))
    assert found(text) == ("solution", "Own/1")
    assert found(text.replace("max(", "abs(").replace("if index and", "while").replace("while", "if not")) is None


def test_the_problem_is_found_by_its_description_in_docstring_or_field():
    words = "return  THE length of the longest run of equal\n neighbours, in `values`!"
    code = "def mine(values):\n    '''Doc.'''\n    return 1 if values else 0"
    assert found(code, f"See: {words} Or not.") == ("docstring", "Own/1")
    assert found(code.replace("Doc.", words)) == ("docstring", "Own/1")
    assert found(code, "Return the length of the longest run.") is None


@pytest.mark.parametrize(
    "code, expected",
    [
        ("def length(a):\n    '''Mine.'''\n    return len(a)", None),
        ("def size(a):\n    '''Mine.'''\n    return len(a)", ("solution", "Own/2")),
        ("def size(a):\n    '''Mine.'''\n    return sum(a)", None),
        ("def f(self):\n    '''Measure it.'''\n    return self.x", None),
    ],
)
def test_a_small_solution_matches_only_under_its_own_name(code, expected):
    assert normal_form(parse_function(code))[1] < MIN_NODES
    assert found(code) == expected


def test_a_change_of_the_solution_is_no_exact_copy_and_another_function_none():
    for old, new in (("run + 1", "run + 2"), ("max(", "min("), ("index - 1", "index - 2")):
        assert old in BODY
        assert found("def f(values):\n    '''Mine.'''\n" + BODY.replace(old, new)) in (None, ("near_copy", "Own/1"))
    loop = "    for value in values:\n        best = max(best, value)\n    return best"
    assert found("def f(values):\n    best = 0\n" + loop) is None


def test_contaminated_records_are_dropped_counted_and_named(monkeypatch, tmp_path):
    rows = [row(number) for number in range(20)]
    leak = row(99, code="def leak(values):\n    '''Mine.'''\n" + BODY, func_name="leak")
    said = row(98, docstring="Return the length of the longest run of equal neighbours in values.", func_name="said")
    splits, account = prepare(monkeypatch, tmp_path, {"a": [*rows, leak, said]}, [PROBLEM])
    assert not {"leak", "said"} & {name for split in names(splits).values() for name in split}
    assert account["dropped"]["benchmark_solution"] == account["dropped"]["benchmark_docstring"] == 1
    assert [(one["func_name"], one["task_id"], one["by"]) for one in account["contaminated"]] == [
        ("leak", "Own/1", "solution"),
        ("said", "Own/1", "docstring"),
    ]


TURNS = {ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE, ast.Eq: ast.Eq, ast.NotEq: ast.NotEq}


class _Disguise(ast.NodeTransformer):
    """Own names become others; with `turned`, comparisons are written from the other side."""

    def __init__(self, function, turned):
        self.names = {name: f"other{number}" for number, name in enumerate(sorted(own_names(function)))}
        self.turned, self.turns = turned, 0

    def visit_Name(self, node):
        node.id = self.names.get(node.id, node.id)
        return node

    def visit_arg(self, node):
        node.arg = self.names.get(node.arg, node.arg)
        return node

    def visit_FunctionDef(self, node):
        node.name = self.names.get(node.name, node.name)
        return self.generic_visit(node)

    def visit_Compare(self, node):
        self.generic_visit(node)
        if not self.turned or len(node.ops) > 1 or type(node.ops[0]) not in TURNS:
            return node
        self.turns += 1
        return ast.Compare(node.comparators[0], [TURNS[type(node.ops[0])]()], [node.left])


HUMANEVAL = benchmarks.load(SimpleNamespace(kind="humaneval", path=None))


def disguised(row, turned=False, line=None, frame=None, method=False):
    """The solution of a row under other names and without its docstring; None where `turned` has nothing to turn."""
    tree = parse(row["prompt"] + row["canonical_solution"])
    function = next(node for node in tree.body if getattr(node, "name", None) == row["entry_point"])
    function.body = [ast.Expr(ast.Constant("Mine.")), *body_of(function)]
    disguise = _Disguise(function, turned)
    disguise.visit(function)
    if turned and not disguise.turns:
        return None
    if line:
        function.body.insert(1, ast.parse(line).body[0])
    if method:
        function.args.args.insert(0, ast.arg("self"))
    code = ast.unparse(ast.fix_missing_locations(function))
    return parse(frame.format(textwrap.indent(code, "    ")) if frame else code)


@pytest.mark.parametrize(
    "least, disguise",
    [
        (160, {}),
        (150, {"line": "print('here')"}),
        (150, {"line": "log.debug('here')"}),
        (110, {"turned": True}),
        (160, {"frame": "def outer(rows):\n    '''Mine.'''\n{}\n    return rows"}),
        (160, {"frame": "import os\n\nclass A:\n    '''Mine.'''\n{}", "method": True}),
    ],
)
def test_disguised_solutions_of_humaneval_are_found(least, disguise):
    judge = Benchmarks(HUMANEVAL)
    trees = [tree for row in HUMANEVAL if (tree := disguised(row, **disguise))]
    assert sum(judge.found_in(tree) is not None for tree in trees) >= least


def test_no_real_function_is_dropped_falsely():
    folder, judge = shared("codesearchnet"), Benchmarks(HUMANEVAL)
    records = [row for path in sorted(folder.iterdir()) for row in read_jsonl(path)]
    trees = [(row, parse(row["code"])) for row in records]
    assert len(records) == 400 and sum(tree is not None for _, tree in trees) > 350
    assert [row["func_name"] for row, tree in trees if tree and judge.found_in(tree, row["docstring"])] == []


def test_every_solution_of_humaneval_is_found_as_it_is():
    judge = Benchmarks(HUMANEVAL)
    for one in HUMANEVAL:
        assert judge.found_in(parse(one["prompt"] + one["canonical_solution"])), one["task_id"]


def test_problems_with_a_near_copy_in_a_finished_corpus_are_counted():
    leak = {"code": "def leak(values):\n    print(values)\n" + BODY, "docstring": "Mine."}
    assert near_copies([PROBLEM, SMALL], [row(1), leak, row(2), leak]) == {"Own/1": 2}
    assert near_copies([PROBLEM, SMALL], [row(1), {"code": "print 'no Python 3'"}]) == {}


def test_pockets_training_split_loses_nothing_to_pockets_problems(monkeypatch, tmp_path):
    command = [
        "download.py",
        "corpus",
        "--kind",
        "pocket",
        "--max_samples",
        "1500",
        "--output",
        tmp_path / "p.jsonl.gz",
    ]
    monkeypatch.setattr(sys, "argv", [*map(str, command), "--manifest", str(tmp_path / "manifest.json")])
    download.main()
    assert read_json(tmp_path / "manifest.json")["functions"] == 1500
    problems = benchmarks.load(SimpleNamespace(kind="pocket", path=None, seed=0))
    rows = list(read_jsonl(tmp_path / "p.jsonl.gz"))
    _, account = prepare(monkeypatch, tmp_path, {"pocket": rows}, problems)
    assert sum(account["dropped"].values()) == 0


def test_a_benchmark_that_does_not_parse_is_named():
    with pytest.raises(UserError, match="benchmark problem Own/1"):
        Benchmarks([{**PROBLEM, "prompt": "def ("}])
