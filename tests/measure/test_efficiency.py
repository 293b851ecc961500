"""Efficiency: counts are exact, timings are consistent, figures end in finite time."""

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


@pytest.mark.parametrize("kind", KINDS)
def test_counts_and_timings(kind, tmp_path):
    folder = make_folder(tmp_path / kind, kind)
    found = efficiency.measure_folder(str(folder), batch_sizes=(1, 4), seconds=0.05, device="cpu")
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert found["parameters"] == sum(weight.numel() for weight in model.parameters())
    assert found["bytes_on_disk"] == (folder / "model.safetensors").stat().st_size
    steps = found["new_tokens"] - 1
    total = found["latency_ms_first_token"] + steps * found["latency_ms_per_token"]
    assert found["latency_ms"] == pytest.approx(total)
    assert found["tokens_per_second_1"] == pytest.approx(1e3 / found["latency_ms_per_token"])
    for batch in (1, 4):
        low, high = found["intervals"][f"tokens_per_second_{batch}"]
        assert 0 < low <= found[f"tokens_per_second_{batch}"] <= high
    assert found["intervals"]["latency_ms"][0] <= found["intervals"]["latency_ms"][1]
    assert found["peak_memory_bytes"] > 4 * found["parameters"]
    assert found["device"] == "cpu" and found["threads"] >= 1 and found["repeats"]["4"] >= 2
    assert found["prompt_tokens"] + found["new_tokens"] <= 96


def test_time_is_bounded():
    calls = []
    assert len(efficiency._repeat(lambda: calls.append(1), 0.0)) == 2 and len(calls) == 3
    assert len(efficiency._repeat(lambda: None, 60.0)) == efficiency.REPEATS


def test_a_folder_without_weights_is_named(tmp_path):
    with pytest.raises(UserError, match=r"no model\.safetensors"):
        efficiency.weights_on_disk(tmp_path)


def test_several_models_in_one_program(tmp_path):
    folders = [make_folder(tmp_path / name, seed=seed) for seed, name in enumerate("ab")]
    outputs = [tmp_path / f"{name}.json" for name in "ab"]
    flags = ["--seconds", "0.05", "--batch_sizes", "1", "2", "--device", "cpu", "--threads", "1"]
    command = [sys.executable, MEASURE, "efficiency", "--model", *folders, "--output", *outputs, *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert [json.loads(path.read_text())["threads"] for path in outputs] == [1, 1]


def test_tied_embeddings_are_counted_once(tmp_path):
    def tie(model):
        model.config.tie_word_embeddings = True
        model.tie_weights()

    folder = make_folder(tmp_path / "tied", change=tie)
    found = efficiency.measure_folder(str(folder), batch_sizes=(1,), seconds=0.01, device="cpu")
    assert found["parameters"] == AutoModelForCausalLM.from_pretrained(folder).num_parameters()
