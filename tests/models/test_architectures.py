"""Every kind of causal language model through the whole way, tiny: saved, loaded, taught, teaching, written from.

By no name in the code: the names are here.
"""

import numpy as np
import pytest
import torch
from datasets import Dataset

import tiny_models as tiny
from codestill.data.batches import Examples, collate
from codestill.distill import teacher_cache
from codestill.distill.objective import PLAIN, Objective
from codestill.distill.teacher import OnlineTeacher
from codestill.distill.trainer import student_forward
from codestill.kit.program import UserError
from codestill.measure.bits_per_byte import measure
from codestill.measure.function_parts import FunctionParts
from codestill.models.folders import save_weights
from codestill.models.heads import router_fault, row_fault, split
from codestill.models.loading import load_model
from codestill.models.shapes import build_model
from codestill.sampling.kv_cache import Lanes, Unsupported

ROWS = 96
PLAIN_SHAPE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}
GROUPED = PLAIN_SHAPE | {"num_key_value_heads": 2}
HEAD = GROUPED | {"head_dim": 8}
GPT = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
EXPERTS = GROUPED | {"moe_intermediate_size": 16, "num_experts": 4, "num_experts_per_tok": 2}
LATENT = PLAIN_SHAPE | {"kv_lora_rank": 8, "qk_rope_head_dim": 4, "qk_nope_head_dim": 4, "v_head_dim": 8}
DEEP = LATENT | {"num_key_value_heads": 4, "q_lora_rank": None, "moe_intermediate_size": 16, "n_routed_experts": 4}
DEEP |= {"num_experts_per_tok": 2, "n_group": 1, "topk_group": 1, "n_shared_experts": 1, "first_k_dense_replace": 1}
SLIDING = {"sliding_window": 4, "layer_types": ["sliding_attention", "full_attention"]}

# Functions of these may be packed in rows.
PACKED = {
    "gpt2": GPT,
    "codegen": GPT | {"rotary_dim": 4},
    "gptj": GPT | {"rotary_dim": 4},
    "gpt_bigcode": GPT | {"multi_query": True},
    "gpt_neox": PLAIN_SHAPE,
    "phi": GROUPED,
    "phi3": GROUPED,
    "llama": GROUPED | {"tie_word_embeddings": False},
    "qwen2": GROUPED,
    "qwen3": HEAD,
    "qwen2_moe": EXPERTS | {"shared_expert_intermediate_size": 16},
    "qwen3_moe": EXPERTS | {"head_dim": 8},
    "mixtral": GROUPED | {"num_local_experts": 4, "num_experts_per_tok": 2},
    "olmo2": GROUPED,
    "starcoder2": GROUPED,
    "mistral": HEAD | {"sliding_window": 4},
    "gemma": HEAD,
    "gemma2": HEAD | SLIDING | {"final_logit_softcapping": 5.0, "query_pre_attn_scalar": 8},
    "gemma3_text": HEAD | SLIDING | {"query_pre_attn_scalar": 8},
    "cohere": GROUPED | {"logit_scale": 0.25},
    "cohere2": HEAD | SLIDING | {"logit_scale": 0.25},
    "granite": GROUPED | {"logits_scaling": 4.0},
    "hyperclovax": GROUPED | {"logits_scaling": 4.0},
    "nanochat": GROUPED | {"final_logit_softcapping": 15.0},
    "stablelm": GROUPED,
    "deepseek_v2": DEEP,
    "deepseek_v3": DEEP,
    "minicpm3": LATENT | {"q_lora_rank": 8},
    "smollm3": GROUPED | {"no_rope_layers": [1, 0]},
    "llama4_text": HEAD | {"intermediate_size_mlp": 48, "num_local_experts": 2, "attention_chunk_size": 16},
}
# Functions of these would see each other in one row, so packed rows are refused; padded ones are right.
PADDED = {
    "falcon": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "alibi": True},
    "opt": PLAIN_SHAPE | {"ffn_dim": 48, "word_embed_proj_dim": 32},
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4},
    "mpt": {"d_model": 32, "n_layers": 2, "n_heads": 4, "max_seq_len": 64},
    "mamba": {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4},
    "rwkv": {"hidden_size": 32, "num_hidden_layers": 2, "attention_hidden_size": 32},
    "recurrent_gemma": PLAIN_SHAPE | {"num_key_value_heads": 1, "lru_width": 32, "attention_window_size": 8},
    "jamba": GROUPED | {"attn_layer_period": 2, "attn_layer_offset": 1, "num_experts": 2},
    "bamba": GROUPED | {"attn_layer_indices": [1], "mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_state": 4},
    "xlstm": {"hidden_size": 128, "num_hidden_layers": 2, "num_heads": 2},
    "gpt_oss": HEAD | SLIDING | {"num_local_experts": 4, "num_experts_per_tok": 2},
}


def made(kind, shape, seed=0):
    """A random model whose logits are far from alike; softcaps bend them."""
    from transformers import AutoConfig

    config = AutoConfig.for_model(kind, **shape, vocab_size=ROWS, bos_token_id=0, eos_token_id=0, pad_token_id=0)
    model = build_model(config, seed)
    with torch.no_grad():
        model.get_output_embeddings().weight.add_(0.2 * torch.randn_like(model.get_output_embeddings().weight))
    return model


def losses(model, batch, objective, teacher=None):
    """The loss of one batch by our head, and the gradient of every parameter."""
    model.zero_grad()
    count = int((batch["labels"][:, 1:] != -100).sum())
    loss, *_ = student_forward(model, batch, count, objective, teacher, torch.float32)
    loss.backward()
    return loss.item(), {name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None}


