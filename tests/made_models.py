"""Tiny tokenizers and random models of several architectures, saved as folders, and functions to feed them."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"

SHAPES = {
    "gpt2": {"n_layer": 4, "n_embd": 32, "n_head": 2, "n_positions": 128},
    "codegen": {"n_layer": 4, "n_embd": 32, "n_head": 4, "n_positions": 128, "rotary_dim": 8},
    "llama": {"num_hidden_layers": 4, "hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 48},
    "qwen2": {
        "num_hidden_layers": 4,
        "hidden_size": 32,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "intermediate_size": 48,
        "tie_word_embeddings": True,
    },
    "gemma3_text": {
        "num_hidden_layers": 4,
        "hidden_size": 32,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "intermediate_size": 48,
        "layer_types": ["sliding_attention", "full_attention", "full_attention", "sliding_attention"],
    },
}


def record(number, docstring="Add things."):
    """A documented function, longer with its number."""
    steps = "".join(f"    value{step} = x * {step} + len(y)\n" for step in range(number % 7))
    code = f'def f{number}(x, y={number}):\n    """{docstring} Case {number}."""\n{steps}    return x + {number}\n'
    return {"code": code, "docstring": f"{docstring} Case {number}."}


def write_corpus(path, count=60):
    """A JSON-lines corpus of `count` functions."""
    Path(path).write_text("".join(json.dumps(record(number)) + "\n" for number in range(count)))
    return Path(path)


def made_tokenizer(texts=None, vocab_size=320):
    """A byte-level tokenizer trained on a few functions."""
    from codestill.models.tokenizers import train_tokenizer

    return train_tokenizer(texts or [record(number)["code"] for number in range(40)], vocab_size)


def dataset_of(columns):
    """The rows of flat columns, as a set of tokens on disk would give them."""
    import pyarrow
    from datasets import Dataset

    from codestill.data.token_file import batch_of

    return Dataset(pyarrow.Table.from_batches([batch_of(columns)]))


def byte_tokenizer(tokens, end="</s>", pad="<pad>", merges=(), **special):
    """A byte-level tokenizer with exactly the given token strings as ids 0, 1, ...: to permute and to extend."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE({token: index for index, token in enumerate(tokens)}, list(merges)))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    names = [name for name in (end, pad, *special.values()) if name]
    backend.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=end, pad_token=pad, **special)


def alphabet():
    """The 256 tokens of single bytes."""
    from tokenizers import pre_tokenizers

    return sorted(pre_tokenizers.ByteLevel.alphabet())


def made_model(tokenizer, kind="gpt2", seed=0, rows=None, **fields):
    """A random model for `tokenizer`, with `rows` embedding rows where that is not its number of tokens."""
    from codestill.models.shapes import build_model, config_of

    config = config_of({"model_type": kind, **SHAPES[kind], **fields}, tokenizer)
    if rows:
        config.vocab_size = rows
    return build_model(config, seed)


def model_folder(folder, tokenizer, **how):
    """A model and its tokenizer, saved by transformers alone."""
    model = made_model(tokenizer, **how)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Path(folder)


def run_script(name, *arguments):
    """Run scripts/<name>.py as a user does; returns the finished process with its output as text."""
    command = [sys.executable, str(SCRIPTS / f"{name}.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)
