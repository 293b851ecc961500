"""`codestill try`: completions in the terminal, the same as a benchmark's samples."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from small_models import make_folder

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
PROMPT = 'def add(a, b):\n    """Return the sum of a and b."""\n'


def run(program, *words, cwd, **options):
    command = [sys.executable, SCRIPTS / f"{program}.py", *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, **options)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A folder with results/tiny/models/{teacher, best_distilled}."""
    root = tmp_path_factory.mktemp("try")
    for seed, name in enumerate(("teacher", "best_distilled")):
        make_folder(root / "results/tiny/models" / name, seed=seed)
    return root


def test_a_studys_models_answer_what_generate_draws(study):
    """The completions shown are those that generate.py writes for the same prompt, seed and temperature."""
    benchmark = study / "one.jsonl"
    benchmark.write_text(json.dumps({"task_id": "prompt", "prompt": PROMPT}) + "\n")
    settings = ["--temperature", "0.8", "--max_new_tokens", "20", "--n", "2"]
    found = run("try", "tiny", "--prompt", PROMPT.replace("\n", "\\n"), *settings, cwd=study)
    assert found.returncode == 0, found.stderr
    wanted = []
    for name in ("teacher", "best_distilled"):
        model, out = study / "results/tiny/models" / name, study / f"{name}.jsonl"
        done = run(
            "generate", "--model", model, "--benchmark", benchmark, "--output", out, *settings,
            "--protocol", study / "p.json", "--work_dir", study / "work", cwd=study,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        rows = [json.loads(line)["completion"] for line in out.read_text().splitlines()]
        assert len(set(rows)) == 2
        wanted += [f"--- {name} ({number})\n{text.rstrip()}" for number, text in enumerate(rows, 1)]
    assert found.stdout == "\n".join(wanted) + "\n"


def test_a_prompt_comes_by_standard_input_too(study):
    model = "results/tiny/models/teacher"
    piped = run("try", model, "--max_new_tokens", "9", cwd=study, input=PROMPT)
    given = run("try", model, "--max_new_tokens", "9", "--prompt", PROMPT, cwd=study)
    assert piped.returncode == 0 and piped.stdout.startswith("--- teacher\n") and piped.stdout == given.stdout


def test_three_models_stand_side_by_side_in_80_columns(study):
    wide = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": "80"}
    models = [f"results/tiny/models/{name}" for name in ("teacher", "best_distilled")]
    (study / "third").mkdir(exist_ok=True)
    make_folder(study / "third", seed=3)
    done = run("try", *models, "third", "--prompt", "x", "--max_new_tokens", "4", cwd=study, env=wide)
    assert done.returncode == 0, done.stderr
    assert any(all(name in line for name in ("teacher", "best_distilled", "third")) for line in done.stdout.split("\n"))


def test_on_a_terminal_a_long_prompt_is_a_line_and_the_last_needs_no_empty_one(study):
    ours, theirs = pty.openpty()
    os.write(ours, b"x = 1\n" * 200 + b"\ndef f(a):\n\x04")
    done = run("try", "results/tiny/models/teacher", "--max_new_tokens", "4", cwd=study, stdin=theirs)
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0 and done.stderr.count("error: the prompt: fills the model's 96 positions") == 1
    assert done.stdout.count("--- teacher\n") == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["absent"], "absent: neither a model's folder (with config.json) nor a study in results/ with models"),
        (["tiny", "--prompt", ""], "the prompt:1: the prompt of 'prompt' has no token"),
        (["tiny", "--prompt", "x = 1\\n" * 200], "the prompt: fills the model's 96 positions; give a shorter one"),
        (["tiny", "--prompt", "x", "--n", "0"], "--n: "),
    ],
)
def test_a_mistake_is_one_line(words, told, study):
    done = run("try", *words, cwd=study)
    assert done.returncode == 2 and done.stderr.startswith(f"error: {told}"), done.stderr
    assert done.stderr.count("\n") == 1
