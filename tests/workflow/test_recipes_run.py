"""Recipes from an empty folder to the report: killed in the middle and run again, with the text of a run of one go."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from running import ROOT, job_counts, snakemake
from tiny_study import functions, kill_when, workflow_copy
from walkthrough import blocks

from codestill.data.tokens import load_tokens
from codestill.kit.files import read_json, read_jsonl

CONFIG = Path(__file__).with_name("recipes.yaml")
RECIPES = ("teacher", "verified", "unverified")


def own(rows):
    """Problems of the corpus' own functions, with tests that models of this size may pass: a list must come out."""
    for number, row in enumerate(rows):
        head, body = row["body"].split('"""\n', 1)
        test = "def check(candidate):\n    assert isinstance(candidate([1, 2]), list)\n"
        about = {"prompt": f'{head}"""\n', "entry_point": f"scale_{number}", "canonical_solution": body, "test": test}
        yield {"task_id": f"own/{number}", **about}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A study that was killed while the teacher wrote, and then ran to its end."""
    folder = workflow_copy(tmp_path_factory.mktemp("recipes"))
    rows = list(functions(120))
    (folder / "functions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in own(rows[:40])))
    (folder / "greetings.jsonl").write_text(blocks("json")[0])
    (folder / "tiny.yaml").write_text(CONFIG.read_text())
    kill_when(
        folder, "results/tiny/work/generate/own/teacher/**/samples.jsonl", "results/tiny/samples/own/teacher.jsonl"
    )
    run(folder, "--cores", 2, "--nolock")
    return folder


def run(folder, *arguments):
    return snakemake(folder, "--configfile", folder / "tiny.yaml", *arguments, snakefile=folder / "Snakefile")


def records(folder, recipe):
    return list(read_jsonl(folder / f"results/tiny/recipes/{recipe}/teacher/text.jsonl"))


def test_a_second_run_does_nothing(home):
    done = run(home, "--cores", 1)
    assert "Nothing to be done" in done.stdout + done.stderr


def test_the_control_has_as_many_rows_as_what_passed_and_all_is_told(home):
    accounts = {recipe: read_json(home / f"results/tiny/recipes/{recipe}/teacher/text.json") for recipe in RECIPES}
    verified, control = records(home, "verified"), records(home, "unverified")
    assert 0 < len(verified) == len(control) == accounts["verified"]["kept"] < accounts["verified"]["completions"] == 80
    said = (home / "results/tiny/report/table.md").read_text()
    assert f"of which {accounts['verified']['passed']} passed their tests" in said
    files = read_json(home / "results/tiny/report/passport.json")["files"]
    for recipe, one in accounts.items():
        assert one["completions"] == one["kept"] + sum(one["dropped"].values())
        assert f"recipes/{recipe}/teacher/text.jsonl" in files
        assert f"recipes/{recipe}/teacher/tokens/data-00000-of-00001.arrow" in files


def test_what_is_verified_passes_when_it_is_graded_again(home, tmp_path):
    samples = tmp_path / "again.jsonl"
    with open(samples, "w") as handle:
        for row in records(home, "verified"):
            number = int(row["task_id"].partition("/")[2])
            prompt = next(one["prompt"] for one in read_jsonl(home / "own.jsonl") if one["task_id"] == f"own/{number}")
            written = row["code"].removeprefix(prompt.rstrip("\n"))
            assert written != row["code"]
            handle.write(json.dumps({"task_id": row["task_id"], "completion": written}) + "\n")
    command = [sys.executable, ROOT / "scripts/grade.py", "--benchmark", home / "own.jsonl", "--samples", samples]
    subprocess.run([*map(str, command), "--k", "1"], check=True, capture_output=True)
    again = list(read_jsonl(tmp_path / "again.verdicts.jsonl"))
    assert len(again) == len(records(home, "verified")) and all(row["passed"] for row in again)


def test_a_text_s_tokens_are_all_targets_but_the_first_as_the_corpus_are(home):
    corpus, text = (
        load_tokens(home / f"results/tiny/{name}") for name in ("tokens/train", "recipes/teacher/teacher/tokens")
    )
    for tokens in (corpus, text):
        for row in tokens:
            silent = [label == -100 for label in row["labels"]]
            assert silent == [place == 0 for place in row["position_ids"]]
    account = read_json(home / "results/tiny/recipes/teacher/teacher/tokens.json")["splits"]["tokens"]
    assert account["end_tokens"] == account["functions"] - account["truncated"] == len(records(home, "teacher"))


def test_each_cell_learns_its_text_and_reads_the_states_of_it(home):
    for recipe in RECIPES:
        cell = f"T-2.0_alpha-0.5_recipe-{recipe}_seed-1"
        found = read_json(home / f"results/tiny/models/{cell}/provenance.json")
        assert (found["cell"]["recipe"], found["cell"]["teacher"]) == (recipe, "teacher")
        assert found["teacher"]["pass"] == "cache"
        stored = read_json(home / f"results/tiny/teacher_states/{recipe}/teacher/manifest.json")
        rows = len(load_tokens(home / f"results/tiny/recipes/{recipe}/teacher/tokens"))
        assert f'"rows": {rows}' in json.dumps(stored)
    alone = read_json(home / "results/tiny/models/alpha-1.0_recipe-verified_seed-1/provenance.json")["cell"]
    assert (alone["recipe"], alone["teacher"], alone["temperature"]) == ("verified", "teacher", None)


def test_what_was_killed_while_it_was_written_is_what_one_go_writes(home, tmp_path):
    before = {recipe: records(home, recipe) for recipe in RECIPES}
    whole = shutil.copytree(home, tmp_path / "whole", symlinks=True)
    for path in ("samples/own", "samples/corpus_prompts", "verdicts/own", "recipes"):
        shutil.rmtree(whole / "results/tiny" / path)
    made = [f"results/tiny/recipes/{recipe}/teacher/text.jsonl" for recipe in RECIPES]
    run(whole, "--cores", 2, "--nolock", "--", *made)
    assert {recipe: records(whole, recipe) for recipe in RECIPES} == before


def test_another_seed_of_the_draws_trains_the_written_texts_alone(home):
    changed = yaml.safe_load(CONFIG.read_text())
    changed["recipes"]["seed"] = 1
    (home / "other.yaml").write_text(yaml.safe_dump(changed))
    done = snakemake(home, "--configfile", home / "other.yaml", "--dry-run", snakefile=home / "Snakefile")
    counts = job_counts(done.stdout)
    assert counts["distill"] == 4 and counts["write_text"] == counts["tokenize_text"] == counts["cache_teacher"] == 3
    assert not {"tokenize_corpus", "teach", "download_benchmark"} & set(counts)
