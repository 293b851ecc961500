"""Published formats of problems are read, their own solutions pass, wrong ones fail, and a broken problem is named."""

import base64
import json
import pickle
import subprocess
import sys
import zlib

import pytest

from codestill.data import standard_input
from codestill.grading.problems import load_problems
from codestill.kit.program import UserError
from grading.test_grade import grade, written
from shared_data import ROOT, shared


def packed(cases):
    """Private tests as LiveCodeBench publishes them."""
    return base64.b64encode(zlib.compress(pickle.dumps(json.dumps(cases)))).decode()


def live(number, cases, private, starter="", name=None, date="2024-05-01T00:00:00"):
    return {
        "question_title": "t", "question_content": "Add the numbers.\n\nInput: two numbers.", "platform": "atcoder",
        "question_id": number, "contest_date": date, "starter_code": starter, "difficulty": "easy",
        "public_test_cases": json.dumps(cases), "private_test_cases": private,
        "metadata": json.dumps({"func_name": name} if name else {}),
    }  # fmt: skip


STDIN = [{"input": "1 2\n", "output": "3\n", "testtype": "stdin"}]
CALLS = [{"input": "[1, 2]\n3", "output": "[4, 5]", "testtype": "functional"}]
LIVE = [
    live("a", STDIN, packed([{"input": "2 2\n", "output": "4.0\nok", "testtype": "stdin"}][:0] + STDIN)),
    live("b", CALLS, json.dumps(CALLS), "class Solution:\n    def add(self, xs, k):\n        ", "add", "2024-08-01"),
    live("d", [{"input": "1", "output": "[1, [1]]", "testtype": "functional"}], "[]", "def pair(x):\n", "pair"),
    live("c", [{"input": "x", "output": "1.50 2\n a b ", "testtype": "stdin"}], "[]"),
]
READ = "a, b = map(int, input().split())\nprint(a + b)\n"
METHOD = "class Solution:\n    def add(self, xs: List[int], k):\n        return tuple(x + k for x in xs)\n"
# (task, completion, whether it passes)
LIVE_SAMPLES = [
    ("a", READ, True),
    ("a", "import sys\nif __name__ == '__main__':\n    print(sum(map(int, sys.stdin.buffer.read().split())))\n", True),
    ("a", "print(open(0).read())\n", False),
    ("a", "import sys\nprint(sum(map(int, sys.stdin)))\n", False),
    ("a", "print('4')\n", False),
    ("a", "a, b = map(int, input().split())\nsys.stdout.write(f'{a + b}.0  ')\nsys.exit()\n", True),
    ("a", "print(3)\nprint(4)\n", False),
    ("a", "print(3", False),
    ("b", METHOD, True),
    ("b", "def add(xs, k):\n    return [x + k for x in xs]\n", True),
    ("b", "class Solution:\n    def add(self, xs, k):\n        return xs\n", False),
    ("c", "print(1.5, '2.0')\nprint('a b')\n", True),
    ("c", "print('1.5 2')\nprint('a  b')\n", False),
    ("a", "print(sum(map(int, input().split())))\nsys.exit(1)\n", True),
    ("b", "def add(xs, k):\n    return [[x + k] for x in xs]\n", False),
    ("d", "def pair(x):\n    return [x, [x]]\n", True),
    ("d", "def pair(x):\n    return x, [x]\n", True),
    ("d", "def pair(x):\n    return [x, (x,)]\n", False),
]


def test_live_code_bench(tmp_path):
    path = written(tmp_path, LIVE, "live.jsonl")
    rows = [
        {"task_id": f"LiveCodeBench/{task}", "completion": text, "right": right} for task, text, right in LIVE_SAMPLES
    ]
    verdicts, _, _ = grade(tmp_path, written(tmp_path, rows), "--k", 1, benchmark=path)
    assert [row["completion"] for row in verdicts if row["passed"] != row["right"]] == []
    assert verdicts[7]["kind"] == "syntax"


def test_dates_of_contests(tmp_path):
    from argparse import Namespace

    from codestill.data.benchmarks import load

    path = written(tmp_path, LIVE, "live.jsonl")
    options = Namespace(kind="livecodebench", path=str(path), since="2024-06-01", until="2024-12-31")
    assert [row["task_id"] for row in load(options)] == ["LiveCodeBench/b"]


class Dangerous:
    """Runs something where it is unpickled."""

    def __reduce__(self):
        return (print, ("unpickled",))


def test_private_tests_hold_text_alone(tmp_path):
    private = base64.b64encode(zlib.compress(pickle.dumps(Dangerous()))).decode()
    path = written(tmp_path, [live("a", STDIN, private)], "live.jsonl")
    with pytest.raises(UserError, match="question a"):
        load_problems(str(path))


