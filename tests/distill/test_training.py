"""Whole trainings: outputs, equality of ways to run one cell, interruption at any point."""

import itertools
import json
import os
import re
import resource
import shutil
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from trainings import STEPS, alike, distill, flags, killed_and_resumed, together, weights

import children
from codestill.distill.checkpoints import prune
from codestill.kit.files import read_json
from codestill.study.layout import MODEL_FILES, TRAINED_FILES


@pytest.fixture(scope="module")
def cell(home):
    return distill(home, home / "cell")


def test_the_log_tells_step_losses_rate_and_time_left(cell):
    told = r"step 30 of 30: loss [\d.]+, CE [\d.]+, T\^2 KL [\d.]+, validation CE [\d.]+.*; [\d,]+ tokens/s, 0 s left"
    assert re.search(told, Path(f"{cell}.log").read_text())


def test_every_output_is_there_and_nothing_else(cell):
    assert sorted(path.name for path in cell.iterdir()) == sorted([*MODEL_FILES, *TRAINED_FILES])
    assert [path.name for path in Path(f"{cell}.work").iterdir()] == ["tensorboard"]
    from transformers import AutoModelForCausalLM, AutoTokenizer

    config = AutoModelForCausalLM.from_pretrained(cell).config
    assert config.n_embd == 16 and config.use_cache  # a student that forgot its cache would write slowly
    assert AutoTokenizer.from_pretrained(cell).eos_token == "<end>"


def test_results_are_comparable_figures(cell):
    results, history = read_json(cell / "eval_results.json"), read_json(cell / "trainer_state.json")["log_history"]
    assert results["eval_loss"] == results["eval_loss_ce"] < 4.4
    evaluations = [row for row in history if "eval_loss" in row]
    assert [row["step"] for row in evaluations] == [10, 20, 30]
    assert results["eval_loss"] == min(row["eval_loss"] for row in evaluations)
    training = [row for row in history if "loss" in row]
    assert len(training) == STEPS and all(
        row["loss_total"] == pytest.approx(0.5 * row["loss_ce"] + 0.5 * row["loss_kl"], rel=1e-4) for row in training
    )
    assert training[-1]["loss_kl"] < training[0]["loss_kl"] / 2
    axes = read_json(cell / "provenance.json")["cell"]
    assert (axes["alpha"], axes["temperature"], axes["seed"], axes["beta"]) == (0.5, 2.0, 42, None)


def test_the_evaluation_is_the_mean_over_all_targets(home, cell):
    """Against an evaluation row by row with the model's own loss in one piece, without packing."""
    from datasets import load_from_disk
    from transformers import AutoModelForCausalLM

    model, teacher = (AutoModelForCausalLM.from_pretrained(path).eval() for path in (cell, home / "teacher"))
    ce = kl = count = 0.0
    for row in load_from_disk(str(home / "tokens/validation")):
        starts = [i for i, position in enumerate(row["position_ids"]) if position == 0] + [len(row["input_ids"])]
        for start, stop in itertools.pairwise(starts):
            ids = torch.tensor(row["input_ids"][start:stop])
            with torch.no_grad():
                q, p = (one(ids[None]).logits[0, :-1].double().log_softmax(-1) for one in (model, teacher))
            ce -= q.gather(-1, ids[1:, None]).sum().item()
            kl += (p.exp() * (p - q)).sum().item()
            count += len(ids) - 1
    results = read_json(cell / "eval_results.json")
    assert results["targets"] == count
    assert results["eval_loss"] == pytest.approx(ce / count, rel=1e-5)
    assert results["eval_loss_kl"] == pytest.approx(kl / count, rel=1e-4)


def test_same_seed_same_weights_other_seed_others(home, cell):
    assert weights(distill(home, home / "again")) == weights(cell)
    assert weights(distill(home, home / "other", seed=43)) != weights(cell)


