"""Which packages programs may import is chosen, holds inside the sandbox, and is written down."""

import numpy
import pytest

from codestill.grading.packages import allowed, hidden
from codestill.kit.program import UserError
from grading.test_grade import grade, written

PROBLEM = {
    "task_id": "Own/0", "entry_point": "f", "prompt": "def f(name):\n", "canonical_solution":
    "    return __import__(name).__name__\n",
    "test": "def check(candidate):\n    assert candidate('json') == 'json' and candidate('numpy') == 'numpy'\n",
}  # fmt: skip


@pytest.mark.parametrize("packages, passed", [("environment", True), ("none", False), ("list", True), ("other", False)])
def test_programs_import_what_is_chosen(tmp_path, packages, passed):
    (tmp_path / "list").write_text(f"# what may be used\nnumpy=={numpy.__version__}\n")
    (tmp_path / "other").write_text("tqdm  # no numpy\n")
    rows = [{"task_id": "Own/0", "completion": PROBLEM["canonical_solution"]}]
    path = written(tmp_path, [PROBLEM], "own.jsonl")
    verdicts, scores, _ = grade(tmp_path, written(tmp_path, rows), "--k", 1, "--packages", packages, benchmark=path)
    assert verdicts[0]["passed"] is passed
    assert ("numpy" in scores["packages"]) is passed and (packages != "none" or scores["packages"] == {})
    assert passed or "No module named 'numpy'" in verdicts[0]["result"]


def test_what_a_package_needs_comes_along(tmp_path):
    (tmp_path / "list").write_text("pandas\n")
    taken = allowed(str(tmp_path / "list"))
    assert {"pandas", "numpy", "python-dateutil"} <= taken.keys() and "torch" not in taken
    without = hidden(str(tmp_path / "list"), taken)
    assert "torch" in without and not {"pandas", "numpy", "dateutil"} & set(without)


@pytest.mark.parametrize("line", ["numpy==0.0.1", "no-such-package-here", "numpy>=1"])
def test_a_file_that_misfits_is_refused_in_one_line(tmp_path, line):
    (tmp_path / "list").write_text(line + "\n")
    with pytest.raises(UserError, match="list:1"):
        allowed(str(tmp_path / "list"))
