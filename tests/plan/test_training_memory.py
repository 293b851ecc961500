"""What a training holds, against transformers', peft's and bitsandbytes' own tensors."""

import pytest
import torch
from transformers import Trainer, TrainingArguments

import tiny_models as tiny
from codestill.models.adapters import load_adapted, trained
from codestill.plan.architecture import Architecture, from_config
from codestill.plan.training_memory import MOMENTS, activation_bytes, adapter_parameters, held_bytes, passes
from codestill.study.sections.training import Adapter, Training


@pytest.mark.parametrize("kind, tolerance", [("gpt2", 1e-9), ("llama", 0.25)])
def test_an_adapter_is_reckoned_as_peft_makes_it(tmp_path, kind, tolerance):
    folder = tiny.model_folder(
        tmp_path / "base", kind=kind, width=192, **({"num_key_value_heads": 2} if kind == "llama" else {})
    )
    one = from_config(load_adapted(folder, Adapter(rank=3), None, "cpu", None, 0).config.to_dict(), "test")
    made = trained(load_adapted(folder, Adapter(rank=3), None, "cpu", None, seed=0))
    assert adapter_parameters(one, Adapter(rank=3)) == pytest.approx(
        sum(w.numel() for w in made.values()), rel=tolerance
    )


@pytest.mark.parametrize("optimizer", MOMENTS)
def test_moments_are_as_large_as_the_optimizer_makes_them(tmp_path, optimizer):
    layer = torch.nn.Linear(256, 512, bias=False)
    how = {"optim": optimizer} if optimizer else {}
    arguments = TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to=[], weight_decay=0.01, **how)
    chosen, options = Trainer.get_optimizer_cls_and_kwargs(arguments)
    made = chosen(layer.parameters(), **options)
    layer(torch.randn(3, 256)).square().sum().backward()
    made.step()
    held = sum(
        one.numel() * one.element_size()
        for name, one in made.state[layer.weight].items()
        if torch.is_tensor(one) and "qmap" not in name  # one map of 256 levels for all weights
    )
    assert held / layer.weight.numel() == pytest.approx(MOMENTS[optimizer], abs=0.05)


def test_by_hand_for_a_model_of_100_m_weights():
    one = Architecture(12, 768, 50000, 124_000_000, "test")
    assert held_bytes(one, Training()) == 16 * 124e6
    assert held_bytes(one, Training(optimizer="adamw_8bit")) == pytest.approx((4 + 4 + 2.03) * 124e6, rel=1e-3)
    small = adapter_parameters(one, Adapter(rank=8))
    assert small == 8 * 12 * 16 * 768
    assert held_bytes(one, Training(), Adapter(rank=8)) == 4 * 124e6 + 16 * small
    body = 124e6 - 50000 * 768
    few = held_bytes(one, Training(), Adapter(rank=8), "nf4")
    assert few == pytest.approx(4 * 50000 * 768 + body * (0.5 + 1 / 64) + 16 * small)
    assert [passes(Training(gradient_checkpointing=c), a) for c in (False, True) for a in (None, Adapter())] == [
        3,
        2,
        4,
        3,
    ]


@pytest.mark.parametrize("spared", [False, True])
def test_activations_are_about_what_autograd_keeps(spared):
    """Tensors that the backward pass of a GPT-2 holds, by autograd's own hook; the logits are another's."""
    model = tiny.model(width=64, n_layer=6, n_positions=64, n_head=4, attn_pdrop=0.1, resid_pdrop=0.1).train()
    if spared:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    kept, own = {}, {weight.untyped_storage().data_ptr() for weight in model.parameters()}

    def pack(tensor):
        if tensor.untyped_storage().data_ptr() not in own and tensor.is_floating_point():
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    ids = torch.arange(64)[None].repeat(4, 1)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        states = model.base_model(ids, use_cache=False).last_hidden_state
    assert states.requires_grad
    asked = Training(batch_size=4, gradient_checkpointing=spared)
    one = Architecture(6, 64, 0, 1, "test")
    reckoned = activation_bytes(one, asked, 64)
    if spared:  # what is computed again comes on top in the backward pass
        reckoned -= 4 * 64 * 4 * 64 * 34
    assert 0.5 < sum(kept.values()) / reckoned < 2
