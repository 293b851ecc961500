"""Comparing cells, experiments and archives."""

import subprocess
import sys
from pathlib import Path

import pytest

from codestill.kit.program import UserError
from codestill.report.archive import pack
from codestill.report.comparison import differing, markdown, measures
from codestill.report.comparison_sides import load_side

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def test_two_experiments(whole):
    one, two = (load_side(f"experiment_{number}", whole) for number in (1, 2))
    assert differing(one, two) == [("temperature", 3.0, 2.5), ("alpha", 0.0, 0.5)]
    rows = {row["label"]: row for row in measures(one, two)}
    passed = rows["pocket pass@1"]
    assert passed["rests"] == "30 problems, 3 seeds" and passed["low"] <= passed["difference"] <= passed["high"]
    assert rows["validation CE"]["rests"] == "3 seeds" and passed["about"] == "method"
    assert passed["difference"] == pytest.approx(passed["b"] - passed["a"])


def test_a_cell_against_itself_shows_nothing(whole):
    side = load_side("T-2.0_alpha-0.5_seed-0", whole)
    text = markdown(side, side)
    assert "none differs" in text and "is better" not in text


def test_two_archives_compare_their_chosen_cells(whole, tmp_path):
    pack(whole, tmp_path / "a.tar.gz")
    side = load_side(str(tmp_path / "a.tar.gz"))
    assert side.setting == "T 2, alpha 0.5" and len(side.models) == 3
    command = [sys.executable, SCRIPTS / "compare.py", "--a", tmp_path / "a.tar.gz"]
    command += ["--b", f"{tmp_path}/a.tar.gz::best_finetuned", "--output", tmp_path / "out.md"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == (tmp_path / "out.md").read_text()
    assert "| temperature | 2.0 | – |" in done.stdout and "A is better" in done.stdout


def test_bad_names_are_named(whole, tmp_path):
    with pytest.raises(UserError, match="nothing called 'nobody'"):
        load_side("nobody", whole)
    (tmp_path / "x.tar.gz").write_bytes(b"no archive")
    with pytest.raises(UserError, match="not an archive"):
        load_side(str(tmp_path / "x.tar.gz"))