def own(model, row):
    """The model's own sum of losses over the functions of a row, one at a time."""
    starts = [place for place, position in enumerate(row["position_ids"]) if position == 0]
    total = 0.0
    for start, stop in zip(starts, [*starts[1:], len(row["input_ids"])], strict=True):
        ids = torch.tensor([row["input_ids"][start:stop]])
        total += model(input_ids=ids, labels=ids, use_cache=False).loss * (ids.shape[1] - 1)
    return total


def greedy(lanes, ids, count):
    """Ids that lanes write behind `ids`."""
    state = lanes.prefill(ids)
    lanes.allocate(1, len(ids) + count)
    lanes.admit(0, state)
    written = [int(state.logits.argmax())]
    for step in range(count - 1):
        written.append(int(lanes.step(np.array(written[-1:]), np.array([len(ids) + step])).argmax()))
    return written


def whole_way(kind, shape, packed, tmp_path):
    model = made(kind, shape)
    save_weights(model, tmp_path / kind)
    loaded = load_model(tmp_path / kind)
    ids = torch.arange(1, 13)[None]
    with torch.no_grad():
        torch.testing.assert_close(loaded(ids, use_cache=False).logits, model.eval()(ids, use_cache=False).logits)
    rows = tiny.rows(4, packed=packed)
    data = Examples(Dataset.from_list(rows), source="rows")
    batch = collate(list(data))

    # Plain loss and its gradient are the model's own.
    count = int((batch["labels"][:, 1:] != -100).sum())
    found, gradients = losses(loaded, batch, PLAIN)
    loaded.zero_grad()
    loss = sum(own(loaded, row) for row in rows) / count
    loss.backward()
    assert found == pytest.approx(loss.item(), rel=1e-5)
    scale = max(gradient.abs().max() for gradient in gradients.values())
    for name, parameter in loaded.named_parameters():
        if name in gradients:
            assert (parameter.grad - gradients[name]).abs().max() <= 1e-4 * scale, name
    measured = measure(loaded, data, FunctionParts(data, [b"x"] * ROWS, 100), np.zeros(ROWS, bool), np.ones(ROWS, bool))
    assert measured["ce"] == pytest.approx(loss.item(), rel=1e-5)

    # Five steps teach it something.
    optimiser = torch.optim.AdamW(loaded.parameters(), lr=3e-3)
    loaded.train()
    for _ in range(5):
        losses(loaded, batch, PLAIN)
        optimiser.step()
    loaded.eval()
    assert losses(loaded, batch, PLAIN)[0] < found

    # It teaches alike from its stored states and run anew, a student of another kind.
    teacher = OnlineTeacher(loaded, ROWS)
    splits = {"train": data, "validation": data}
    teacher_cache.store_states(tmp_path / "states", tmp_path / "work", teacher, splits, "sha", batch_size=2)
    cached = teacher_cache.CachedTeacher(tmp_path / "states", splits, ROWS)
    student = tiny.model("gpt2", vocabulary=ROWS, seed=4)
    batch = collate(list(data))
    online, stored = (losses(student, batch, Objective(2.0, 0.3), one)[0] for one in (teacher, cached))
    assert stored == pytest.approx(online, rel=2e-3)
    return loaded


@pytest.mark.parametrize("kind", PACKED)
def test_packed_rows(kind, tmp_path):
    model = whole_way(kind, PACKED[kind], True, tmp_path)
    assert row_fault(model, packed=True) is None


@pytest.mark.parametrize("kind", PADDED)
def test_padded_rows(kind, tmp_path):
    model = whole_way(kind, PADDED[kind], False, tmp_path)
    assert "use scripts/tokenize_corpus.py --layout padded" in row_fault(model, packed=True)
    assert row_fault(model, packed=False) is None


@pytest.mark.parametrize("kind", [*PACKED, *PADDED])
def test_what_is_written_is_what_generate_writes(kind):
    model = made(kind, {**PACKED, **PADDED}[kind])
    lanes = Lanes(model, ROWS)
    prompt = [5, 17, 3, 60, 2]
    try:
        with torch.inference_mode():
            lanes.trial()
            written = greedy(lanes, prompt, 10)
    except Unsupported:
        return  # sampled with generate itself
    ids = torch.tensor([prompt])
    expected = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=10, min_new_tokens=10, do_sample=False, pad_token_id=0
    )
    assert written == expected[0, len(prompt) :].tolist()


def test_a_cap_is_found_that_small_logits_do_not_show():
    for kind, cap in (("recurrent_gemma", 30.0), ("nanochat", 15.0)):
        model = made(kind, {**PACKED, **PADDED}[kind])
        with torch.no_grad():
            model.get_output_embeddings().weight.mul_(1e-3)
        before = model.get_output_embeddings().weight.clone()
        assert split(model)[1].softcap == cap
        assert torch.equal(before, model.get_output_embeddings().weight)


def test_a_cap_without_a_name_is_refused():
    model = tiny.model("llama", tied=False)
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(1e-2)  # so faint that the cap bends nothing yet
    forward = model.forward

    def capped(*args, **kwargs):
        output = forward(*args, **kwargs)
        output.logits = 30 * torch.tanh(output.logits / 30)
        return output

    model.forward = capped
    with pytest.raises(UserError, match="not a linear map"):
        split(model)


def test_the_loss_of_routers_is_refused_and_not_left_out():
    model = made("mixtral", PACKED["mixtral"])
    assert router_fault(model) is None
    model.config.output_router_logits = True
    assert "set output_router_logits to false" in router_fault(model)
