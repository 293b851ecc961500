"""Models by shape, tokenizers trained for them, and students of every second layer."""

import json

import pytest
import torch
from test_architectures import DEEP, EXPERTS, GPT, GROUPED, HEAD
from test_architectures import made as architecture

from codestill.kit.files import sha256
from codestill.kit.program import UserError
from codestill.models import shapes, thinning, tokenizers
from codestill.models.loading import load_model
from codestill.models.tokenizers import PROBE, load_tokenizer, plain_ids, train_tokenizer
from made_models import SHAPES, made_model, made_tokenizer, model_folder, record, run_script, write_corpus

FILES = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


@pytest.fixture(scope="module")
def tokenizer():
    return made_tokenizer()


def test_the_command_builds_the_same_bytes_twice_and_a_student_beside(tmp_path):
    corpus = write_corpus(tmp_path / "train.jsonl")
    shape = json.dumps({"model_type": "gpt2", **SHAPES["gpt2"]})
    for name in ("one", "two"):
        made = ("--shape", shape, "--train", corpus, "--vocab_size", 300, "--seed", 3, "--output", tmp_path / name)
        done = run_script("build_model", *made)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == sorted(FILES)
    for name in FILES:
        assert sha256(tmp_path / "one" / name) == sha256(tmp_path / "two" / name), name
    (tmp_path / "small.json").write_text(json.dumps({"model_type": "llama", **SHAPES["llama"]}))
    beside = ("--shape", tmp_path / "small.json", "--tokenizer", tmp_path / "one", "--output", tmp_path / "student")
    assert run_script("build_model", *beside).returncode == 0
    config = json.loads((tmp_path / "student" / "config.json").read_text())
    tokenizer = load_tokenizer(tmp_path / "student")
    assert config["vocab_size"] == len(tokenizer) == 300
    assert (config["eos_token_id"], config["pad_token_id"]) == (tokenizer.eos_token_id, tokenizer.pad_token_id)
    assert config["bos_token_id"] is None and config["eos_token_id"] != config["pad_token_id"]
    generation = json.loads((tmp_path / "student" / "generation_config.json").read_text())
    assert generation["eos_token_id"] == tokenizer.eos_token_id
    assert sha256(tmp_path / "student" / "tokenizer.json") == sha256(tmp_path / "one" / "tokenizer.json")


def test_the_seed_decides_the_weights(tokenizer):
    one, again, other = (made_model(tokenizer, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["transformer.wte.weight"], other["transformer.wte.weight"])


def test_a_trained_tokenizer_gives_every_text_back(tokenizer):
    for text in (PROBE, "\x00\ufeff \u2028 </s> <pad> \U0001f600\n\n\t", record(3)["code"]):
        (ids,) = plain_ids(tokenizer, [text])
        assert tokenizer.decode(ids) == text
        assert not {tokenizer.eos_token_id, tokenizer.pad_token_id} & set(ids)
    assert tokenizer.eos_token_id != tokenizer.pad_token_id


@pytest.mark.parametrize("kind", SHAPES)
def test_a_tokenizer_loads_as_it_was_beside_any_model(tokenizer, kind, tmp_path):
    model = made_model(tokenizer, kind)
    shapes.set_ids(model, tokenizer, len(tokenizer))
    shapes.save_model(model, tokenizer, tmp_path / "model")
    again = load_tokenizer(tmp_path / "model")
    assert plain_ids(again, [PROBE]) == plain_ids(tokenizer, [PROBE])
    assert len(again) == len(tokenizer) and again.eos_token_id == tokenizer.eos_token_id


def test_a_tokenizer_of_one_family_is_kept_beside_a_model_of_another(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "tokenizer_class": "GPT2Tokenizer"}))
    family = load_tokenizer(tmp_path)
    assert type(family).__name__ == "GPT2Tokenizer"
    model = made_model(tokenizer, "qwen2")
    shapes.set_ids(model, family, len(tokenizer))
    shapes.save_model(model, family, tmp_path / "model")
    assert plain_ids(load_tokenizer(tmp_path / "model"), [PROBE]) == plain_ids(tokenizer, [PROBE])


