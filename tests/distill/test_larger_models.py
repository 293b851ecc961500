"""What lets a larger model be trained: adapters, weights in few bits, checkpointing, optimizers of less memory."""

import json
import os
import signal
from pathlib import Path

import pytest
import torch
import trainings
from trainings import made_home, weights

import children
import tiny_models as tiny
from codestill.kit.files import read_json, sha256
from codestill.kit.whole import given
from codestill.models.adapters import load_adapted, merged, trained
from codestill.models.loading import load_model
from codestill.study.sections.training import Adapter

RANK4 = json.dumps({"rank": 4})


SHORT = {"num_train_epochs": 2, "dropout": 0.0, "preflight": "warn"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Teacher and students as wide as nf4's blocks, and tokens."""
    return made_home(tmp_path_factory.mktemp("home"), 64, (60, 10), kind="llama", width=64)


def flags(home, output, **changes):
    return trainings.flags(home, output, **SHORT | changes)


def distill(home, output, expect=0, **changes):
    return trainings.distill(home, output, expect, **SHORT | changes)


# -- adapters ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["gpt2", "llama", "codegen"])
@pytest.mark.parametrize("bits", [None, "nf4"])
def test_the_merged_model_is_base_and_adapter(tmp_path, kind, bits):
    tiny.model_folder(tmp_path / "base", kind=kind, width=64)
    model = load_adapted(tmp_path / "base", Adapter(rank=3, alpha=5.0), bits, "cpu", None, seed=0)
    with torch.no_grad():
        for weight in trained(model).values():
            weight.normal_(std=0.2)
    ids = torch.arange(1, 40)[None]
    with torch.no_grad():
        own, plain, base = (
            one(ids).logits.log_softmax(-1) for one in (model, merged(model), load_model(tmp_path / "base"))
        )
    assert (own - base).abs().max() > 0.5  # the adapter does something
    assert (own - plain).abs().max() < 1e-5 * own.abs().max()
    merged(model).save_pretrained(tmp_path / "merged")
    again = load_model(tmp_path / "merged")
    with torch.no_grad():
        assert (again(ids).logits.log_softmax(-1) - plain).abs().max() < 1e-5 * own.abs().max()


def test_an_adapter_has_the_parameters_of_its_rank_and_targets(tmp_path):
    tiny.model_folder(tmp_path / "base", kind="llama", width=64)
    one = load_adapted(tmp_path / "base", Adapter(rank=3, targets=["q_proj"]), None, "cpu", None, seed=0)
    assert sum(weight.numel() for weight in trained(one).values()) == 2 * 3 * (64 + 64)  # two layers of 64 by 64
    with pytest.raises(
        Exception, match=r"no linear layer is called 'query' \(adapter.targets\); it has q_proj, k_proj"
    ):
        load_adapted(tmp_path / "base", Adapter(targets=["query"]), None, "cpu", None, seed=0)


def test_the_gradient_passes_through_nf4_after_a_pass_in_eval_mode(tmp_path):
    """Against the merged model's own gradient: on some CPUs bitsandbytes has none after such a pass."""
    tiny.model_folder(tmp_path / "base", kind="llama", width=64)
    model = load_adapted(tmp_path / "base", Adapter(rank=3), "nf4", "cpu", None, seed=0)
    ids = torch.arange(1, 30)[None]
    with torch.no_grad():
        model.eval()(ids)
        for weight in trained(model).values():
            weight.normal_(std=0.1)
    plain = merged(model)
    for one in (model, plain):
        one.train()(ids, labels=ids).loss.backward()
    layer = model.model.layers[0].self_attn.q_proj  # the first: its gradient comes through every other layer
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    expected = layer.scaling["default"] * plain.model.layers[0].self_attn.q_proj.weight.grad
    torch.testing.assert_close(a.grad, (b.T @ expected).detach(), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(b.grad, (expected @ a.T).detach(), rtol=1e-3, atol=1e-5)


def test_int8_is_refused_under_an_adapter(home, tmp_path):
    from codestill.models.compression import Compression, compress

    compress(
        "quantise", Compression(home / "student", "int8", None, [{"input_ids": torch.arange(8)[None]}]), tmp_path / "q"
    )
    with pytest.raises(Exception, match="q: an adapter learns on whole weights or on nf4"):
        load_adapted(tmp_path / "q", Adapter(), None, "cpu", None, seed=0)


def test_an_adapter_learns_on_a_quantised_folder(home, tmp_path):
    from codestill.models.compression import Compression, compress

    compress(
        "quantise", Compression(home / "student", "nf4", None, [{"input_ids": torch.arange(8)[None]}]), tmp_path / "q"
    )
    made = distill(home, tmp_path / "made", student_model_path=tmp_path / "q", adapter=RANK4)
    assert "quantization_config" not in read_json(made / "config.json")
    same = distill(home, tmp_path / "same", adapter=RANK4, load_in="nf4")
    assert weights(made) == weights(same)
    log = Path(f"{tmp_path}/no.log")
    assert children.run("distill", flags(home, tmp_path / "no", student_model_path=tmp_path / "q"), log) == 2
    assert "its weights are quantised" in log.read_text().splitlines()[-1]


@pytest.mark.parametrize("bits", [None, "nf4"])
def test_a_cell_with_an_adapter_learns_and_resumes_bit_identically(home, tmp_path, bits):
    how = {"adapter": RANK4, "load_in": bits, "learning_rate": 0.05}
    whole = distill(home, tmp_path / "whole", **how)
    history = [row for row in read_json(whole / "trainer_state.json")["log_history"] if "eval_loss" in row]
    assert history[-1]["eval_loss"] < history[0]["eval_loss"] and not list(whole.glob("adapter*"))
    command, work = flags(home, tmp_path / "cell", save_steps=3, **how), tmp_path / "cell.work"
    process = children.start("distill", command, tmp_path / "log")
    while not list(work.glob("checkpoint-*/checkpoint.json")):
        assert process.exitcode is None, (tmp_path / "log").read_text()
        process.join(0.01)
    os.kill(process.pid, signal.SIGTERM)
    process.join()
    assert process.exitcode == 75
    kept = {path.name for path in next(work.glob("checkpoint-*")).iterdir()}
    assert {"adapter_model.safetensors", "optimizer.pt"} <= kept and "model.safetensors" not in kept
    assert children.run("distill", command, tmp_path / "log") == 0
    assert "resuming from" in (tmp_path / "log").read_text()
    assert weights(tmp_path / "cell") == weights(whole)
    # The base is held still: what has no adapter is as it was, to the bit where it was not in few bits.
    before, after = load_model(home / "student").state_dict(), load_model(whole).state_dict()
    same = {name for name, one in before.items() if torch.equal(one, after[name])}
    changed = before.keys() - same
    assert changed == {name for name in before if "_proj" in name}


@pytest.mark.parametrize("bits", [None, "nf4"])
def test_a_kept_adapter_on_its_base_is_the_merged_model(home, tmp_path, bits):
    import peft

    from codestill.models.quantisation import load_in_bits

    how = {"load_in": bits, "learning_rate": 0.05, "num_train_epochs": 1}
    kept = distill(home, tmp_path / "kept", adapter=json.dumps({"rank": 4, "keep": True}), **how)
    told = read_json(kept / "provenance.json")["adapter"]
    assert told["base"] == str(home / "student") and told["base_in"] == (bits or "full precision")
    assert told["files"] == {path.name: sha256(path) for path in (kept / "adapter").iterdir()}
    assert read_json(kept / "adapter/adapter_config.json")["base_model_name_or_path"] == told["base"]
    base = load_in_bits(told["base"], bits) if bits else load_model(told["base"])
    ids, places = torch.arange(1, 40)[None], torch.arange(39)[None]
    with torch.no_grad():
        before = base(ids, position_ids=places).logits.log_softmax(-1)
        own = peft.PeftModel.from_pretrained(base, str(kept / "adapter")).eval()
        plain = load_model(kept)
        one, other = (model(ids, position_ids=places).logits.log_softmax(-1) for model in (own, plain))
    assert (before - other).abs().max() > 0.1  # it has learned
    assert (one - other).abs().max() < 1e-5 * other.abs().max()
    assert given(kept) == kept and not list(kept.glob("adapter*.json"))  # whatever reads models reads the merged one
    # A choice takes it along, and neither choice nor training leaves an old one where none is wanted.
    for name in ("model.safetensors", "adapter/adapter_model.safetensors"):
        assert (
            children.run(
                "choose", ["--cells", kept, "--by", "eval_loss", "--output", tmp_path / "best"], tmp_path / "log"
            )
            == 0
        )
        assert sha256(tmp_path / "best" / name) == sha256(kept / name)
    distill(home, kept, adapter=RANK4, **how)
    assert weights(kept) == weights(tmp_path / "best") and not (kept / "adapter").exists()
    assert "adapter" not in read_json(kept / "provenance.json")
    assert (
        children.run("choose", ["--cells", kept, "--by", "eval_loss", "--output", tmp_path / "best"], tmp_path / "log")
        == 0
    )
    assert not (tmp_path / "best/adapter").exists()


def test_other_base_or_rank_is_not_resumed(home, tmp_path):
    how = {"adapter": RANK4, "save_steps": 1}
    process = children.start("distill", flags(home, tmp_path / "cell", **how), tmp_path / "log")
    while not list((tmp_path / "cell.work").glob("checkpoint-*/checkpoint.json")):
        assert process.exitcode is None, (tmp_path / "log").read_text()
        process.join(0.01)
    os.kill(process.pid, signal.SIGTERM)
    process.join()
    tiny.model_folder(tmp_path / "student", kind="llama", width=64, seed=3)
    distill(home, tmp_path / "cell", student_model_path=tmp_path / "student", adapter=json.dumps({"rank": 2}))
    text = Path(f"{tmp_path}/cell.log").read_text()
    assert "checkpoints of another run (model, adapter differs) are removed" in text


# -- teachers in few bits --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", ["int8", "nf4"])
def test_a_teacher_in_few_bits_says_what_they_cost(home, tmp_path, bits):
    """Against the two models' own logits, position by position."""
    from codestill.models.quantisation import load_in_bits

    online = distill(home, tmp_path / "online", teacher_load_in=bits)
    told = read_json(online / "provenance.json")["teacher"]["load_in"]
    stored = distill(home, tmp_path / "stored", teacher_load_in=bits, teacher_pass="cache")
    facts = read_json(stored / "provenance.json")["teacher"]
    assert facts["load_in"]["mean"] == pytest.approx(told["mean"], rel=0.02)  # one that is run rounds its states, too
    assert told["bits"] == facts["load_in"]["bits"] == bits
    whole, few = load_model(home / "teacher"), load_in_bits(home / "teacher", bits)
    total, largest, count = 0.0, 0.0, 0
    for row in tiny.rows(10, seed=2):
        ids, places = torch.tensor([row["input_ids"]]), torch.tensor([row["position_ids"]])
        with torch.no_grad():
            p, q = (
                one(ids, position_ids=places, use_cache=False).logits[0, :-1].log_softmax(-1) for one in (whole, few)
            )
        kl = (p.exp() * (p - q)).sum(-1)[torch.tensor(row["labels"][1:]) != -100]
        total, largest, count = total + kl.sum().item(), max(largest, kl.max().item()), count + len(kl)
    assert told["positions"] == count
    assert (told["mean"], told["largest"]) == pytest.approx((total / count, largest), rel=0.02)
    assert told["mean"] > 1e-5
    plain = distill(home, tmp_path / "plain")
    assert weights(plain) != weights(online)
    assert read_json(plain / "provenance.json")["facts"]["teacher"] != facts["cache"]["model"]


# -- memory --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("student", ["student", "raw_teacher"])
def test_gradient_checkpointing_changes_no_bit(home, tmp_path, student):
    """raw_teacher is a GPT-2, with dropout: its masks are drawn again."""
    how = {"student_model_path": home / student, "dropout": 0.1, "num_train_epochs": 1}
    plain = distill(home, tmp_path / "plain", alpha=1, teacher_model_path=None, **how)
    spared = distill(home, tmp_path / "spared", alpha=1, teacher_model_path=None, gradient_checkpointing=True, **how)
    assert weights(spared) == weights(plain)
    adapted = {"adapter": RANK4} | how
    one = distill(home, tmp_path / "one", alpha=1, teacher_model_path=None, **adapted)
    other = distill(home, tmp_path / "other", alpha=1, teacher_model_path=None, gradient_checkpointing=True, **adapted)
    assert weights(one) == weights(other) != weights(plain)


@pytest.mark.parametrize("optimizer", ["adamw_8bit", "paged_adamw_8bit", "adafactor"])
def test_an_optimizer_of_less_memory_learns_and_is_no_adamw(home, tmp_path, optimizer):
    plain = distill(home, tmp_path / "plain", alpha=1, teacher_model_path=None)
    other = distill(home, tmp_path / "other", alpha=1, teacher_model_path=None, optimizer=optimizer)
    found, usual = (read_json(one / "eval_results.json")["eval_loss"] for one in (other, plain))
    untrained = 4.5
    assert weights(other) != weights(plain)
    assert found < untrained and found == pytest.approx(usual, rel=0.5)
