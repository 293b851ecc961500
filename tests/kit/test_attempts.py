"""What a run remembers of hopeless attempts, and that nothing else is remembered."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from codestill.kit import attempts
from codestill.kit.program import UserError, run

SCRIPTS = Path(__file__).parents[2] / "scripts"
PROGRAM = """
import sys
sys.path.insert(0, {scripts!r})
from codestill.kit.program import UserError, run

def main():
    print("computing", flush=True)
    {body}

run(main)
"""


@pytest.fixture
def memory(tmp_path, monkeypatch):
    folder = tmp_path / "attempts"
    monkeypatch.setenv(attempts.VARIABLE, str(folder))
    return folder


def attempt(tmp_path, body, *arguments):
    """Run a program whose main ends with `body`; (exit code, output)."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(scripts=str(SCRIPTS), body=body))
    done = subprocess.run([sys.executable, str(program), *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise UserError('corpus.jsonl: no such file')", "error: corpus.jsonl: no such file"),
        ("raise UserError('the loss is nan', 'training diverged')", "error: the loss is nan"),
        ("sys.exit(2)", "error: flags that the program does not take"),
        ("{}['missing']", "KeyError: 'missing'"),
    ],
)
def test_the_second_attempt_at_the_hopeless_computes_nothing_and_says_why(tmp_path, memory, body, reason):
    code, first = attempt(tmp_path, body)
    assert code != 0 and "computing" in first
    code, second = attempt(tmp_path, body)
    assert code == 2 and "computing" not in second
    assert reason in second and "not tried again" in second


@pytest.mark.parametrize(
    "body",
    [
        "raise MemoryError",
        "raise RuntimeError('CUDA error')",
        "raise OSError(5, 'Input/output error')",
        "return 75",
        "return",
    ],
)
def test_what_may_succeed_is_tried_again(tmp_path, memory, body):
    for _ in range(2):
        assert "computing" in attempt(tmp_path, body)[1]


def test_a_killed_attempt_is_tried_again(tmp_path, memory):
    body = "__import__('os').kill(__import__('os').getpid(), 9)"
    for _ in range(2):
        assert "computing" in attempt(tmp_path, body)[1]


def test_another_command_another_run_and_no_run_at_all_are_free(tmp_path, memory, monkeypatch):
    body = "raise UserError('no')"
    attempt(tmp_path, body)
    assert "computing" in attempt(tmp_path, body, "--other")[1]
    monkeypatch.setenv(attempts.VARIABLE, str(tmp_path / "next run"))
    assert "computing" in attempt(tmp_path, body)[1]
    monkeypatch.delenv(attempts.VARIABLE)
    for _ in range(2):
        assert "computing" in attempt(tmp_path, body)[1]


def test_only_the_first_of_several_processes_speaks(tmp_path, memory, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    attempt(tmp_path, "raise UserError('no')")
    assert not memory.exists()


def test_classes_of_causes():
    class OutOfMemoryError(RuntimeError):
        """As torch.cuda names it."""

    assert attempts.cause_of(OutOfMemoryError()) == attempts.MEMORY
    assert attempts.cause_of(RuntimeError("DefaultCPUAllocator: can't allocate memory")) == attempts.MEMORY
    assert attempts.cause_of(RuntimeError("NCCL")) == attempts.MACHINE
    assert attempts.cause_of(TypeError()) == attempts.FAULT


def test_a_folder_that_cannot_be_written_hides_nothing(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(attempts.VARIABLE, str(tmp_path / "file/attempts"))

    def main():
        raise UserError("the reason")

    with pytest.raises(SystemExit) as end:
        run(main)
    assert end.value.code == 2 and "error: the reason" in capsys.readouterr().err


def test_a_record_that_was_cut_off_is_passed_over(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"event": "start"}) + '\n{"event": "e')
    assert attempts.read(path) == [{"event": "start"}]
