"""vLLM as an engine, on the device that it serves: the study's tokens, distribution, ends, stops and refusals.

Skipped where vLLM is not installed; docs/developers.md gives it an environment of its own, on a CPU.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from test_truncation import chi_square_z, warped

from codestill.kit.program import UserError
from codestill.sampling.engines import drawable, engine_for
from codestill.sampling.prompts import Task
from codestill.sampling.sampler import LoadedModel
from drawing import changed, draw, settings_for
from small_models import EXTRA, SHAPES, make_benchmark, make_folder, overflow

vllm = pytest.importorskip("vllm", reason="vLLM is not installed; docs/developers.md says how to")
SCRIPTS = Path(__file__).parents[2] / "scripts"
KINDS = ("gpt2", "llama", "qwen2")


@pytest.fixture(scope="module")
def wide():
    """Shapes with heads of 32, the smallest that vLLM's attention takes on a CPU."""
    with pytest.MonkeyPatch.context() as patch:
        for kind in KINDS:
            width = "n_embd" if kind == "gpt2" else "hidden_size"
            patch.setitem(SHAPES, kind, SHAPES[kind] | {width: 128})
        yield


@pytest.fixture(scope="module")
def folder(wide, tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("gpt2"), "gpt2")


def vllm_settings(folder, **changes):
    return settings_for(folder, **{"engine": "vllm", "memory": 1.0} | changes)


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_text_is_that_of_lanes(kind, wide, tmp_path, benchmark):
    """With an end token among several, stop strings of one and many bytes, and ids that name no token."""

    def boost(model):
        model.get_output_embeddings().weight[-EXTRA:] *= 50

    folder = make_folder(tmp_path / kind, kind, change=boost)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, 1], "repetition_penalty": 2.0}))
    for stop in ([], ["e", "\n", "é"]):
        theirs = vllm_settings(folder, temperature=0.0, n=1, stop=stop)
        found, facts = draw(theirs, benchmark, tmp_path, "theirs")
        expected, ours = draw(changed(theirs, engine="lanes"), benchmark, tmp_path, "ours")
        assert found == expected
        assert facts["finish"] == ours["finish"] and facts["end_tokens"] == ["</s>", "<pad>"]
        assert facts["engine"] == "vllm" and facts["engine_version"] == vllm.__version__
        assert facts["guarantee"].startswith("seeded")


def test_draws_have_the_exact_distribution(folder):
    draws = 3000
    settings = vllm_settings(folder, n=draws, max_new_tokens=1, stop=[])
    model = LoadedModel(settings)
    task = Task("T", model.tokenizer("def add(a, b):")["input_ids"], 1)
    columns, _ = drawable(model.model, model.tokenizer)
    with torch.inference_mode():
        expected = warped(model.model(torch.tensor([task.ids])).logits[0, -1, :columns], 0.8, 0.95)
    engine = engine_for("vllm", model.model, model.tokenizer, (), settings, [task])
    requests = {f"{index}": (task.ids, engine._settings(task, index)) for index in range(draws)}
    drawn = Counter(ids[0] for _, ids in engine.requests.complete(requests))
    counts = np.array([drawn[token] for token in range(columns)])
    assert counts.sum() == draws and counts[expected == 0].sum() == 0
    assert abs(chi_square_z(counts, expected * draws)) < 4.5


def test_samples_follow_the_seed_and_the_index(folder, benchmark, tmp_path):
    settings = vllm_settings(folder, temperature=1.0, top_p=1.0)
    text, facts = draw(settings, benchmark, tmp_path, "one")
    assert draw(settings, benchmark, tmp_path, "again")[0] == text
    assert draw(changed(settings, seed=4), benchmark, tmp_path, "other")[0] != text
    rows = [json.loads(line) for line in text.splitlines()]
    assert len({row["completion"] for row in rows}) > len(rows) // 2
    assert facts["finish"]["end"] + facts["finish"]["length"] == len(rows) - facts["finish"]["stop"]


def test_prompts_without_room_get_an_empty_row(folder, tmp_path):
    long = {"task_id": "long", "prompt": " ".join(["def"] * 200) + "\n"}
    benchmark = make_benchmark(tmp_path / "bench.jsonl", 1)
    benchmark.write_text(benchmark.read_text() + json.dumps(long) + "\n")
    text, facts = draw(vllm_settings(folder, n=2), benchmark, tmp_path)
    assert [json.loads(line)["completion"] == "" for line in text.splitlines()][2:] == [True, True]
    assert facts["prompts_without_room"] == ["long"]


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_logits_that_overflow_name_the_model(temperature, wide, tmp_path, benchmark):
    folder = make_folder(tmp_path / "overflow", change=overflow)
    with pytest.raises(UserError, match=r"overflow: the model's logits hold NaN or infinity"):
        draw(vllm_settings(folder, temperature=temperature), benchmark, tmp_path)


def test_memory_that_does_not_hold_the_model_is_refused(folder, benchmark, tmp_path):
    with pytest.raises(UserError, match=r"--memory 0\.0001: too little for the model"):
        draw(vllm_settings(folder, memory=0.0001), benchmark, tmp_path)


@pytest.mark.parametrize("heads", [4, 16])
def test_what_vllm_refuses_is_one_line(heads, benchmark, tmp_path, monkeypatch):
    """No room for keys and values, found as it is loaded, and heads of 8, found as it is run."""
    monkeypatch.setitem(SHAPES, "gpt2", SHAPES["gpt2"] | {"n_embd": 128, "n_head": heads})
    folder = make_folder(tmp_path / "refused")
    weights = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    memory = weights / 2**30 if heads == 4 else 1.0
    with pytest.raises(UserError, match=r"refused: vLLM does not serve it \(.*; take --engine lanes"):
        draw(vllm_settings(folder, memory=memory), benchmark, tmp_path)


def test_a_killed_run_goes_on_and_leaves_no_process(folder, tmp_path):
    benchmark = make_benchmark(tmp_path / "bench.jsonl")
    command = [
        sys.executable, str(SCRIPTS / "generate.py"), "--engine", "vllm", "--model", str(folder),
        "--benchmark", str(benchmark), "--output", str(tmp_path / "s.jsonl"), "--protocol", str(tmp_path / "p.json"),
        "--work_dir", str(tmp_path / "work"), "--n", "400", "--max_new_tokens", "24", "--temperature", "1",
        "--memory", "1", "--device", "cpu",
    ]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    journal, patience = tmp_path / "work" / "bench" / "samples.jsonl", time.monotonic() + 300
    while time.monotonic() < patience and process.poll() is None:
        if journal.exists() and len(journal.read_bytes().splitlines()) > 100:
            break
        time.sleep(0.1)
    assert process.poll() is None, "it ended before it could be killed"
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert psutil.wait_procs(children, timeout=10)[1] == []
    again = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    assert again.returncode == 0, again.stderr
    assert "samples are kept from an earlier run" in again.stdout
    rows = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    assert len({(row["task_id"], row["sample"]) for row in rows}) == len(rows) == 2000