APPS = [
    {
        "problem_id": 0, "question": "Add.", "starter_code": "", "difficulty": "interview", "url": "",
        "solutions": json.dumps(["print(0)\n", READ]),
        "input_output": json.dumps({"inputs": ["1 2\n", "3 4\n"], "outputs": ["3\n", "7\n"]}),
    },
    {
        "problem_id": 1, "question": "Halve.", "starter_code": "def halve(x):\n", "difficulty": "interview", "url": "",
        "solutions": json.dumps(["def halve(x):\n    return [x / 2]\n"]),
        "input_output": json.dumps({"fn_name": "halve", "inputs": [[3]], "outputs": [[[1.5]]]}),
    },
    {"problem_id": 2, "question": "No tests.", "starter_code": "", "solutions": "", "input_output": ""},
]  # fmt: skip


def checked(folder, path, *more):
    """(list of check_benchmark.py, its log)."""
    command = [sys.executable, ROOT / "scripts" / "check_benchmark.py", "--benchmark", path]
    command += ["--output", folder / "check.json", *more]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True, cwd=folder)
    return json.loads((folder / "check.json").read_text()), done.stdout


# (printed, wanted, whether APPS' own evaluator takes the one for the other): seen with that evaluator.
PRINTED = [
    ("1 2\n", "2 1", True), ("1 2\n3", "3\n1 2", True), ("1 1 2", "1 2", True), ("a\na\nb", "b\na", True),
    ("1 2\n3", "1\n2 3", False), ("1.00001", "1", True), ("1.00002", "1", True), ("1.1", "1", False),
    ("1.0001 a", "1 a", False), ("1.0001 7", "1 7", True), ("1.001 7", "1 7", False), ("1.000001\n2", "1\n2", True),
    ("\n a \n\n", "a", True), ("a\n\nb", "a\nb", True), ("a b", "a  b", True), ("A", "a", False), ("", "", True),
    ("", "0", False), ("1e3", "1000", True), ("inf", "inf", True), ("nan", "nan", True), ("nan ", "NaN", False),
    ("b 1.0\n\n-0", " b 1.0\n \n -0", True),
]  # fmt: skip
RETURNED = [
    ((1, 2), [1, 2], True), ((1, 2), [[1, 2]], True), ([(1, 2)], [[[1, 2]]], True), ([(1, 2)], [[1, 2]], False),
    (3, [3], True), (3, [3, 4], True), (4, [3, 4], False), ({1: 2}, {"1": 2}, True), ([{1: 2}], {"1": 2}, True),
    ({1: 2}, [{"1": 2}], True), ([], [], True), (None, [], False), (1.0, 1, True), ("a", ["a"], True),
]  # fmt: skip


@pytest.mark.parametrize("source, pairs", [("_APPS", PRINTED), ("_APPS_CALL", RETURNED)])
def test_apps_compares_as_its_own_evaluator_does(source, pairs):
    names = {}
    exec(getattr(standard_input, source), names)
    assert [pair for *pair, right in pairs if names["same"](*pair) is not right] == []


def test_apps_gives_numbers_for_keys(tmp_path):
    row = {**APPS[1], "input_output": json.dumps({"fn_name": "halve", "inputs": [[{"4": 1}]], "outputs": [[[2.0]]]})}
    rows = [{"task_id": "APPS/1", "completion": "def halve(x):\n    return [key / 2 for key in x]\n"}]
    path = written(tmp_path, [row], "apps.jsonl")
    verdicts, _, _ = grade(tmp_path, written(tmp_path, rows), "--k", 1, benchmark=path)
    assert verdicts[0]["passed"], verdicts


def test_apps(tmp_path):
    path = written(tmp_path, APPS, "apps.jsonl")
    found, log = checked(tmp_path, path)
    assert found["solved"] == 2 and found["unsound"] == {} and "2 of 2" in log
    rows = [
        {"task_id": "APPS/0", "completion": "a, b = input().split()\nprint(f'{int(a) + int(b) + 1e-9:.9f}')\n"},
        {"task_id": "APPS/0", "completion": "a, b = input().split()\nprint(int(a) + int(b) + 1)\n"},
        {"task_id": "APPS/1", "completion": "class Solution:\n    def halve(self, x):\n        return (x / 2,)\n"},
        {"task_id": "APPS/1", "completion": "def halve(x):\n    return x // 2\n"},
    ]
    verdicts, _, _ = grade(tmp_path, written(tmp_path, rows), "--k", 1, benchmark=path)
    assert [row["passed"] for row in verdicts] == [True, False, True, False]


PANDAS = [
    {
        "task_id": "PandasEval/0", "entry_point": "none", "canonical_solution": ["['z']", "['a', 'b']"],
        "prompt": "import pandas as pd\n\ndf = pd.DataFrame({'A': [1], 'B': [2]})\n# Rename.\ndf.columns = ",
        "test": "\n\nMETADATA = {}\n\n\ndef check():\n    assert list(df.columns) == ['a', 'b']\n",
    },
    {
        "task_id": "PandasEval/1", "entry_point": "first", "canonical_solution": ["    return df.head(1)"],
        "prompt": "import pandas as pd\n\ndef first(df):\n    # The first row.\n",
        "test": "def check(candidate):\n    df = pd.DataFrame({'A': [1, 2]})\n    assert candidate(df).equals(df[:1])",
    },
    {
        "task_id": "PandasEval/2", "entry_point": "none", "canonical_solution": [" 1"],
        "prompt": "x =", "test": "def check():\n    assert x == 2\n",
    },
]  # fmt: skip