def test_alpha_one_needs_no_teacher_and_ignores_temperature(home):
    one = distill(home, home / "plain", alpha=1, teacher_model_path=None)
    other = distill(home, home / "plain_T", alpha=1, temperature=7.0)
    assert weights(one) == weights(other)
    results = read_json(one / "eval_results.json")
    assert results["eval_loss_kl"] is None and results["eval_loss_total"] == results["eval_loss"]
    assert read_json(other / "provenance.json")["cell"]["temperature"] is None


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_random_points_the_weights_are_bit_identical(home, cell, tmp_path, seed):
    killed_and_resumed(flags(home, tmp_path / "cell", save_steps=3), tmp_path / "cell", seed)
    assert weights(tmp_path / "cell") == weights(cell)
    found, expected = (read_json(folder / "eval_results.json") for folder in (tmp_path / "cell", cell))
    assert found == expected


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
def test_a_signal_makes_a_checkpoint_and_the_next_run_goes_on(home, cell, tmp_path, name):
    command = flags(home, tmp_path / "cell", save_steps=4)
    process = children.start("distill", command, tmp_path / "log")
    while not (tmp_path / "cell.work" / "checkpoint-4").is_dir():
        assert process.exitcode is None, (tmp_path / "log").read_text()
        process.join(0.01)
    os.kill(process.pid, getattr(signal, name))
    process.join()
    text = (tmp_path / "log").read_text()
    assert process.exitcode == 75 and f"{name}: stopped after step" in text, text
    assert not (tmp_path / "cell").exists()
    assert children.run("distill", command, tmp_path / "log") == 0
    assert "resuming from" in (tmp_path / "log").read_text()
    assert weights(tmp_path / "cell") == weights(cell)
    assert read_json(tmp_path / "cell/train_results.json")["attempts"] == 2


def interrupted(home, tmp_path, **changes):
    """A cell stopped after a few checkpoints; returns its command and its work folder."""
    command, work = flags(home, tmp_path / "cell", save_steps=2, **changes), tmp_path / "cell.work"
    process = children.start("distill", command, tmp_path / "log")
    while len(list(work.glob("checkpoint-*/checkpoint.json"))) < 2:
        assert process.exitcode is None, (tmp_path / "log").read_text()
        process.join(0.01)
    os.kill(process.pid, signal.SIGTERM)
    process.join()
    assert process.exitcode == 75
    return command, work


def newest(work):
    return max(work.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))


@pytest.mark.parametrize("damage", ["truncated", "altered", "missing"])
def test_a_damaged_checkpoint_is_said_and_the_one_before_used(home, cell, tmp_path, damage):
    command, work = interrupted(home, tmp_path)
    victim = newest(work) / "optimizer.pt"
    if damage == "missing":
        victim.unlink()
    else:
        data = bytearray(victim.read_bytes())
        data[len(data) // 2] ^= 1
        victim.write_bytes(data if damage == "altered" else data[:-100])
    assert children.run("distill", command, tmp_path / "log") == 0
    text = (tmp_path / "log").read_text()
    assert f"{victim.parent} is not intact (optimizer.pt" in text and "resuming from" in text
    assert weights(tmp_path / "cell") == weights(cell)


def test_old_checkpoints_go_only_when_a_new_one_is_whole(tmp_path):
    for step in (2, 10, 12, 14):
        (tmp_path / f"checkpoint-{step}").mkdir()
    prune(tmp_path, best=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-12", "checkpoint-14", "checkpoint-2"]


def test_killed_before_a_checkpoint_is_sealed_the_one_before_is_there(home, cell, tmp_path):
    """The best checkpoint is step 10's; the kill falls into the sealing of step 15's, when 12's must not be gone."""
    command = flags(home, tmp_path / "cell", save_steps=3)
    deadly = {"DIE_AT": str(tmp_path / "cell.work/checkpoint-15")}
    assert children.run("distill", command, tmp_path / "log", deadly) == -signal.SIGKILL
    assert children.run("distill", command, tmp_path / "log") == 0
    text = (tmp_path / "log").read_text()
    assert "checkpoint-15 is not intact (it was not finished)" in text and "checkpoint-12\n" in text
    assert weights(tmp_path / "cell") == weights(cell)


@pytest.mark.parametrize("bytes_of_a_file", [8_000, 40_000])
def test_want_of_room_is_one_line_and_the_checkpoint_before_is_used(home, cell, tmp_path, bytes_of_a_file):
    """A limit of file size fails in safetensors or in torch, as a full disk does."""
    command = flags(home, tmp_path / "cell", save_steps=4)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_of_a_file, hard))
    try:
        process = children.start("distill", command, tmp_path / "log")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    process.join()
    text = (tmp_path / "log").read_text()
    assert process.exitcode == 2 and "error: " in text.splitlines()[-1], text
    assert "could not be written (" in text and "Traceback" not in text
    assert children.run("distill", command, tmp_path / "log") == 0
    assert weights(tmp_path / "cell") == weights(cell)


