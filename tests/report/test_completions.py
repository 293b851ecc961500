"""Completions side by side: which seed, how each differs from the teacher's, and what is missing."""

import shutil

import pytest

from codestill.kit.files import read_jsonl, write_jsonl
from codestill.report.completions import problems
from codestill.report.results import Results


@pytest.fixture
def mine(whole, tmp_path):
    """A copy of the made study whose files a test may change."""
    return shutil.copytree(whole, tmp_path / "mine", ignore=shutil.ignore_patterns("report"))


def told(folder):
    return problems(Results.load(folder / "study.json", folder), "pocket")


def write(folder, model, completion, passed=False):
    """Let `completion` be every sample of a model."""
    path = folder / f"verdicts/pocket/{model}.jsonl"
    result = "passed" if passed else "assertion: assert f(1) == 2"
    write_jsonl(
        path, [{**row, "completion": completion, "passed": passed, "result": result} for row in read_jsonl(path)]
    )


def test_lines_differ_from_the_teachers_and_join_to_both_texts(mine):
    teacher, ours = "    y = x\n    y += 1\n    return y\n", "    y = x\n    y += 2\n    print(y)\n    return y\n"
    write(mine, "teacher", teacher, passed=True)
    write(mine, "T-2.0_alpha-0.5_seed-1", ours)
    row = told(mine)["rows"][0]
    first, answer = row["answers"][0], row["seeds"][1]["answers"][1]
    assert (first["model"], [sign for sign, _ in first["lines"]]) == ("teacher", [""] * 3)
    assert (answer["model"], answer["seed"], answer["state"]) == ("best distilled", 1, "failed")
    assert answer["verdict"] == "assertion: assert f(1) == 2" and answer["count"] == "0 of 5"
    assert [sign for sign, _ in answer["lines"]] == [" ", "-", "+", "+", " "]
    assert [line for sign, line in answer["lines"] if sign != "-"] == ours.splitlines()
    assert [line for sign, line in answer["lines"] if sign != "+"] == teacher.splitlines()


def test_what_is_judged_by_its_text_differs_from_what_stands_there(mine):
    path = mine / "inputs/benchmarks/pocket.jsonl"
    write_jsonl(path, [{**row, "judge": "text"} for row in read_jsonl(path)])
    write(mine, "teacher", "    return x - 1\n")
    row = told(mine)["rows"][2]
    assert [answer["model"] for answer in row["answers"]] == ["as it stands in the code", "teacher", "student before"]
    assert row["answers"][0]["lines"] == [("", "    return x + 2")]
    assert row["answers"][1]["lines"] == [("-", "    return x + 2"), ("+", "    return x - 1")]


def test_a_seed_without_verdicts_is_no_choice_and_one_side_alone_is_no_class(mine):
    for name in ("alpha-1.0_seed-1", "T-2.0_alpha-0.5_seed-1", "alpha-1.0_seed-2", "teacher"):
        (mine / f"verdicts/pocket/{name}.jsonl").unlink()
    found = told(mine)
    assert (found["seeds"], found["shown"]) == ([0, 2], 0)
    row = found["rows"][0]
    assert row["seeds"][2]["kind"] == "unknown" != row["seeds"][0]["kind"]
    assert [answer["model"] for answer in row["seeds"][2]["answers"]] == ["best distilled"]
    signs = {sign for panel in row["seeds"].values() for one in panel["answers"] for sign, _ in one["lines"]}
    assert signs == {""}  # no teacher to differ from
    shutil.rmtree(mine / "verdicts")
    assert told(mine) == {"seeds": [], "shown": None, "rows": []}
