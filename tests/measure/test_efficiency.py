"""Efficiency: counts are exact, timings are consistent, models are timed in turns, figures end in finite time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from codestill.kit.program import UserError
from codestill.measure import efficiency
from small_models import KINDS, make_folder

MEASURE = Path(__file__).parents[2] / "scripts" / "measure.py"


def measured(*folders, **more):
    return efficiency.measure_folders([str(one) for one in folders], **{"seconds": 0.0, "device": "cpu"} | more)


@pytest.mark.parametrize("kind", KINDS)
def test_counts_and_timings(kind, tmp_path):
    folder = make_folder(tmp_path / kind, kind)
    (found,) = measured(folder, batch_sizes=(1, 4))
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert found["parameters"] == sum(weight.numel() for weight in model.parameters())
    assert found["bytes_on_disk"] == (folder / "model.safetensors").stat().st_size
    assert found["tokens_per_second_1"] == pytest.approx(1e3 / found["latency_ms_per_token"])
    for batch in (1, 4):
        low, high = found["intervals"][f"tokens_per_second_{batch}"]
        assert 0 < low <= found[f"tokens_per_second_{batch}"] <= high
    assert found["intervals"]["latency_ms"][0] <= found["latency_ms"] <= found["intervals"]["latency_ms"][1]
    assert found["device"] == "cpu" and found["threads"] >= 1 and found["repeats"] == {"1": 6, "4": 6}
    assert found["prompt_tokens"] + found["new_tokens"] <= 96


def test_memory_is_weights_and_cache(tmp_path):
    (found,) = measured(make_folder(tmp_path / "one"), batch_sizes=(1, 4))
    # Keys and values of 2 layers, 32 wide, float32, for each token of the prompt and behind it.
    cache = 2 * 2 * 32 * 4 * (found["prompt_tokens"] + found["new_tokens"])
    assert found["memory_bytes_4"] - found["memory_bytes"] == 3 * cache
    weights = found["memory_bytes"] - cache
    assert 4 * found["parameters"] <= weights <= 4 * found["parameters"] * 1.2 + 50_000


def test_models_take_turns_and_one_architecture_is_timed_once(tmp_path, monkeypatch):
    turns, plain = [], efficiency._run

    def noted(lanes, batch, *more):
        turns.append(id(lanes))
        return plain(lanes, batch, *more)

    monkeypatch.setattr(efficiency, "_run", noted)
    folders = [make_folder(tmp_path / "a", "gpt2", seed=1), make_folder(tmp_path / "b", "llama")]
    folders.append(make_folder(tmp_path / "c", "gpt2", seed=2))
    found = measured(*folders, batch_sizes=(1,))
    assert found[0] == found[2] != found[1]
    first, second = dict.fromkeys(turns)
    assert turns == [first, second] * 2 + [second, first] + [first, second, second, first] * 2


def made(steps):
    one = efficiency.TimedModel.__new__(efficiency.TimedModel)
    one.runs = {1: [(0.0, step) for step in steps]}
    return one


def test_what_is_stable():
    assert not made([1.0] * 5).stable(1) and made([1.0] * 6).stable(1)
    assert made([1.0, 1.02, 0.98, 1.01, 1.0, 1.03]).stable(1)
    assert not made([1.0, 2.0] * 10).stable(1)


def test_time_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(efficiency.TimedModel, "stable", lambda one, batch: False)
    (found,) = measured(make_folder(tmp_path / "one"), batch_sizes=(1,), seconds=0.0)
    assert found["repeats"] == {"1": efficiency.LEAST} and found["busy"] == {"1": True}
    monkeypatch.setattr(efficiency, "MOST", 9)
    (found,) = measured(tmp_path / "one", batch_sizes=(1,), seconds=600.0)
    assert found["repeats"] == {"1": 9}


def test_a_folder_without_weights_is_named(tmp_path):
    with pytest.raises(UserError, match="weights"):
        efficiency.weights_on_disk(tmp_path)


def test_several_models_in_one_program(tmp_path):
    folders = [make_folder(tmp_path / name, kind) for kind, name in (("gpt2", "a"), ("llama", "b"))]
    outputs = [tmp_path / f"{name}.json" for name in "ab"]
    flags = ["--seconds", "0", "--batch_sizes", "1", "2", "--device", "cpu", "--threads", "1"]
    command = [sys.executable, MEASURE, "efficiency", "--model", *folders, "--output", *outputs, *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert [json.loads(path.read_text())["threads"] for path in outputs] == [1, 1]


def test_tied_embeddings_are_counted_once(tmp_path):
    def tie(model):
        model.config.tie_word_embeddings = True
        model.tie_weights()

    folder = make_folder(tmp_path / "tied", change=tie)
    (found,) = measured(folder, batch_sizes=(1,))
    assert found["parameters"] == AutoModelForCausalLM.from_pretrained(folder).num_parameters()
