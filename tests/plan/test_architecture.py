"""Sizes from shapes: the parameters of published models and of transformers' own, and the operations of a token."""

import pytest

from codestill.plan.architecture import KNOWN, from_config, guessed

DISTILGPT2 = {"model_type": "gpt2", "n_layer": 6, "n_embd": 768, "vocab_size": 50257}
CODEGPT = {"model_type": "gpt2", "n_layer": 12, "n_embd": 768, "vocab_size": 50001}
QWEN = {
    "model_type": "qwen2",
    "num_hidden_layers": 24,
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "vocab_size": 151936,
    "tie_word_embeddings": True,
}
CODEGEN = {"model_type": "codegen", "n_layer": 20, "n_embd": 1024, "vocab_size": 51200}
PUBLISHED = {
    "distilbert/distilgpt2": DISTILGPT2,
    "microsoft/CodeGPT-small-py": CODEGPT,
    "Qwen/Qwen2.5-Coder-0.5B": QWEN,
    "Salesforce/codegen-350M-mono": CODEGEN,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_models_have_their_published_size(name):
    found, known = from_config(PUBLISHED[name], "test"), guessed(name, {})
    assert found.parameters == known.parameters
    assert (found.layers, found.width, found.vocabulary) == (known.layers, known.width, known.vocabulary)


def test_operations_of_the_study_pair():
    """By hand: DistilGPT-2's body has 42.5 M weights and its head 38.6 M; CodeGPT's body 85 M, its head 38.4 M."""
    student, teacher = from_config(DISTILGPT2, "test"), from_config(CODEGPT, "test")
    assert 3 * student.forward() / 1e6 == pytest.approx(487, rel=0.015)
    assert teacher.forward(head=False) / 1e6 == pytest.approx(170, rel=0.015)
    assert (teacher.forward() - teacher.forward(head=False)) / 1e6 == pytest.approx(77, rel=0.01)
    assert student.forward(context=100) - student.forward() == 4 * 6 * 768 * 100


def test_an_untied_head_is_no_part_of_the_body():
    codegen = from_config(CODEGEN, "test")
    assert codegen.body == pytest.approx(12 * 20 * 1024**2, rel=0.002)
    assert codegen.body == guessed("Salesforce/codegen-350M-mono", {}).body


def test_a_student_takes_the_teachers_vocabulary_and_every_second_layer():
    student = from_config(DISTILGPT2, "test").with_vocabulary(50001)
    assert student.parameters == 81_912_576 - 256 * 768
    half = from_config(CODEGPT, "test").with_layers(6)
    assert half.layers == 6
    assert half.parameters == pytest.approx(student.parameters, rel=0.01)


def test_an_unknown_model_is_said_to_be_a_guess():
    assert guessed("someone/thing", {}).source.startswith("guess: someone/thing")
    assert all(not guessed(name, {}).source.startswith("guess") for name in KNOWN)


SMALL = [
    {"model_type": "gpt2", "n_layer": 3, "n_embd": 48, "n_head": 4, "n_positions": 64, "vocab_size": 301},
    {"model_type": "codegen", "n_layer": 2, "n_embd": 64, "n_head": 4, "rotary_dim": 8, "vocab_size": 301},
    {**QWEN, "num_hidden_layers": 2, "hidden_size": 56, "intermediate_size": 88, "vocab_size": 301},
    {
        "model_type": "llama",
        "num_hidden_layers": 2,
        "hidden_size": 48,
        "intermediate_size": 80,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 301,
    },
]


@pytest.mark.parametrize("shape", SMALL, ids=lambda shape: shape["model_type"])
def test_small_shapes_have_the_size_that_transformers_builds(shape):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**shape))
    assert from_config(shape, "test").parameters == sum(weights.numel() for weights in model.parameters())