def test_a_tokenizer_that_would_load_otherwise_is_not_written(tokenizer, tmp_path, monkeypatch):
    model = made_model(tokenizer)
    other = train_tokenizer(["completely different words"] * 3, 280)
    monkeypatch.setattr(tokenizers, "load_tokenizer", lambda folder: other)
    with pytest.raises(UserError, match="does not load again"):
        shapes.save_model(model, tokenizer, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ("{", "not JSON"),
        ("missing.json", "no such file"),
        ('{"n_layer": 2}', "model_type"),
        ('{"model_type": "gpt2", "vocab_size": 10}', "comes from the tokenizer"),
        ('{"model_type": "gpt9"}', "not one that transformers knows"),
        ('{"model_type": "gpt2", "n_layers": 2}', "did you mean 'n_layer'"),
        ('{"model_type": "gpt2", "n_layer": "two"}', "n_layer"),
        ('{"model_type": "gpt2", "n_embd": 10, "n_head": 3}', "shape"),
        ('{"model_type": "codegen", "n_embd": 32, "n_head": 2, "n_layer": 1, "rotary_dim": 4}', "shape"),
        ('{"model_type": "vit"}', "no causal language model"),
    ],
)
def test_a_shape_that_cannot_be_built_says_why(tokenizer, shape, message):
    with pytest.raises(UserError, match=message) as caught:
        shapes.build_model(shapes.config_of(shapes.read_shape(shape), tokenizer), 0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), "either --shape or --layers_of"),
        (("--shape", "{}"), "needs a tokenizer"),
        (("--layers_of", "x", "--tokenizer", "y"), "keeps the teacher's tokenizer"),
        (("--layers_of", "/nowhere"), "no such folder"),
    ],
)
def test_flags_that_do_not_go_together(flags, message, tmp_path):
    done = run_script("build_model", *flags, "--output", tmp_path / "out")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr and not (tmp_path / "out").exists()


def test_a_vocabulary_too_small_for_the_bytes_is_refused():
    with pytest.raises(UserError, match="at least 258"):
        train_tokenizer(["x"], 257)


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("every", [2, 3])
def test_every_second_layer_computes_what_the_teacher_without_the_others_would(tokenizer, kind, every, tmp_path):
    teacher = made_model(tokenizer, kind, tie_word_embeddings=kind != "codegen")
    with torch.no_grad():
        for parameter in teacher.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    student, kept = thinning.thinned(teacher, every)
    assert kept == list(range(0, 4, every)) and student.config.num_hidden_layers == len(kept)
    assert sum(p.numel() for p in student.parameters()) < sum(p.numel() for p in teacher.parameters())
    ids = torch.arange(3, 43)[None]
    with torch.no_grad():
        expected = without_layers(teacher, kept, ids)
        torch.testing.assert_close(student(ids, use_cache=False).logits, expected, rtol=0, atol=1e-6)
        student.save_pretrained(tmp_path)
        torch.testing.assert_close(load_model(tmp_path)(ids, use_cache=False).logits, expected)
    if kind == "gemma3_text":
        assert student.config.layer_types == [teacher.config.layer_types[layer] for layer in kept]


def without_layers(teacher, kept, ids):
    """The teacher's logits with its other layers passing their input on."""
    name, _ = thinning.layer_stack(teacher)
    hooks = []
    for number, layer in enumerate(teacher.get_submodule(name)):
        if number not in kept:
            hooks.append(layer.register_forward_hook(pass_on, with_kwargs=True))
    logits = teacher(ids, use_cache=False).logits
    for hook in hooks:
        hook.remove()
    return logits


def pass_on(module, positional, named, output):
    states = positional[0] if positional else named["hidden_states"]
    return (states, *output[1:]) if isinstance(output, tuple) else states


def test_every_second_layer_by_command_keeps_the_tokenizer(tokenizer, tmp_path):
    teacher = model_folder(tmp_path / "teacher", tokenizer, kind="qwen2", rows=len(tokenizer) + 7)
    done = run_script("build_model", "--layers_of", teacher, "--every", 2, "--output", tmp_path / "half")
    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "half" / "config.json").read_text())
    assert (config["num_hidden_layers"], len(config["layer_types"])) == (2, 2)
    assert config["vocab_size"] == len(tokenizer) + 7
    assert plain_ids(load_tokenizer(tmp_path / "half"), [PROBE]) == plain_ids(tokenizer, [PROBE])


