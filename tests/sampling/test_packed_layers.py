"""Packed layers: the same function as those they replace, and none where machine or model are not made for it."""

import copy

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from codestill.sampling.packed_layers import PackedLinear, pack, packable
from small_models import KINDS, make_model

IDS = torch.arange(3, 43).reshape(2, 20)


def needs_packing(module):
    if not packable(module):
        pytest.skip("this processor has no AVX2, or torch no oneDNN")
    return module


@pytest.fixture(params=KINDS)
def model(request):
    return needs_packing(make_model(request.param, 300))


def logits(model):
    with torch.inference_mode():
        return model(input_ids=IDS).logits


def kinds_of_layers(model):
    return {type(module) for module in model.modules()} & {nn.Linear, Conv1D, PackedLinear}


def test_every_layer_is_packed_and_computes_the_same(model):
    before = logits(model)
    assert pack(model) is model and kinds_of_layers(model) == {PackedLinear}
    torch.testing.assert_close(logits(model), before, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [1, 7, 200])
def test_a_layer_beside_float64(bias, rows):
    torch.manual_seed(0)
    layers = [nn.Linear(48, 40, bias=bias), *([Conv1D(40, 48)] if bias else [])]
    needs_packing(layers[0])
    x = torch.randn(2, rows, 48)
    for layer in layers:
        nn.init.normal_(layer.weight)
        exact = layer.double()(x.double())
        with torch.inference_mode():
            found = PackedLinear(layer.float())(x).double()
        torch.testing.assert_close(found, exact, rtol=1e-5, atol=1e-4)


def test_a_tied_head_leaves_the_embeddings_alone(model):
    model.get_output_embeddings().weight = model.get_input_embeddings().weight
    before, embedding = logits(model), model.get_input_embeddings().weight.clone()
    pack(model)
    torch.testing.assert_close(logits(model), before, rtol=1e-4, atol=1e-4)
    assert torch.equal(model.get_input_embeddings().weight, embedding)


@pytest.mark.parametrize("look", [lambda head: 0 * head.weight.sum(), lambda head: isinstance(head, nn.Linear)])
def test_a_model_that_looks_into_its_layers_is_left_as_it_was(model, look):
    weights, usual = {name: weight.clone() for name, weight in model.state_dict().items()}, model.forward

    def forward(input_ids, **options):
        output = usual(input_ids=input_ids, **options)
        output.logits = output.logits + look(model.get_output_embeddings())
        return output

    model.forward = forward
    before = logits(model)
    pack(model)
    assert PackedLinear not in kinds_of_layers(model) and torch.equal(logits(model), before)
    assert model.state_dict().keys() == weights.keys()
    assert all(torch.equal(weight, weights[name]) for name, weight in model.state_dict().items())


def test_other_precisions_keep_their_layers(model):
    half = copy.deepcopy(model).to(torch.bfloat16)
    assert PackedLinear not in kinds_of_layers(pack(half))
