"""Configs that are no config: one line with file, line and remedy, by plan, doctor and `codestill run` alike."""

import subprocess
import sys

import pytest
from running import CONFIG, ROOT, snakemake
from tiny_study import workflow_copy

CASES = {
    "empty.yaml": (b"", "empty.yaml: a config is a mapping of fields"),
    "list.yaml": (b"- a\n", "list.yaml: a config is a mapping of fields"),
    "tab.yaml": (b"study: a\n\tteacher: b\n", "tab.yaml:2: not YAML"),
    "latin.yaml": (b"study: caf\xe9\n", "latin.yaml: cannot be read"),
    "folder.yaml": (None, "folder.yaml: cannot be read"),
    "missing.yaml": (..., "missing.yaml: no such file"),
}


@pytest.mark.parametrize("program", ["plan", "doctor", "run"])
@pytest.mark.parametrize("name", CASES)
def test_what_is_no_config_is_one_line(tmp_path, name, program):
    content, line = CASES[name]
    if content is None:
        (tmp_path / name).mkdir()
    elif content is not ...:
        (tmp_path / name).write_bytes(content)
    command = [sys.executable, ROOT / f"scripts/{program}.py", "--configfile", name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2 and done.stdout == "", done.stdout + done.stderr
    assert done.stderr.startswith(f"error: {line}") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", CASES)
def test_a_broken_home_study_is_one_line_by_snakemake_itself(tmp_path, name):
    content, line = CASES[name]
    home = workflow_copy(tmp_path) / "config/config.yaml"
    home.unlink()
    if content is None:
        home.mkdir()
    elif content is not ...:
        home.write_bytes(content)
    done = snakemake(tmp_path, "--dry-run", snakefile=tmp_path / "Snakefile", check=False)
    assert done.returncode == 2 and done.stdout == "", done.stdout + done.stderr
    line = line.replace(name, "config/config.yaml")
    assert done.stderr.startswith(f"error: {line}") and done.stderr.count("\n") == 1


def test_braces_in_a_text_of_the_config_are_text(tmp_path):
    text = (CONFIG / "demo.yaml").read_text() + '\nx-own: "{word}"\n'
    text = text.replace("generation:\n", 'generation:\n  stop: ["{word}", "{0}"]\n', 1)
    assert "{0}" in text
    (tmp_path / "braces.yaml").write_text(text)
    snakemake(tmp_path, "--cores", 1, "--configfile", tmp_path / "braces.yaml", "--", "results/demo/study.json")
    assert "{word}" in (tmp_path / "results/demo/study.json").read_text()


def test_the_plain_word_on_chooses_in_a_plan_and_in_a_run(tmp_path):
    text = (CONFIG / "demo.yaml").read_text() + "\nselection: {by: pass@1, on: pocket_validation}\n"
    (tmp_path / "plain.yaml").write_text(text)
    command = [sys.executable, ROOT / "scripts/plan.py", "--configfile", "plain.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0 and "choose" in done.stdout, done.stdout + done.stderr
    given = ["--dry-run", "--printshellcmds", "--configfile", tmp_path / "plain.yaml"]
    for more in ([], ["--config", "selection={on: pocket_validation}"]):
        done = snakemake(tmp_path, *given, *more)
        assert "--by pass@1 --on pocket_validation" in done.stdout