def test_checkpoints_of_other_settings_are_not_resumed(home, cell, tmp_path):
    _, _ = interrupted(home, tmp_path, learning_rate=0.02)
    assert children.run("distill", flags(home, tmp_path / "cell"), tmp_path / "log") == 0
    assert "checkpoints of another run (learning_rate differs) are removed" in (tmp_path / "log").read_text()
    assert weights(tmp_path / "cell") == weights(cell)


def test_how_a_step_is_split_into_passes_changes_no_loss(home):
    whole = distill(home, home / "whole", train_batch_size=12, gradient_accumulation_steps=1, dropout=0.0)
    alike(distill(home, home / "split", train_batch_size=4, gradient_accumulation_steps=3, dropout=0.0), whole)


def test_two_processes_train_the_same_cell(home, tmp_path):
    # 19 batches, the last of 3 rows: one process has nothing left to do in the last step of an epoch.
    uneven = {"dropout": 0.0, "max_train_samples": 111, "teacher_pass": "cache"}
    one = distill(home, home / "one", **uneven)
    together(flags(home, tmp_path / "two", **uneven), tmp_path)
    alike(tmp_path / "two", one, tolerance=1e-5)
    assert read_json(tmp_path / "two/provenance.json")["facts"]["processes"] == 2


def stored(home, folder, *more):
    """The teacher's states as scripts/cache_teacher.py stores them."""
    command = ["--teacher_model_path", home / "teacher", "--train_data", home / "tokens/train", "--threads", 1]
    command += ["--output_dir", folder, *more]
    assert children.run("cache_teacher", command, Path(f"{folder}.log")) == 0, Path(f"{folder}.log").read_text()
    return folder


def test_stored_states_train_the_same_whoever_stored_them_and_nearly_as_the_teacher_run(home, cell, tmp_path):
    states = stored(home, tmp_path / "states")
    read = distill(home, tmp_path / "read", teacher_pass=None, teacher_cache=states)
    own = distill(home, tmp_path / "own", teacher_pass="cache")
    assert weights(read) == weights(own)
    alike(read, cell)
    assert read_json(read / "provenance.json")["teacher"]["pass"] == "cache"
    assert read_json(cell / "provenance.json")["teacher"]["pass"] == "online"
    assert [path.name for path in Path(f"{own}.work").iterdir()] == ["tensorboard"]
    fewer = distill(home, tmp_path / "fewer", teacher_pass=None, teacher_cache=states, max_train_samples=50)
    assert weights(fewer) == weights(distill(home, tmp_path / "alone", teacher_pass="cache", max_train_samples=50))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"teacher_pass": "cache", "cache_dtype": "float32"}, "states in float16, where float32 is asked for"),
        ({"teacher_pass": "cache", "teacher_model_path": "raw_teacher"}, "the states of another teacher"),
        ({"teacher_pass": "online"}, "--teacher_pass online: runs the teacher"),
    ],
)
def test_states_that_do_not_fit_a_training_are_refused_in_one_line(home, tmp_path, changes, said):
    states = stored(home, tmp_path / "states", "--max_train_samples", 50)
    if "teacher_model_path" in changes:
        changes = changes | {"teacher_model_path": home / changes["teacher_model_path"]}
    distill(home, tmp_path / "cell", expect=2, teacher_cache=states, max_train_samples=50, **changes)
    assert said in (tmp_path / "cell.log").read_text().splitlines()[-1]


