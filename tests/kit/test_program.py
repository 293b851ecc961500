"""What every program shows of itself: a manual that says of each flag what it takes, its default or its need."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from codestill.kit import program

SCRIPTS = sorted((Path(__file__).resolve().parents[2] / "scripts").glob("*.py"))


def shown(script, *arguments):
    environment = {**os.environ, "COLUMNS": "112"}
    done = subprocess.run(
        [sys.executable, script, *arguments, "--help"], capture_output=True, text=True, check=True, env=environment
    )
    return done.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_help_holds_the_header_with_its_command_and_no_noise(script):
    text = shown(script)
    header = script.read_text().split('"""')[1].replace("\\\\", "\\")
    assert header.strip() in text  # line by line as it was written
    assert f"python scripts/{script.name}" in header
    assert "default: None" not in text and "default: False" not in text


def test_a_flag_shows_its_default_or_that_it_is_required():
    text = shown(SCRIPTS[0].parent / "distill.py")
    assert "good starts (default: 2.0)" in text
    assert "--student_model_path PATH         folder of the student; its tokenizer is the study's (required)" in text
    assert "--max_train_samples N             train on the first so many blocks only; left out: all\n" in text
    assert "--num_train_epochs X" in text


def test_the_flags_that_users_of_the_original_script_know():
    text = shown(SCRIPTS[0].parent / "distill.py")
    known = "teacher_model_path student_model_path output_dir temperature alpha num_train_epochs train_batch_size"
    known += " eval_batch_size gradient_accumulation_steps learning_rate weight_decay warmup_steps max_seq_length"
    known += " max_train_samples max_eval_samples fp16 seed do_train do_eval eval_on_humaneval"
    for name in known.split():
        assert f"\n  --{name} " in text, name


def test_a_log_gets_a_line_a_minute_and_nothing_of_what_is_quick(capsys, monkeypatch):
    assert list(program.progress(range(3), desc="quick")) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(program, "SAY_EVERY", 0.02)
    for _ in program.progress(range(5), desc="slow", unit="row"):
        time.sleep(0.03)
    with program.progress(total=None, desc="open", unit="token") as bar:
        for _ in range(4):
            time.sleep(0.03)
            bar.update(10)
    out, err = capsys.readouterr()
    assert err == "" and "\r" not in out
    lines = [line.split(" ", 1)[1] for line in out.splitlines()]
    assert any(re.fullmatch(r"slow: \d of 5 row, +[\d.]+ row/s, \d\d:\d\d left", line) for line in lines), out
    assert any(re.fullmatch(r"open: \d0 token, +[\d.]+ token/s", line) for line in lines), out
