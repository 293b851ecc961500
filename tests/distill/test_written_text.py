"""Texts that a model wrote: which completions are taken, and that they read as the corpus does."""

import json
import subprocess
import sys

import pytest

from codestill.data.text import function_text, read_texts
from codestill.data.training_prompts import prompts
from codestill.kit.files import read_json, read_jsonl, write_json, write_jsonl
from shared_data import ROOT

COUNT = 12  # problems, of three samples each


def function(number):
    head = f'def scale_{number}(values, by={number}):\n    """Return values scaled by {number}."""'
    return (
        head,
        f"\n    result = []\n    for value in values:\n        result.append(value * {number} + by)\n    return result",
    )


def problem(number):
    head, body = function(number)
    row = {"prompt": f"{head}\n", "entry_point": f"scale_{number}", "canonical_solution": body[1:], "test": ""}
    return {"task_id": f"own/{number}", **row}


def judged(number):
    """A problem that is kept apart by what it does: these functions are all alike but for their numbers."""
    return problem(number) | {"task_id": f"judged/{number}", "apart": "behaviour"}


def completion(number, sample):
    """Sample 0 is right, 1 is wrong, 2 right of even problems."""
    right = function(number)[1]
    wrong = right.replace("* ", "- ")
    return right if sample == 0 or (sample == 2 and number % 2 == 0) else wrong + f"[:{sample}]"


def passes(number, sample):
    return completion(number, sample) == function(number)[1]


@pytest.fixture
def folder(tmp_path):
    """Prompts, verdicts and a protocol, as the rules write them."""
    rows = []
    for number in range(COUNT):
        for sample in range(3):
            rows.append({"task_id": f"own/{number}", "completion": completion(number, sample), "sample": sample})
            rows[-1] |= {"finish": "end", "passed": passes(number, sample)}
    write_jsonl(tmp_path / "own.jsonl", [problem(number) for number in range(COUNT)])
    write_jsonl(tmp_path / "verdicts.jsonl", rows)
    protocol = {"format": "plain", "strip_prompt": "newline", "n": 3, "temperature": 1.0, "seed": 0}
    write_json(tmp_path / "protocol.json", protocol)
    write_jsonl(tmp_path / "held.jsonl", [])
    return tmp_path


def written(folder, recipe, *more, fails=False):
    """(records, accounts) of scripts/write_text.py, or its one line of error."""
    command = [sys.executable, ROOT / "scripts/write_text.py", "--recipe", recipe, "--prompts", folder / "own.jsonl"]
    command += ["--samples", folder / "verdicts.jsonl", "--protocols", folder / "protocol.json"]
    command += ["--held_out", folder / "held.jsonl", "--output", folder / "text.jsonl"]
    command += ["--accounting", folder / "text.json", *more]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    if fails:
        assert done.returncode == 2 and not (folder / "text.jsonl").exists()
        return done.stderr
    assert done.returncode == 0, done.stderr
    return list(read_jsonl(folder / "text.jsonl")), read_json(folder / "text.json")


def changed(folder, **changes):
    """Change fields of the first row of the verdicts."""
    first, *rest = read_jsonl(folder / "verdicts.jsonl")
    write_jsonl(folder / "verdicts.jsonl", [first | changes, *rest])


def pairs(records):
    return [(int(record["task_id"].partition("/")[2]), record["sample"]) for record in records]


def test_a_completion_that_is_the_corpus_own_body_gives_the_corpus_own_text(folder):
    """So that it is tokenised, masked and ended as a function of the corpus is."""
    records, _ = written(folder, "teacher")
    texts = list(read_texts(folder / "text.jsonl"))
    for (number, sample), text in zip(pairs(records), texts, strict=True):
        corpus = function_text({"code": "".join(function(number)), "docstring": ""})
        assert (text == corpus) is passes(number, sample)
    assert pairs(records) == [(number, sample) for sample in range(3) for number in range(COUNT)]  # in prompts' order


def test_verified_is_what_passes_and_unverified_is_as_much_of_all(folder):
    good = {(number, sample) for number in range(COUNT) for sample in range(3) if passes(number, sample)}
    verified, told = written(folder, "verified", "--seed", "3")
    assert sorted(pairs(verified)) == sorted(good) and len(good) == 18
    assert (told["completions"], told["passed"], told["kept"], told["dropped"]) == (36, 18, 18, {"failed": 18})
    control, told = written(folder, "unverified", "--seed", "3")
    assert len(control) == len(verified) and len(set(pairs(control))) == 18
    assert told["dropped"] == {"not_drawn": 18} and told["passed"] == 18
    assert 0 < sum(one in good for one in pairs(control)) < 18  # of all, passing or not
    assert control == written(folder, "unverified", "--seed", "3")[0]
    assert control != written(folder, "unverified", "--seed", "4")[0]


def test_what_was_cut_off_or_is_blank_teaches_no_end(folder):
    changed(folder, finish="length")
    records, told = written(folder, "verified")
    assert (0, 0) not in pairs(records) and told["dropped"] == {"unfinished": 1, "failed": 18} and told["passed"] == 18
    assert len(written(folder, "unverified")[0]) == len(records) == 17
    changed(folder, finish="end", completion="\n  ")
    assert written(folder, "teacher")[1]["dropped"] == {"blank": 1}


def test_a_problem_that_is_judged_on_is_not_learnt_from(folder):
    """Neither where the prompt is one, nor where what was written is a solution of one."""
    write_jsonl(folder / "held.jsonl", [judged(3)])
    records, told = written(folder, "teacher")
    assert {number for number, _ in pairs(records)} == set(range(COUNT)) - {3} and len(records) == 33
    write_jsonl(folder / "held.jsonl", [judged(77)])
    changed(folder, completion=function(77)[1])
    records, told = written(folder, "teacher")
    assert (0, 0) not in pairs(records) and told["dropped"] == {"benchmark_solution": 1}


def test_what_cannot_be_made_is_one_line(folder):
    changed(folder, passed=None)
    assert "a sample without a verdict; give the verdicts that grade.py wrote" in written(
        folder, "verified", fails=True
    )
    rows = [row | {"passed": False} for row in read_jsonl(folder / "verdicts.jsonl")]
    write_jsonl(folder / "verdicts.jsonl", rows)
    assert "of 36 completions none is left to learn from (failed 36)" in written(folder, "verified", fails=True)


def test_a_conversation_is_asked_once_and_its_answer_is_learnt(folder):
    turns = [{"role": "user", "content": "Write f."}, {"role": "assistant", "content": "def f():\n    return 1"}]
    asked = {"format": "instruct", "code": turns[1]["content"], "docstring": "", "source": "chats"}
    code = "".join(function(1))
    rows = [
        {**asked, "messages": turns},
        {**asked, "messages": [{"role": "system", "content": "Be brief."}, *turns]},
        {"code": code, "docstring": "Return values scaled by 1.", "source": "mine"},
    ]
    write_jsonl(folder / "train.jsonl", rows)
    found = {row["task_id"]: row["prompt"] for row in prompts(folder / "train.jsonl")}
    assert found == {"chats/1": "Write f.", "mine/3": function(1)[0]}
    write_json(folder / "protocol.json", read_json(folder / "protocol.json") | {"format": "chat"})
    record = written(folder, "teacher")[0][0]
    assert [turn["role"] for turn in record["messages"]] == ["user", "assistant"]
    assert record["messages"][1]["content"] == completion(0, 0) and record["format"] == "instruct"
    text = next(read_texts(folder / "text.jsonl"))
    assert text.messages == record["messages"]
    assert json.dumps(record)
