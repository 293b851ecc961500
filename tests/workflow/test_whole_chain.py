"""The whole chain, from an empty folder to a report, on a study small enough to take seconds a step."""

import json
import os
import subprocess
import sys

import pandas as pd
import pytest
import yaml
from running import job_counts
from tiny_study import CELLS, TINY, jobs, kill_when, run
from walkthrough import blocks, entries

TRAINED = {"prepare_corpus", "tokenize_corpus", "teach", "cache_teacher", "distill"}


def test_everything_lands_where_the_contract_says(finished):
    results = finished / "results/tiny"
    for model in ["teacher", "best_distilled", "best_finetuned"]:
        assert (results / f"models/{model}/README.md").is_file(), model
    for model in ["teacher", "student", *CELLS]:
        assert (results / f"models/{model}/model.safetensors").is_file(), model
        scores = json.loads((results / f"scores/greetings/{model}.json").read_text())
        assert 0 <= scores["pass@1"] <= scores["pass@2"] <= 1
        rows = [json.loads(line) for line in (results / f"verdicts/greetings/{model}.jsonl").read_text().splitlines()]
        assert len(rows) == 4 and all(row.keys() >= {"task_id", "completion", "passed", "result"} for row in rows)
    for model in ["teacher", "student", *CELLS]:
        assert json.loads((results / f"language/{model}.json").read_text())["bits_per_byte"] > 0
    manifest = json.loads((results / "inputs/manifest.json").read_text())
    assert manifest


def test_training_learns_and_its_losses_are_comparable(finished):
    losses = {}
    for model in ["teacher", *CELLS]:
        evaluation = json.loads((finished / f"results/tiny/models/{model}/eval_results.json").read_text())
        losses[model] = evaluation["eval_loss"]
        assert evaluation["eval_loss"] == pytest.approx(evaluation["eval_loss_ce"])
    # A model that knows nothing pays log(400) = 6 nats a token.
    assert all(0 < loss < 5.5 for loss in losses.values()), losses
    chosen = json.loads((finished / "results/tiny/models/best_distilled/chosen.json").read_text())
    assert chosen["cell"] == min(CELLS[1:], key=losses.get)


def test_the_table_holds_every_model_and_measure(finished):
    table = pd.read_csv(finished / "results/tiny/report/scores.csv")
    assert set(table.model) >= {"teacher", "student", *CELLS}
    assert {"pass@1", "bits_per_byte"} <= set(table.measure)
    page = (finished / "results/tiny/report/index.html").read_text()
    looked_up = {}
    for name in ("phrase_table", "nearest_neighbour", "ngram"):
        scores = json.loads((finished / f"results/tiny/scores/greetings/{name}.json").read_text())
        looked_up[name] = scores["pass@1"]
        assert scores["n_problems"] == 2 and scores["protocol"]["samples"]["baseline"] == name
    assert f"nearest neighbour {looked_up['nearest_neighbour']:.3f} [" in page
    assert "greetings: no problem has a near copy in the training text." in page
    assert "http://" not in page.replace("http://www.w3.org", "") and 'src="http' not in page


def test_a_second_run_does_nothing_and_says_so(finished):
    done = run(finished, "--cores", 1)
    assert "Nothing to be done" in done.stdout + done.stderr


def test_a_touch_reruns_nothing(edited):
    for path in edited.glob("scripts/**/*.py"):
        path.touch()
    assert jobs(edited)[0] == {}


def test_an_edit_reruns_what_runs_it_and_nothing_else(edited):
    def edit(name):
        path = edited / name
        path.write_text(path.read_text() + "\nEDITED = True\n")

    edit("scripts/report.py")
    assert set(jobs(edited)[0]) == {"report", "all", "total"}
    for name in ("study/sections/training.py", "distill/objective.py"):  # a field of training, with its use
        edit(f"scripts/codestill/{name}")
        counts, text = jobs(edited)
        assert counts["distill"] == len(CELLS) and counts["teach"] == 1
        assert not {"download_model", "download_corpus", "prepare_corpus", "tokenize_corpus"} & set(counts), counts
        assert f"codestill/{name}" in text  # the reason names the file


