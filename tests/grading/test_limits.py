"""Texts, messages and values beyond every measure: each fails alone, for the right reason, and holds nobody up."""

import json
import subprocess
import sys
import time

import pytest
from test_grade import grade, written

from codestill.grading.sandbox.pool import Job, Pool
from codestill.kit.program import UserError
from grading.attacks import ATTACKS, PROBLEM
from shared_data import ROOT

TASK = "HumanEval/53"  # add(x, y)
RIGHT = "    return x + y\n"


def run(sources, memory=512 << 20, timeout=3.0, count=1, problem=PROBLEM):
    """({name: outcome}, workers in the end) of completions by name."""
    jobs = [Job(name, problem, problem["prompt"] + text) for name, text in sources.items()]
    with Pool(count, memory) as pool:
        return dict(pool.run(jobs, timeout)), len(pool.workers)


def test_a_sample_that_is_too_long_fails_alone(tmp_path):
    texts = [RIGHT, RIGHT + "#" * (33 << 20), RIGHT + "#" + "\u00e9" * 6_000_000 + "\n", RIGHT + "# last\n"]
    path = written(tmp_path, [{"task_id": TASK, "completion": text} for text in texts])
    verdicts, scores, _ = grade(tmp_path, path, "--k", 1)
    assert [row["kind"] for row in verdicts] == ["passed", "too long", "passed", "passed"]
    assert scores["kinds"] == {"passed": 3, "too long": 1} and not verdicts[1]["parses"]


@pytest.mark.parametrize("name", [name for name in ATTACKS if name.startswith("failure of three million")])
def test_a_forged_message_of_any_size_holds_nobody_up(name):
    """A text too long for a pipe comes next, when the message would have been on its way back."""
    long = "    return a + b\n" + "# x\n" * 100_000
    begun = time.monotonic()
    outcomes, _ = run({"forged": ATTACKS[name][0], "long": long, "again": ATTACKS[name][0] + "\n", "end": long + "#"})
    assert [outcomes[each]["kind"] for each in ("long", "end")] == ["passed"] * 2
    assert outcomes["forged"]["kind"] == "exception" and len(outcomes["forged"]["detail"]) <= 300
    assert time.monotonic() - begun < 40


COLLECTS = {**PROBLEM, "test": "def check(candidate):\n    assert len(list(candidate(1, 2))) == 40_000_000\n"}


def test_the_memory_of_the_tests_process_is_bounded_and_a_verdict_says_whose_it_was():
    texts = {
        "theirs": "    return range(40_000_000)\n",
        "its own": "    return [str(n) for n in range(40_000_000)]\n",
        "wrong": "    return [1]\n",
    }
    outcomes, _ = run(texts, problem=COLLECTS, timeout=20.0)
    assert {name: outcome["kind"] for name, outcome in outcomes.items()} == {
        "theirs": "memory",
        "its own": "memory",
        "wrong": "assertion",
    }
    assert "tests' process" in outcomes["theirs"]["detail"] and "tests' process" not in outcomes["its own"]["detail"]


def test_programs_that_sleep_overlap_and_those_that_work_do_not():
    asleep = {f"sleeps {n}": f"    import time\n    time.sleep(99)  # {n}\n" for n in range(8)}
    outcomes, workers = run(asleep | {"right": "    return a + b\n"}, timeout=1.5)
    assert {outcomes[name]["kind"] for name in asleep} == {"timeout"} and outcomes["right"]["kind"] == "passed"
    assert all(outcome["sure"] for outcome in outcomes.values())
    assert workers > 1
    outcomes, workers = run({f"works {n}": f"    while True: pass  # {n}\n" for n in range(3)}, timeout=0.7)
    assert workers == 1


def test_a_limit_below_what_python_takes_is_refused():
    with pytest.raises(UserError, match=r"--memory: 20 MiB: no program can begin below \d\d MiB"):
        Pool(1, 20 << 20)


def test_figures_beyond_reason_end_with_one_clear_line(tmp_path):
    path = written(tmp_path, [{"task_id": TASK, "completion": RIGHT}])
    for flags, word in (
        (["--timeout", "inf"], "--timeout"),
        (["--timeout", "1e9"], "--timeout"),
        (["--memory", 20], "--memory"),
        (["--memory", 10**14], "--memory"),
    ):
        log = grade(tmp_path, path, *flags, code=2)[2]
        assert word in log and log.count("\n") == 1
    path = written(tmp_path, [{"task_id": TASK, "solution": "def add(x, y): return x + y\n"}], "solutions.jsonl")
    assert "--rules evalplus" in grade(tmp_path, path, code=2)[2]
    assert grade(tmp_path, path, "--rules", "evalplus")[0][0]["passed"]


def test_a_pipe_is_graded_as_a_file(tmp_path):
    command = [sys.executable, ROOT / "scripts" / "grade.py", "--benchmark", "humaneval", "--samples", "/dev/stdin"]
    command += ["--verdicts", tmp_path / "V.jsonl", "--scores", tmp_path / "SC.json", "--k", "1"]
    rows = "".join(json.dumps({"task_id": TASK, "completion": text}) + "\n" for text in (RIGHT, "    return x - y\n"))
    done = subprocess.run(list(map(str, command)), input=rows, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    verdicts = [json.loads(line) for line in (tmp_path / "V.jsonl").read_text().splitlines()]
    assert [row["passed"] for row in verdicts] == [True, False]


CHECKS = """
def same(found, wanted):
    assert found == wanted


def check(candidate):
    assert candidate(0, 0) == 0
    for pair, wanted in {(1, 1): 2}.items():
        same(candidate(*pair), wanted)
    assert candidate(2, 2) == 4 and (
        candidate(2, 3) == 5
    )
    assert candidate(3, 3) == 6, "three and three"
"""


def test_a_verdict_names_the_assertion_that_failed():
    """By its own message, else by its text, in the test's own code: never by what the candidate says."""
    texts = {
        "assert candidate(0, 0) == 0": "    return a + b + (a == 0)\n",
        "assert found == wanted": "    return a + b + (a == 1)\n",
        "assert candidate(2, 2) == 4 and ( candidate(2, 3) == 5 )": "    return a + b + (a == 2)\n",
        "three and three": "    return a + b + (a == 3)\n",
    }
    problem = {**PROBLEM, "test": CHECKS}
    outcomes, _ = run({**texts, "forged": "    assert a, '<test>'\n    return a + b\n"}, problem=problem)
    forged = outcomes.pop("forged")
    assert (forged["kind"], forged["detail"]) == ("exception", "AssertionError: <test>")
    assert {name: (one["kind"], one["detail"]) for name, one in outcomes.items()} == {
        name: ("assertion", name) for name in texts
    }
