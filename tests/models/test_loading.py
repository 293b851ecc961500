"""Every architecture through the same door: body and head, packing, accumulation, padding, the teacher."""

import itertools

import pytest
import torch
from datasets import Dataset
from torch.nn import GELU
from transformers.activations import FastGELUActivation, NewGELUActivation

import tiny_models as tiny
from codestill.data.batches import FILLER, Examples, Filled, collate
from codestill.distill.objective import PLAIN, Objective
from codestill.distill.teacher import OnlineTeacher
from codestill.distill.trainer import student_forward
from codestill.kit.program import UserError
from codestill.models.heads import row_fault, split, target_rows
from codestill.models.loading import dropouts, fuse_activations, load_config, load_model, set_dropout

KINDS = ("gpt2", "codegen", "llama", "qwen2")


def examples(count=6, **how):
    return Examples(Dataset.from_list(tiny.rows(count, **how)))


def gradients(model, batches, objective, teacher=None, count=None):
    """{parameter: gradient} of the objective summed over batches, and its value."""
    count = count or sum(int(target_rows(batch["labels"]).sum()) for batch in batches)
    model.zero_grad()
    total = 0.0
    for batch in batches:
        loss, *_ = student_forward(model, batch, count, objective, teacher, torch.float32)
        loss.backward()
        total += loss.item()
    return total, {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


def same(left, right, tolerance=1e-5):
    total, one = left
    other_total, other = right
    assert total == pytest.approx(other_total, rel=1e-5)
    scale = max(gradient.abs().max().item() for gradient in one.values())
    for name in one:
        assert (one[name] - other[name]).abs().max().item() <= tolerance * scale, name


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_plain_loss_and_gradients_equal_the_models_own(kind, tied):
    model = tiny.model(kind, tied=tied)
    batch = collate(list(examples(3, packed=False)))
    found = gradients(model, [batch], PLAIN)
    model.zero_grad()
    loss = model(input_ids=batch["input_ids"], labels=batch["labels"], use_cache=False).loss
    loss.backward()
    same(found, (loss.item(), {name: parameter.grad for name, parameter in model.named_parameters()}))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tied", [True, False])
def test_soft_loss_against_full_logits(kind, tied):
    student, teacher = tiny.model(kind, tied=tied), tiny.model("gpt2", width=32, seed=5)
    batch = collate(list(examples(3, packed=False)))
    rows = target_rows(batch["labels"])
    t, alpha = 2.5, 0.4
    found = gradients(student, [batch], Objective(t, alpha), OnlineTeacher(teacher, tiny.VOCABULARY))
    student.zero_grad()
    z = student(input_ids=batch["input_ids"], use_cache=False).logits[:, :-1][rows]
    p = torch.softmax(teacher(input_ids=batch["input_ids"], use_cache=False).logits[:, :-1][rows].detach() / t, -1)
    targets = batch["labels"][:, 1:][rows]
    soft = torch.nn.functional.kl_div(torch.log_softmax(z / t, -1), p, reduction="sum")
    loss = (alpha * torch.nn.functional.cross_entropy(z, targets, reduction="sum") + (1 - alpha) * t**2 * soft) / len(z)
    loss.backward()
    same(found, (loss.item(), {name: parameter.grad for name, parameter in student.named_parameters()}))


@pytest.mark.parametrize("kind", KINDS)
def test_functions_packed_in_one_row_do_not_see_each_other(kind):
    model = tiny.model(kind)
    packed = examples(2)
    alone = []
    for row in packed:
        starts = [i for i, position in enumerate(row["position_ids"]) if position == 0] + [len(row["input_ids"])]
        for start, stop in itertools.pairwise(starts):
            alone.append({k: v if k == "example" else v[start:stop] for k, v in row.items()})
    assert len(alone) > len(packed)
    one = gradients(model, [collate(list(packed))], PLAIN)
    same(
        one, gradients(model, [collate([row]) for row in alone], PLAIN, count=sum(len(r["labels"]) - 1 for r in alone))
    )


def any_model(kind, **fields):
    """A random model of one layer by transformers' own names of its fields."""
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    shape = {"vocab_size": tiny.VOCABULARY, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    config = AutoConfig.for_model(kind, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, **shape, **fields)
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_models_that_tell_packed_functions_apart_may_have_packed_rows(kind):
    assert row_fault(tiny.model(kind), packed=True) is None


def test_the_rounding_of_a_deep_model_is_no_sight_of_what_follows():
    """Rows of two lengths differ here by 1.7e-4 of the largest state; real models of 24 layers had 1.2e-4."""
    model = tiny.model("llama", seed=4, width=64, num_hidden_layers=24)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.mul_(8 if "q_proj" in name or "k_proj" in name else 1)
    assert row_fault(model, packed=True) is None


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("opt", {"ffn_dim": 32, "word_embed_proj_dim": 16, "max_position_embeddings": 64}),
        ("bloom", {}),
        ("falcon", {"alibi": True}),
        ("xglm", {"d_model": 16, "num_layers": 1, "ffn_dim": 32, "attention_heads": 2}),
    ],
)
def test_models_that_do_not_are_refused_packed_rows_only(kind, fields):
    model = any_model(kind, **fields)
    assert "use scripts/tokenize_corpus.py --layout padded" in row_fault(model, packed=True)
    assert row_fault(model, packed=False) is None
    packed, padded = examples(2), examples(2, packed=False)
    assert packed.packed and not padded.packed