def test_a_benchmark_s_reader_or_the_teacher_s_states_rerun_what_follows_them_with_every_reason_seen(edited):
    path = edited / "scripts/codestill/data/benchmarks.py"
    path.write_text(path.read_text() + "\nEDITED = True\n")
    counts = jobs(edited)[0]
    assert counts["download_benchmark"] == counts["prepare_corpus"] == 1 and counts["distill"] == len(CELLS)
    assert not {"download_model", "download_corpus"} & set(counts), counts
    path.write_text(path.read_text().replace("\nEDITED = True\n", ""))
    distillation = {**TINY.get("distillation", {}), "cache_dtype": "float32"}  # read by the states' job and by cells
    (edited / "tiny.yaml").write_text(yaml.safe_dump({**TINY, "distillation": distillation}))
    counts = jobs(edited)[0]
    assert counts["cache_teacher"] == 1 and counts["distill"] == len(CELLS) - 1 and "teach" not in counts


def test_an_edit_of_the_sampler_trains_anew_what_writes_text_of_its_own_and_no_other(edited):
    experiments = {**TINY["experiments"], "own": {"grid": {"on_policy": 0.5}}}
    config = {**TINY, "experiments": experiments, "selection": {"fresh_seeds": [7]}}
    (edited / "tiny.yaml").write_text(yaml.safe_dump(config))
    target = "results/tiny/models/best_distilled_seed-7/model.safetensors"
    run(edited, "--cores", 2, "--", target)
    path = edited / "scripts/codestill/sampling/continuous_batching.py"
    path.write_text(path.read_text() + "\nEDITED = True\n")
    counts = jobs(edited, "--", target)[0]
    assert (counts["distill"], counts["distill_later"]) == (1, 1) and "teach" not in counts, counts
    assert jobs(edited, "--allowed-rules", "distill_later", "--", target)[0]["distill_later"] == 1  # by itself


def test_another_corpus_or_length_reruns_what_follows_it_alone(edited):
    tokens = {**TINY["tokens"], "max_seq_length": 160}
    (edited / "tiny.yaml").write_text(yaml.safe_dump({**TINY, "tokens": tokens}))
    counts = jobs(edited)[0]
    assert counts["tokenize_corpus"] == 1 and counts["distill"] == len(CELLS)
    assert not {"prepare_corpus", "download_corpus", "download_benchmark"} & set(counts), counts
    sources = {**TINY["corpus"]["sources"], "more": TINY["corpus"]["sources"]["mine"]}
    (edited / "tiny.yaml").write_text(yaml.safe_dump({**TINY, "corpus": {**TINY["corpus"], "sources": sources}}))
    counts = jobs(edited)[0]
    assert counts["download_corpus"] == counts["prepare_corpus"] == counts["tokenize_corpus"] == 1
    assert counts["distill"] == len(CELLS) and "download_benchmark" not in counts


def test_an_edit_of_a_template_reruns_what_is_rendered_from_it(edited):
    path = edited / "scripts/codestill/report/templates/table.md.j2"
    path.write_text(path.read_text() + "\n")
    assert set(jobs(edited)[0]) == {"report", "model_card", "all", "total"}


def test_a_model_sampled_in_parts_by_jobs_that_were_killed_has_the_same_samples(edited):
    target = "results/tiny/samples/greetings/student.jsonl"
    whole = (edited / target).read_bytes()
    (edited / target).unlink()
    (edited / "tiny.yaml").write_text(
        yaml.safe_dump({**TINY, "generation": {**TINY["generation"], "samples_per_job": 1}})
    )
    assert jobs(edited, target)[0]["generate_part"] == 4
    kill_when(edited, "results/tiny/work/generate/greetings/student/*-of-4/greetings/lease.json", target)
    run(edited, "--cores", 2, "--nolock", "--rerun-incomplete", "--", target)
    assert (edited / target).read_bytes() == whole
    protocol = json.loads((edited / target.replace(".jsonl", ".protocol.json")).read_text())
    assert (protocol["shard"], protocol["samples"]) == ("1..4", 4)
    assert not list((edited / "results/tiny/work/generate/greetings/student").glob("*-of-4/*.jsonl"))