def test_nothing_to_leave_out_is_an_error(tokenizer):
    teacher = made_model(tokenizer)
    assert thinning.thinned(teacher, 9)[1] == [0]
    for every in (1, 0, -2):
        with pytest.raises(UserError, match=f"--every {every}:"):
            thinning.thinned(teacher, every)
    with pytest.raises(UserError, match="has 1 layers"):
        thinning.thinned(thinning.thinned(teacher, 9)[0], 2)


def test_a_folder_without_a_tokenizer_or_an_end_token(tokenizer, tmp_path):
    with pytest.raises(UserError, match="no tokenizer can be loaded"):
        load_tokenizer(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    path.write_text(json.dumps({key: value for key, value in json.loads(path.read_text()).items() if "eos" not in key}))
    with pytest.raises(UserError, match="eos_token"):
        load_tokenizer(tmp_path)


RULES = {
    # by lists with an entry a layer, by numbers of layers, by a count of first layers: cut with them
    "smollm3": {"no_rope_layers": [1, 0, 0, 1]},
    "deepseek_v2": DEEP | {"first_k_dense_replace": 3},
    "deepseek_v3": DEEP | {"first_k_dense_replace": 1},
    "qwen2_moe": EXPERTS | {"mlp_only_layers": [0, 3], "shared_expert_intermediate_size": 16},
    "qwen3_moe": EXPERTS | {"mlp_only_layers": [0], "head_dim": 8},
    "jamba": GROUPED
    | {"attn_layer_period": 4, "attn_layer_offset": 2, "num_experts": 2, "expert_layer_period": 4}
    | {"expert_layer_offset": 2},
    "gemma2": HEAD | {"sliding_window": 4, "layer_types": ["sliding_attention", "full_attention"] * 2},
}


@pytest.mark.parametrize("kind", RULES)
def test_rules_by_a_layers_number_are_cut_with_the_layers_or_refused(kind, capsys):
    """The teacher's own modules, without those between, are the reference."""
    teacher = architecture(kind, RULES[kind] | {"num_hidden_layers": 4})
    ids = torch.arange(1, 40)[None] % 96
    before = teacher(ids, use_cache=False).logits
    student, kept = thinning.thinned(teacher, 2)
    assert kept == [0, 2] and torch.equal(teacher(ids, use_cache=False).logits, before)
    layers = [layer for layer in teacher.model.layers if layer in (teacher.model.layers[0], teacher.model.layers[2])]
    assert [type(a) for a in student.model.layers] == [type(b) for b in layers]
    for ours, theirs in zip(student.model.layers, layers, strict=True):
        assert {name for name, _ in ours.named_parameters()} == {name for name, _ in theirs.named_parameters()}
    said = capsys.readouterr().out
    assert ("the kept layers' layer_types are all sliding_attention" in said) == (kind == "gemma2")


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("gpt2", GPT | {"n_layer": 4, "scale_attn_by_inverse_layer_idx": True}),
        ("qwen2_moe", EXPERTS | {"decoder_sparse_step": 2, "shared_expert_intermediate_size": 16}),
        ("jamba", GROUPED | {"attn_layer_period": 2, "attn_layer_offset": 1, "num_experts": 2}),
    ],
)
def test_layers_that_would_compute_otherwise_are_refused(kind, fields):
    if kind != "gpt2":
        fields = fields | {"num_hidden_layers": 4}
    with pytest.raises(UserError, match="alone are another model") as refusal:
        thinning.thinned(architecture(kind, fields), 2)
    assert "\n" not in str(refusal.value)


def test_a_student_that_starts_worse_than_uniform_is_told(tokenizer, capsys):
    teacher = made_model(tokenizer)
    student, _ = thinning.thinned(teacher, 2)
    found = thinning.say_quality(teacher, student, tokenizer)
    assert found["uniform"] == pytest.approx(torch.tensor(float(len(tokenizer))).log().item(), rel=1e-6)
    assert "worse than a uniform guess" not in capsys.readouterr().out or found["student"] > found["uniform"]
    with torch.no_grad():
        student.get_input_embeddings().weight.mul_(50)
    assert thinning.say_quality(teacher, student, tokenizer)["student"] > found["uniform"]
    assert "worse than a uniform guess" in capsys.readouterr().out