def test_a_model_that_sees_what_follows_is_refused():
    model = any_model("bert", intermediate_size=32, is_decoder=False)
    assert "sees the tokens that follow" in row_fault(model, packed=False)


def test_empty_rows_fill_the_batches_of_several_processes():
    indices = list(Filled(range(5), 4))
    assert indices == [0, 1, 2, 3, 4, FILLER, FILLER, FILLER] and len(Filled(range(8), 4)) == 8
    student, teacher, rows = tiny.model(), OnlineTeacher(tiny.model(width=24, seed=3), tiny.VOCABULARY), examples(5)
    whole = gradients(student, [collate(list(rows))], Objective(3.0, 0.5), teacher)
    filled = [collate([rows[index] for index in indices[start : start + 4]]) for start in (0, 4)]
    same(whole, gradients(student, [*filled, collate([rows[FILLER]] * 4)], Objective(3.0, 0.5), teacher))


def test_padding_and_accumulation_change_nothing():
    student, teacher = tiny.model(), OnlineTeacher(tiny.model(width=24, seed=3), tiny.VOCABULARY)
    rows = list(examples(6)) + list(examples(2, packed=False, seed=4))
    objective = Objective(3.0, 0.5)
    whole = gradients(student, [collate(rows)], objective, teacher)
    same(whole, gradients(student, [collate(rows[:1]), collate(rows[1:5]), collate(rows[5:])], objective, teacher))


def test_the_end_token_is_learned():
    batch = collate(list(examples(2)))
    targets = batch["labels"][:, 1:][target_rows(batch["labels"])]
    assert (targets == 0).sum() >= 4
    model = tiny.model()
    _, found = gradients(model, [batch], PLAIN)
    assert found["transformer.wte.weight"][0].abs().sum() > 0


def test_the_teacher_is_frozen_and_without_dropout():
    made = tiny.model(attn_pdrop=0.5, resid_pdrop=0.5, embd_pdrop=0.5).train()
    teacher = OnlineTeacher(made, tiny.VOCABULARY)
    batch = collate(list(examples(2)))
    assert torch.equal(teacher.hidden(batch), teacher.hidden(batch))
    assert not teacher.hidden(batch).requires_grad
    student = tiny.model(width=8, seed=2)
    before = [parameter.clone() for parameter in made.parameters()]
    gradients(student, [batch], Objective(2.0, 0.0), teacher)
    assert all(parameter.grad is None for parameter in made.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, made.parameters(), strict=True))