MACHINE = {
    "training": {**TINY["training"], "device": "cpu", "eval_batch_size": 3, "save_seconds": 5, "preflight": "warn"},
    "distillation": {**TINY.get("distillation", {}), "teacher_device": "cpu"},
    "generation": {**TINY["generation"], "memory": 1.5, "device": "cpu"},
    "grading": {**TINY.get("grading", {}), "workers": 1},
    "plan": {"gpus": 3},
}
SAME = {
    "machine settings": MACHINE,
    "keys and experiments in another order": dict(reversed(TINY.items()))
    | {"experiments": dict(reversed(TINY["experiments"].items()))},
    "a number spelt otherwise": {
        "training": {**TINY["training"], "learning_rate": str(TINY["training"]["learning_rate"])}
    },
    "a key of the user's own": {"x-notes": {"any": "thing"}},
}


@pytest.mark.parametrize("change", SAME)
def test_what_changes_no_result_reruns_nothing(edited, change):
    (edited / "tiny.yaml").write_text(yaml.safe_dump({**TINY, **SAME[change]}, sort_keys=False))
    assert jobs(edited)[0] == {}


def test_a_benchmark_that_comes_goes_or_is_renamed_trains_nothing(edited):
    (edited / "more.jsonl").write_text(blocks("json")[0].replace("greet/", "more/"))
    more = {"kind": "file", "path": "more.jsonl", "n": 1, "k": [1]}
    only = TINY["benchmarks"]["greetings"]
    for benchmarks in ({**TINY["benchmarks"], "more": more}, {"more": more}, {"renamed": only}):
        (edited / "tiny.yaml").write_text(yaml.safe_dump({**TINY, "benchmarks": benchmarks}))
        counts = jobs(edited)[0]
        assert counts["generate"] == counts["grade"] - counts["complete_without_model"] >= len(CELLS) + 2
        assert not TRAINED & set(counts), counts


def test_another_order_of_seeds_trains_new_cells_alone(edited):
    (edited / "tiny.yaml").write_text(yaml.safe_dump({**TINY, "seeds": [2, *TINY["seeds"]]}))
    counts = jobs(edited)[0]
    assert counts["distill"] == len(CELLS) and "teach" not in counts and "build_model" not in counts


def test_a_study_that_moved_reruns_nothing_from_inside_or_outside(edited, tmp_path):
    home = tmp_path / "an odd place's näme"
    edited.rename(home)
    assert jobs(home)[0] == {}
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--configfile", "tiny.yaml"]
    environment = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=True)
    assert job_counts(done.stdout) == {}, done.stdout


def test_a_new_cell_reruns_no_old_one(edited):
    config = {**TINY, "experiments": {**TINY["experiments"], "more": {"grid": {"temperature": 5}}}}
    (edited / "tiny.yaml").write_text(yaml.safe_dump(config))
    counts, _ = jobs(edited)
    assert counts["distill"] == 1
    assert "teach" not in counts


def test_an_objective_of_the_walk_through_is_an_axis_at_once(edited):
    path = edited / "scripts/codestill/distill/divergences.py"
    path.write_text(path.read_text() + "\n\n" + blocks("python")[0])
    (edited / "tiny.yaml").write_text(yaml.safe_dump({**TINY, "experiments": entries()["experiments"]}))
    cell = "T-1.0_alpha-0.5_objective-total_variation_seed-1"
    run(edited, "--cores", 2, "--", f"results/tiny/models/{cell}/eval_results.json")
    log = json.loads((edited / f"results/tiny/models/{cell}/trainer_state.json").read_text())["log_history"]
    assert any(row.get("loss_kl", 0) > 0 for row in log)


def test_the_walk_through_s_benchmark_and_corpus_are_the_tiny_study_s():
    assert entries()["benchmarks"] == TINY["benchmarks"]
    assert entries()["corpus"] == TINY["corpus"]
