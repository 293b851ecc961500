"""Tiny random causal language models with a byte-level tokenizer, as folders."""

import json

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

TEXT = 'def add(a, b):\n    """Return the sum of a and b."""\n    return a + b\n\n\nclass Box:\n    pass\n# é ü\n'
POSITIONS = 96
EXTRA = 12  # columns of logits that no token of the tokenizer has
SHAPES = {
    "gpt2": {"n_positions": POSITIONS, "n_embd": 32, "n_layer": 2, "n_head": 4},
    "llama": {
        "max_position_embeddings": POSITIONS,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    },
    "qwen2": {
        "max_position_embeddings": POSITIONS,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
    },
    "codegen": {"n_positions": POSITIONS, "n_ctx": POSITIONS, "n_embd": 64, "n_layer": 2, "n_head": 4, "rotary_dim": 8},
    "mistral": {
        "max_position_embeddings": POSITIONS,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "sliding_window": 8,
    },
}
KINDS = ("gpt2", "llama", "qwen2", "codegen")


def make_tokenizer():
    """A byte-level BPE of some 300 tokens with <s>, <pad>, </s> as 0, 1, 2."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<s>", "<pad>", "</s>"]
    raw.train_from_iterator(
        [TEXT] * 3, trainers.BpeTrainer(vocab_size=300, special_tokens=special, initial_alphabet=alphabet)
    )
    return PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", pad_token="<pad>", eos_token="</s>")


def make_model(kind, size, seed=0, sharp=4.0):
    """A random model of `kind` over `size` tokens; `sharp` multiplies its logits, so that they differ."""
    torch.manual_seed(seed)
    config = AutoConfig.for_model(
        kind, vocab_size=size, bos_token_id=0, eos_token_id=2, pad_token_id=1, tie_word_embeddings=False, **SHAPES[kind]
    )
    model = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        model.get_output_embeddings().weight.normal_(std=sharp / model.get_output_embeddings().weight.shape[1] ** 0.5)
    return model


def make_folder(path, kind="gpt2", seed=0, sharp=4.0, change=None):
    """Write a tiny model and its tokenizer to `path`; `change(model)` may alter it first."""
    tokenizer = make_tokenizer()
    model = make_model(kind, len(tokenizer) + EXTRA, seed, sharp)
    if change:
        with torch.no_grad():
            change(model)
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def overflow(model):
    """A change: finite weights, from which logits are not."""
    model.get_output_embeddings().weight.mul_(1e38)


def make_benchmark(path, count=5):
    """A benchmark of `count` prompts of unlike length, each ending in a newline."""
    rows = [
        {"task_id": f"T/{i}", "prompt": f'def f{i}(a, b):\n    """Return{" the sum" * i} of a and b."""\n'}
        for i in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