def test_a_model_of_nan_weights_is_refused_as_such():
    model = tiny.model()
    with torch.no_grad():
        model.transformer.wte.weight[3] = float("nan")
    with pytest.raises(UserError, match="logits are not finite"):
        split(model)


def test_a_model_whose_head_is_not_linear_in_its_last_state_is_refused():
    model = tiny.model()
    original = model.forward

    def doubled(*args, **kwargs):
        output = original(*args, **kwargs)
        output.logits = output.logits * 2
        return output

    split(model)
    model.forward = doubled
    with pytest.raises(UserError, match="not a linear map"):
        split(model)


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("gemma2", {"final_logit_softcapping": 5.0}),
        ("cohere", {"logit_scale": 0.25}),
        ("granite", {"logits_scaling": 4.0}),
    ],
)
def test_models_that_scale_or_cap_their_logits(kind, more):
    from transformers import AutoConfig, AutoModelForCausalLM

    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    shape |= {"num_key_value_heads": 1, "vocab_size": tiny.VOCABULARY, "bos_token_id": 0, "eos_token_id": 0}
    shape |= {"pad_token_id": 0, **({"head_dim": 8} if kind == "gemma2" else {})}
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **shape, **more), dtype=torch.float32)
    _, head = split(model)
    assert (head.scale, head.softcap) != (1.0, None)


def test_dropout_is_set_whatever_the_architecture_calls_it(tmp_path):
    for kind, expected in {"gpt2": 3, "codegen": 3, "llama": 1, "qwen2": 1}.items():
        tiny.model(kind).save_pretrained(tmp_path / kind)
        config = load_config(tmp_path / kind)
        set_dropout(config, 0.25)
        assert list(dropouts(config).values()) == [0.25] * expected
    model = load_model(tmp_path / "gpt2", dropout=0.25).train()
    ids = torch.arange(8)[None]
    assert not torch.equal(model(ids).logits, model(ids).logits)
    with pytest.raises(UserError, match=r"--dropout 1\.5"):
        set_dropout(load_config(tmp_path / "gpt2"), 1.5)


def test_new_weights_follow_the_seed(tmp_path):
    tiny.model().save_pretrained(tmp_path)

    def weights(seed):
        return load_model(tmp_path, init="random", seed=seed).get_input_embeddings().weight

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))
    assert not torch.equal(weights(1), load_model(tmp_path).get_input_embeddings().weight)


def test_half_precision_weights_are_trained_in_float32(tmp_path):
    tiny.model().half().save_pretrained(tmp_path)
    assert load_model(tmp_path).dtype == torch.float32


def test_rows_are_cut_and_limited():
    dataset = Dataset.from_list(tiny.rows(5))
    short = Examples(dataset, max_seq_length=7, limit=2)
    assert len(short) == 2 and all(len(row["input_ids"]) == 7 for row in [short[0], short[1]])
    assert short.all_targets() < Examples(dataset, limit=2).all_targets()
    assert short.checksum() != Examples(dataset, limit=2).checksum()
    assert Examples(dataset).checksum() == Examples(Dataset.from_list(tiny.rows(5))).checksum()
    with pytest.raises(UserError, match="no column position_ids"):
        Examples(dataset.remove_columns("position_ids"))


@pytest.mark.parametrize("activation", ["gelu_new", "gelu_fast"])
def test_fused_activations_are_the_same_function(activation, tmp_path):
    model = tiny.model("gpt2", activation_function=activation)
    batch = collate(list(examples(2)))
    expected = gradients(model, [batch], PLAIN)
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    assert fuse_activations(model) is model
    kinds = {type(module) for module in model.modules()}
    assert GELU in kinds and not kinds & {NewGELUActivation, FastGELUActivation}
    same(gradients(model, [batch], PLAIN), expected)
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    model.save_pretrained(tmp_path)
    assert load_config(tmp_path).activation_function == activation
