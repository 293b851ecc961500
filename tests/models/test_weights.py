"""What passes for a model and is none is refused, by name, in one line."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

import tiny_models as tiny
from codestill.kit.program import UserError
from codestill.models.loading import load_config, load_model
from codestill.models.weights import model_identity, weight_files, weights_checksum

UP = "model.layers.0.mlp.up_proj.weight"


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return tiny.model_folder(tmp_path_factory.mktemp("weights") / "sound", kind="llama", tied=False)


@pytest.fixture
def folder(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "model")


def change(folder, edit):
    """Rewrite the weights of a folder as `edit({name: tensor})` returns them."""
    weights = load_file(folder / "model.safetensors")
    save_file(edit(weights), folder / "model.safetensors", metadata={"format": "pt"})


def set_config(folder, **fields):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def without(name):
    return lambda weights: {key: value for key, value in weights.items() if not key.startswith(name)}


def broken(weights):
    weights["model.norm.weight"][3] = float("nan")
    return weights


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (without("lm_head"), "1 weights are missing, first lm_head.weight"),
        (without("model.layers.1."), "9 weights are missing, first model.layers.1"),
        (lambda w: {f"_orig_mod.{k}": v for k, v in w.items()}, r"save the model without its wrapper .*_orig_mod\."),
        (lambda w: {f"module.{k}": v for k, v in w.items()}, r"save the model without its wrapper .*module\."),
        (lambda w: {f"base_model.model.{k}": v for k, v in w.items()}, r"wrapper .*base_model\.model\."),
        (lambda w: w | {UP: (100 * w[UP]).to(torch.int8)}, f"{UP} is stored as I8, and config.json does not say"),
        (lambda w: w | {UP: w[UP].to(torch.float8_e4m3fn)}, f"{UP} is stored as F8_E4M3"),
        (lambda w: w | {"extra.weight": torch.ones(2)}, "1 weights belong to no part of the model, first extra.weight"),
        (broken, "model.norm.weight holds NaN"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(folder, edit, message):
    change(folder, edit)
    with pytest.raises(UserError, match=message) as refusal:
        load_model(folder)
    assert "\n" not in str(refusal.value)


def test_a_saved_buffer_that_is_nan_is_refused(tmp_path):
    """It chooses experts: the logits stay finite, and are others."""
    import transformers

    experts = {"n_routed_experts": 4, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1, "n_shared_experts": 1}
    heads = {"q_lora_rank": 8, "kv_lora_rank": 8, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 16}
    size = {"hidden_size": 32, "intermediate_size": 48, "moe_intermediate_size": 16, "num_hidden_layers": 2}
    config = transformers.DeepseekV3Config(
        vocab_size=64, num_attention_heads=2, num_key_value_heads=2, first_k_dense_replace=1, **experts, **heads, **size
    )
    transformers.DeepseekV3ForCausalLM(config).save_pretrained(tmp_path / "model")
    load_model(tmp_path / "model")

    def break_one(weights):
        next(one for name, one in weights.items() if "correction" in name)[0] = float("nan")
        return weights

    change(tmp_path / "model", break_one)
    with pytest.raises(UserError, match="e_score_correction_bias holds NaN"):
        load_model(tmp_path / "model")


def test_a_nan_in_one_of_several_files_is_found(folder):
    load_model(folder).save_pretrained(folder, max_shard_size="8KB")
    (folder / "model.safetensors").unlink(missing_ok=True)
    last = weight_files(folder)[-1]
    assert len(weight_files(folder)) > 2
    weights = load_file(last)
    next(iter(weights.values())).view(-1)[0] = float("inf")
    save_file(weights, last, metadata={"format": "pt"})
    with pytest.raises(UserError, match="holds NaN or infinite"):
        load_model(folder)


def test_an_adapter_beside_whole_weights_is_refused(folder):
    """Transformers would load it over them, on another base if its config names one."""
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "base_model_name_or_path": "x/y"}))
    with pytest.raises(
        UserError, match=r"model: model\.safetensors and adapter_config\.json: whole weights or an adapter"
    ):
        load_model(folder)
    (folder / "adapter").mkdir()
    (folder / "adapter_config.json").rename(folder / "adapter/adapter_config.json")
    load_model(folder)


def test_another_size_of_vocabulary_is_refused(folder):
    set_config(folder, vocab_size=tiny.VOCABULARY + 4)
    with pytest.raises(UserError, match=r"another shape|mismatch"):
        load_model(folder)


def test_computed_buffers_of_older_checkpoints_are_no_fault(folder):
    old = {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)}
    before = load_model(folder).state_dict()
    change(folder, lambda weights: weights | old)
    after = load_model(folder).state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)


def test_torn_files_and_pointers_are_refused(folder):
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(UserError, match=r"torn: .* bytes in place of"):
        load_model(folder)
    path.write_bytes(whole[:6])
    with pytest.raises(UserError, match="torn, or not a safetensors file"):
        load_model(folder)
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n")
    with pytest.raises(UserError, match="git-lfs pointer"):
        load_model(folder)
    path.unlink()
    with pytest.raises(UserError, match=r"no model\.safetensors"):
        load_model(folder)
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(UserError, match="only an adapter"):
        load_model(folder)


def test_a_missing_part_is_named(folder):
    load_model(folder).save_pretrained(folder / "parts", max_shard_size="10KB")
    parts = weight_files(folder / "parts")
    assert len(parts) > 2
    load_model(folder / "parts")
    parts[1].unlink()
    with pytest.raises(UserError, match=f"{parts[1].name} is missing \\(1 of {len(parts)} parts\\)"):
        load_model(folder / "parts")


def test_pytorch_weights_load_and_code_in_them_does_not_run(folder):
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / "other.safetensors").write_bytes(b"something else")
    assert torch.equal(load_model(folder).state_dict()["lm_head.weight"], weights["lm_head.weight"])

    class Code:
        def __reduce__(self):
            return (print, ("ran",))

    torch.save({"lm_head.weight": Code()}, folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="cannot load the model"):
        load_model(folder)
    (folder / "pytorch_model.bin").write_text("<html>not found</html>")
    with pytest.raises(UserError, match="no file of PyTorch weights"):
        load_model(folder)


def test_remote_code_is_refused_without_a_question(folder, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked on standard input"))
    set_config(folder, model_type="their_own", auto_map={"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.M"})
    (folder / "own.py").write_text("raise SystemExit('ran')")
    with pytest.raises(UserError, match="needs code of its own"):
        load_config(folder)


def test_a_quantised_folder_is_refused(folder):
    set_config(folder, quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True})
    with pytest.raises(UserError, match=r"quantised \(bitsandbytes\)"):
        load_model(folder)


def test_identity_is_weights_and_config_and_nothing_else(folder):
    first, weights = model_identity(folder), weights_checksum(folder)
    set_config(folder, transformers_version="0", use_cache=False, dtype="bfloat16")
    assert model_identity(folder) == first
    set_config(folder, rms_norm_eps=1e-3)
    second = model_identity(folder)
    assert second != first and weights_checksum(folder) == weights
    change(folder, lambda one: one | {"model.norm.weight": one["model.norm.weight"] * 2})
    assert len({first, second, model_identity(folder)}) == 3
