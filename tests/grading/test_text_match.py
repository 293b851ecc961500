"""Held-out functions as a benchmark: what a completion has of the function that stands there, without running it."""

import json

import pytest

from codestill.data.completions import problems
from codestill.grading.problems import load_problems
from codestill.grading.text_match import outcome_of
from grading.test_grade import grade, written

HEAD = 'def area(width, height):\n    """The area of a box."""'
BODY = "\n    check(width)\n    log.info(height)\n    return round(width * height)"
PROBLEM = {"task_id": "own/1", "prompt": HEAD, "canonical_solution": BODY, "entry_point": "area", "judge": "text"}


def similarity(a, b):
    """Characters that need no insertion or deletion, as a share of both texts: by the longest common subsequence."""
    row = [0] * (len(b) + 1)
    for x in a:
        before = row[:]
        for place, y in enumerate(b, 1):
            row[place] = before[place - 1] + 1 if x == y else max(before[place], row[place - 1])
    return 2 * row[-1] / (len(a) + len(b)) if a or b else 1.0


@pytest.mark.parametrize(
    ("completion", "kind", "compiles", "calls"),
    [
        (BODY, "passed", 1.0, 1.0),
        (
            "  # as it was\n\n    check( width )\n    log.info(height)\n    return (round(width*height))",
            "passed",
            1.0,
            1.0,
        ),
        (BODY.replace("*", "+"), "differs", 1.0, 1.0),
        ("\n    check(width)\n    return width * height", "differs", 1.0, 1 / 3),
        ("\n    pass", "differs", 1.0, 0.0),
        ("\n    return = 3", "syntax", 0.0, 0.0),
        ("\n    return 1\nbreak", "differs", 0.0, 0.0),
        ("", "differs", 1.0, 0.0),
    ],
)
def test_a_completion_beside_the_original(completion, kind, compiles, calls):
    found = outcome_of(PROBLEM, HEAD + completion)
    assert found["kind"] == kind
    assert (found["measures"]["compiles"], found["measures"]["calls"]) == (compiles, pytest.approx(calls))
    wanted = similarity(completion.strip(), BODY.strip())
    assert found["measures"]["edit_similarity"] == pytest.approx(wanted, abs=1e-9)


def test_an_original_that_calls_nothing_has_no_share_of_calls():
    problem = {**PROBLEM, "canonical_solution": "\n    return width * height"}
    assert outcome_of(problem, HEAD + "\n    return width * height")["measures"]["calls"] is None


def records(path):
    rows = [
        {"code": HEAD + BODY, "docstring": "The area of a box.", "source": "own"},
        {"code": "def f(x):\n    return x + 1", "docstring": "One more.", "source": "own"},
        {"code": "def torn(x:\n    return", "docstring": "Not Python.", "source": "own"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_held_out_functions_become_problems(tmp_path):
    """A prompt ends behind the docstring, which is put in where only the record has it."""
    found = problems(records(tmp_path / "test.jsonl"))
    assert [row["task_id"] for row in found] == ["own/1", "own/2"]
    assert (found[0]["prompt"], found[0]["canonical_solution"], found[0]["entry_point"]) == (HEAD, BODY, "area")
    assert (
        found[1]["prompt"] == 'def f(x):\n    """One more."""'
        and found[1]["canonical_solution"] == "\n    return x + 1"
    )


def test_they_are_graded_as_a_benchmark(tmp_path):
    """pass@1 is the share of bodies written as they stand; beside it stand means over problems, with intervals."""
    benchmark = written(tmp_path, problems(records(tmp_path / "test.jsonl")), "own.jsonl")
    assert set(load_problems(str(benchmark))) == {"own/1", "own/2"}
    texts = [
        ("own/1", BODY),
        ("own/1", "\n    pass"),
        ("own/2", "\n    return x - 1"),
        ("own/2", "\n    import os; os"),
    ]
    samples = [{"task_id": task, "completion": text} for task, text in texts]
    verdicts, scores, _ = grade(tmp_path, written(tmp_path, samples), "--k", "1", benchmark=benchmark)
    assert [row["passed"] for row in verdicts] == [True, False, False, False]
    assert verdicts[1]["calls"] == 0.0 and "calls" in verdicts[2] and verdicts[2]["compiles"] == 1.0
    assert scores["pass@1"] == 0.25 and scores["measures"]["compiles"] == 1.0 and scores["unsound"] == {}
    first = (1.0 + similarity("pass", BODY.strip())) / 2
    second = (similarity("return x - 1", "return x + 1") + similarity("import os; os", "return x + 1")) / 2
    assert scores["measures"]["edit_similarity"] == pytest.approx((first + second) / 2)
    assert scores["measures"]["calls"] == 0.5
    low, high = scores["intervals"]["edit_similarity"]
    assert low < scores["measures"]["edit_similarity"] < high
