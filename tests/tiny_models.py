"""Tiny models of several architectures, a tiny tokenizer and token sets that fit them."""

from pathlib import Path

SIZES = {
    "gpt2": {"n_layer": 2, "n_head": 2, "n_positions": 64},
    "codegen": {"n_layer": 2, "n_head": 4, "n_positions": 64, "rotary_dim": 4},
    "llama": {"num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1},
    "qwen2": {"num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1},
}
WIDTHS = {"gpt2": "n_embd", "codegen": "n_embd", "llama": "hidden_size", "qwen2": "hidden_size"}
VOCABULARY = 96


def model(kind="gpt2", width=16, vocabulary=VOCABULARY, seed=0, tied=True, **more):
    """A random causal language model in float32 and evaluation mode."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    shape = {WIDTHS[kind]: width, "vocab_size": vocabulary, "tie_word_embeddings": tied, **SIZES[kind], **more}
    if kind in ("llama", "qwen2"):
        shape["intermediate_size"] = 2 * width
    shape |= {"bos_token_id": 0, "eos_token_id": 0}
    torch.manual_seed(seed)
    made = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **shape), dtype=torch.float32)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return made.eval()


def tokenizer():
    """A word tokenizer with the end token `<end>` as id 0."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {"<end>": 0, **{f"w{index}": index for index in range(1, VOCABULARY)}}
    plain = Tokenizer(models.WordLevel(words, unk_token="w1"))
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=plain, eos_token="<end>", bos_token="<end>", unk_token="w1")


def model_folder(folder, **shape):
    """A model with its tokenizer, saved."""
    made = model(**shape)
    made.save_pretrained(folder)
    made.generation_config.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return Path(folder)


def rows(count, seed=0, length=24, packed=True):
    """Rows of a token set: functions of 4 to 9 tokens that count upwards, each ended by token 0."""
    import numpy as np

    random = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        row = {"input_ids": [], "position_ids": [], "labels": [], "bytes": 0}
        while len(row["input_ids"]) < length - 10:
            size = int(random.integers(3, 9))
            start = int(random.integers(1, VOCABULARY - 10))
            ids = [start + step for step in range(size)] + [0]
            row["input_ids"] += ids
            row["position_ids"] += list(range(len(ids)))
            row["labels"] += [-100, *ids[1:]]
            row["bytes"] += 2 * size
            if not packed:
                break
        made.append(row)
    return made


def token_set(folder, count, **how):
    """A saved token set."""
    from datasets import Dataset

    Dataset.from_list(rows(count, **how)).save_to_disk(str(folder))
    return Path(folder)
