"""No function that holds a benchmark's solution or problem is kept, and trivial solutions do not match everything."""

import sys
from types import SimpleNamespace

import pytest
from test_corpus import names, prepare, row

import download
from codestill.data import benchmarks
from codestill.data.decontamination import MIN_NODES, Benchmarks
from codestill.data.functions import parse_function, skeleton
from codestill.kit.files import read_json, read_jsonl
from codestill.kit.program import UserError

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
    "prompt": 'def add(x, y):\n    """Add two numbers."""\n',
    "entry_point": "add",
    "canonical_solution": "    return x + y\n",
    "test": "def check(candidate):\n    assert candidate(1, 2) == 3\n",
}
FILTER = Benchmarks([PROBLEM, SMALL])
BODY = PROBLEM["canonical_solution"]


def found(code, docstring=""):
    function = parse_function(code)
    return FILTER.found_in(function, docstring, skeleton(function)[0])


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
    assert found(code) == ("solution_text", "Own/1")
    assert found(code.replace("return best", "return best + 1")) is None


def test_the_problem_is_found_by_its_description_in_docstring_or_field():
    words = "return  THE length of the longest run of equal\n neighbours, in `values`!"
    code = "def mine(values):\n    '''Doc.'''\n    return 1 if values else 0"
    assert found(code, f"See: {words} Or not.") == ("docstring", "Own/1")
    assert found(code.replace("Doc.", words)) == ("docstring", "Own/1")
    assert found(code, "Return the length of the longest run.") is None


@pytest.mark.parametrize(
    "code, expected",
    [
        ("def plus(a, b):\n    '''Mine.'''\n    return a + b", None),
        ("def add(a, b):\n    '''Mine.'''\n    return a + b", ("solution", "Own/2")),
        ("def add(a, b):\n    '''Mine.'''\n    return a - b", None),
        ("def f(self):\n    '''Add two numbers.'''\n    return self.x", None),
    ],
)
def test_a_small_solution_matches_only_under_its_own_name(code, expected):
    assert skeleton(parse_function(code))[1] < MIN_NODES
    assert found(code) == expected


def test_a_change_of_the_solution_is_another_function():
    for old, new in (("run + 1", "run + 2"), ("max(", "min("), ("index - 1", "index - 2")):
        assert old in BODY
        assert found("def f(values):\n    '''Mine.'''\n" + BODY.replace(old, new)) is None


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


def test_every_solution_of_humaneval_is_found_and_clean_records_are_not():
    rows = benchmarks.load(SimpleNamespace(kind="humaneval", path=None))
    judge = Benchmarks(rows)
    for one in rows:
        code = one["prompt"] + one["canonical_solution"]
        start = code.index(f"def {one['entry_point']}(")
        function = parse_function(code[start:])
        assert function and judge.found_in(function, "", skeleton(function)[0]), one["task_id"]
    clean = parse_function(row(1)["code"])
    assert judge.found_in(clean, "Return the sum of the numbers.", skeleton(clean)[0]) is None


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