def test_zero_epochs_leave_the_model_as_it_is(home):
    folder = home / "untouched"
    command = ["--model_path", home / "student", "--train_data", home / "tokens/train", "--threads", 1]
    command += ["--output_dir", folder, "--num_train_epochs", 0]
    assert children.run("teach", command, home / "log") == 0, (home / "log").read_text()
    assert weights(folder) == weights(home / "student")
    assert read_json(folder / "eval_results.json")["eval_loss"] > 4
    assert all((folder / name).is_file() for name in (*MODEL_FILES, *TRAINED_FILES))


def test_new_weights_by_seed(home):
    one = distill(home, home / "random1", student_init="random", num_train_epochs=1, alpha=1)
    two = distill(home, home / "random2", student_init="random", num_train_epochs=1, alpha=1)
    assert weights(one) == weights(two)


def test_bfloat16_trains(home, cell):
    half = read_json(distill(home, home / "half", precision="bf16") / "eval_results.json")
    assert half["eval_loss"] == pytest.approx(read_json(cell / "eval_results.json")["eval_loss"], rel=0.02)


@pytest.mark.parametrize("objective", ["reverse_kl", "jsd"])
def test_other_divergences_train(home, objective):
    folder = distill(home, home / objective, objective=objective, alpha=0.0)
    history = [row["loss_kl"] for row in read_json(folder / "trainer_state.json")["log_history"] if "loss_kl" in row]
    assert history[-1] < history[0] / 2
    assert read_json(folder / "provenance.json")["cell"]["objective"] == objective


def test_curves_go_to_tensorboard(cell):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(Path(f"{cell}.work") / "tensorboard"))
    events.Reload()
    assert {"train/loss_ce", "train/loss_kl", "train/loss_total", "eval/loss"} <= set(events.Tags()["scalars"])


def test_an_infinite_learning_rate_is_stopped_and_placed(home, tmp_path):
    distill(home, tmp_path / "cell", expect=2, learning_rate=1e30)
    text = (tmp_path / "cell.log").read_text()
    assert "error: training stopped at step" in text and "lower --learning_rate" in text
    assert not (tmp_path / "cell").exists()


def test_choose_takes_the_lowest_mean_over_seeds(home, cell, tmp_path):
    cells = []
    for name, alpha, seed, loss in [("a1", 0.1, 1, 2.0), ("a2", 0.1, 2, 2.2), ("b1", 0.2, 2, 1.9), ("b0", 0.2, 1, 2.4)]:
        folder = tmp_path / name
        folder.mkdir()
        for file in MODEL_FILES:
            shutil.copy(cell / file, folder)
        weights = load_file(cell / "model.safetensors")
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt", "name": name})
        (folder / "eval_results.json").write_text(json.dumps({"eval_loss": loss}))
        (folder / "provenance.json").write_text(json.dumps({"cell": {"alpha": alpha, "seed": seed}}))
        cells.append(folder)
    by_loss = ["--by", "eval_loss", "--output", tmp_path / "best", "--cells"]
    assert children.run("choose", [*by_loss, *cells], tmp_path / "log") == 0
    chosen = read_json(tmp_path / "best/chosen.json")
    assert chosen["cell"] == "a1" and [one["eval_loss"] for one in chosen["candidates"]] == [2.1, 2.15]
    best, source = tmp_path / "best/model.safetensors", tmp_path / "a1/model.safetensors"
    assert best.read_bytes() == source.read_bytes()
    assert not os.path.samefile(best, source)  # or a touch of the one makes everything of the other look stale
    assert children.run("choose", [*by_loss, home / "teacher"], tmp_path / "log") == 2
    # Another measure chooses otherwise; of equal ones, the lower loss.
    for name, exact in (("a1", 0.1), ("a2", 0.3), ("b1", 0.5), ("b0", 0.3)):
        (tmp_path / f"{name}.json").write_text(json.dumps({"bodies_exact": exact, "pass@1": 0.25}))
    measures = ["--measures", *sorted(tmp_path.glob("[ab]?.json"))]
    for by, wanted in (("bodies_exact", "b0"), ("pass@1", "a1")):
        flags = ["--by", by, "--on", "made", "--output", tmp_path / by, "--cells", *cells, *measures]
        assert children.run("choose", flags, tmp_path / "log") == 0
        chosen = read_json(tmp_path / by / "chosen.json")
        assert (chosen["cell"], chosen["by"], chosen["on"]) == (wanted, by, "made")