def test_pandas_eval_runs_in_one_process_and_says_so(tmp_path):
    path = written(tmp_path, PANDAS, "pandas.jsonl")
    found, log = checked(tmp_path, path)
    assert found["unsound"] == {"PandasEval/2": "assertion"} and "PandasEval/2" in log
    rows = [
        {"task_id": "PandasEval/0", "completion": "['a', 'b']"},
        {"task_id": "PandasEval/1", "completion": "    return df.tail(1)"},
        {"task_id": "PandasEval/2", "completion": " 3"},
    ]
    for more in (), ("--checked", tmp_path / "check.json"):
        verdicts, scores, log = grade(tmp_path, written(tmp_path, rows), "--k", 1, *more, benchmark=path)
        assert [row["passed"] for row in verdicts] == [True, False, False]
        assert {row["trust"] for row in verdicts} == {"same_process"}
        assert scores["unsound"] == {"PandasEval/2": "assertion"} and "own solutions fail" in log
        assert "its own solution fails" in verdicts[2]["problem"] and "problem" not in verdicts[0]


UNCARRIED = {
    "task_id": "Own/0", "entry_point": "f", "prompt": "def f():\n", "canonical_solution":
    "    class Money:\n        def __eq__(self, other):\n            return other == 5\n    return Money()\n",
    "test": "def check(candidate):\n    assert candidate() == 5\n",
}  # fmt: skip


def test_what_cannot_be_judged_apart_can_be_in_one_process(tmp_path):
    path = written(tmp_path, [UNCARRIED], "own.jsonl")
    rows = [{"task_id": "Own/0", "completion": UNCARRIED["canonical_solution"]}]
    rows += [{"task_id": "Own/0", "completion": text} for text in ("    return 6\n", "    raise ValueError(3)\n")]
    verdicts, scores, log = grade(tmp_path, written(tmp_path, rows), "--k", 1, benchmark=path)
    assert [row["kind"] for row in verdicts] == ["cannot be judged here", "assertion", "exception"]
    assert scores["trust"] == "split" and "Own/0" in scores["unsound"] and "--trust same_process" in log
    verdicts, scores, log = grade(
        tmp_path, written(tmp_path, rows), "--k", 1, "--trust", "same_process", benchmark=path
    )
    assert [row["kind"] for row in verdicts] == ["passed", "assertion", "exception"]
    assert scores["trust"] == "same_process" and not scores["unsound"]
    assert {row["trust"] for row in verdicts} == {"same_process"}


def test_a_format_that_does_not_fit_is_hinted_at_and_strict_tells_by_its_exit_code(tmp_path):
    path = written(tmp_path, [UNCARRIED], "own.jsonl")
    rows = [{"task_id": "Own/0", "completion": f"```python\ndef f():\n    return 5  # {i}\n```"} for i in range(4)]
    _, scores, log = grade(tmp_path, written(tmp_path, rows), "--k", 1, benchmark=path)
    assert "may be the format" in log and scores["formats"] == {"fences": 4, "syntax": 4}
    _, scores, log = grade(tmp_path, written(tmp_path, rows), "--k", 1, "--rules", "extract", benchmark=path)
    assert scores["pass@1"] == 1.0 and "may be the format" not in log
    command = [sys.executable, ROOT / "scripts" / "grade.py", "--benchmark", path, "--samples", tmp_path / "S.jsonl"]
    done = subprocess.run([*map(str, command), "--strict"], capture_output=True, text=True, check=False)
    assert done.returncode == 3 and (tmp_path / "S.verdicts.jsonl").exists() and (tmp_path / "S.scores.json").exists()


def test_a_release_is_taken_by_name_and_checked_by_content(tmp_path, monkeypatch):
    from codestill.data import releases

    monkeypatch.setenv("CODESTILL_BENCHMARKS", str(tmp_path))
    (tmp_path / "humaneval_plus.jsonl.gz").write_bytes((shared("benchmarks") / "HumanEvalPlus.jsonl.gz").read_bytes())
    assert len(load_problems("humaneval+")) == 164
    (tmp_path / "mbpp_plus.jsonl.gz").write_bytes((tmp_path / "humaneval_plus.jsonl.gz").read_bytes())
    with pytest.raises(UserError, match="not the release"):
        load_problems("mbpp+")
    monkeypatch.setitem(releases.RELEASES, "mbpp", ("http://127.0.0.1:9/mbpp.jsonl", "0"))
    with pytest.raises(UserError, match="cannot be reached"):
        load_problems("mbpp")
