"""`make clean`: what it frees, what it says, and that a finished study reruns nothing for it."""

import re
import subprocess
import sys

import pytest
import yaml
from running import ROOT
from tiny_study import CELLS, TINY, jobs

from codestill.kit import attempts


def clean(folder, *flags):
    command = [sys.executable, ROOT / "scripts/clean.py", "--results", "results/tiny", *flags]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def files_of(folder):
    """{path: bytes} of a study's results."""
    home = folder / "results/tiny"
    return {path.relative_to(home).as_posix(): path.stat().st_size for path in home.rglob("*") if path.is_file()}


def told(done):
    """(MiB freed in all, {path: MiB}) as it was printed."""
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stdout + done.stderr
    *lines, last = [line.split(maxsplit=1)[1].strip() for line in done.stdout.splitlines()]
    parts = {line.split("  ")[1].strip(): float(line.split(" MiB")[0].replace(",", "")) for line in lines}
    return float(last.split(" MiB")[0].replace(",", "")), parts


def test_it_frees_what_can_be_made_again_says_how_much_and_reruns_nothing(edited):
    work = edited / "results/tiny/work"
    (work / "distill/half").mkdir(parents=True)
    (work / "distill/half/checkpoint").write_bytes(b"x" * 3 * 2**20)
    (edited / "results/tiny/models/.writing-abc").mkdir()
    (edited / "results/tiny/models/.writing-abc/model.safetensors").write_bytes(b"x" * 2**20)
    (edited / "results/tiny/samples/greetings/.student.jsonl.1.part").write_bytes(b"x" * 2**19)
    before = files_of(edited)
    would, parts = told(clean(edited, "--dry_run"))
    assert files_of(edited) == before
    assert {"work/distill", "models/.writing-abc", "samples/greetings/.student.jsonl.1.part"} <= set(parts)
    total, _ = told(clean(edited))
    after = files_of(edited)
    freed = sum(before.values()) - sum(after.values())
    assert would == total == pytest.approx(freed / 2**20, abs=0.06) and total >= 4.5
    gone = set(before) - set(after)
    assert all(re.match(r"work/(?!plan/)|.*/\.writing-|.*\.part$", name) for name in gone)
    assert (work / "plan").is_dir() and after == {name: size for name, size in before.items() if name not in gone}
    assert jobs(edited)[0] == {}
    assert told(clean(edited))[0] == 0


def test_with_the_states_too_nothing_reruns_and_a_cell_that_is_added_trains_the_taught_ones_anew(edited):
    kept = set(files_of(edited))
    assert any(name.startswith("teacher_states/") for name in kept)
    told(clean(edited, "--states"))
    assert not (edited / "results/tiny/teacher_states").exists()
    assert jobs(edited)[0] == {}
    more = {**TINY["experiments"], "more": {"grid": {"temperature": 5}}}
    (edited / "tiny.yaml").write_text(yaml.safe_dump({**TINY, "experiments": more}))
    counts = jobs(edited)[0]
    assert counts["cache_teacher"] == 1 and counts["distill"] == len(CELLS[1:]) + 1 and "teach" not in counts


def test_it_refuses_while_a_job_is_at_work_and_where_no_study_is_meant(edited, monkeypatch):
    monkeypatch.chdir(edited)
    monkeypatch.setenv(attempts.VARIABLE, "results/tiny/work/attempts/now")
    monkeypatch.setattr(sys, "argv", ["scripts/distill.py", "--output_dir", "results/tiny/models/some"])
    attempt = attempts.Attempt()  # this process is at work
    monkeypatch.delenv(attempts.VARIABLE)
    before = files_of(edited)
    done = clean(edited)
    assert done.returncode == 2 and " is at work on " in done.stderr and done.stderr.count("\n") == 1
    assert files_of(edited) == before
    attempt.end()
    told(clean(edited))
    wrong = subprocess.run(
        [sys.executable, ROOT / "scripts/clean.py", "--results", "."], cwd=edited, capture_output=True, text=True
    )
    assert wrong.returncode == 2 and "give a study's folder, results/STUDY" in wrong.stderr
