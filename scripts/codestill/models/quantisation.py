"""Weights in few bits, by bitsandbytes: int8 (Dettmers et al. 2022, LLM.int8) and nf4 (Dettmers et al. 2023, QLoRA).

Embeddings, norms and the head keep their precision. The folder is transformers' own; it loads on a CPU and on a GPU.
"""

from codestill.kit.program import UserError
from codestill.models.loading import (
    check_bitsandbytes,
    load_config,
    load_model,
    load_quantised,
    refuse_quantised,
    set_dropout,
)
from codestill.models.sparsity import as_rows, linears

BITS = {"int8": 8, "nf4": 4}
BLOCK = 64  # weights that share a scale in nf4; its product on a CPU wants whole ones in each row


def load_in_bits(folder, bits, device="cpu", dropout=None, dtype="float32"):
    """The model of a folder with its linear layers in int8, or in nf4 with double quantisation, in eval mode.

    dtype: torch's name of the type in which nf4's products are taken. Raises UserError where it cannot be had so.
    """
    import torch
    from transformers import BitsAndBytesConfig

    check_bitsandbytes(bits)
    config = load_config(folder)
    refuse_quantised(folder, config)
    if dropout is not None:
        set_dropout(config, dropout)
    narrow = [name for name, one in linears(load_model(folder)).items() if as_rows(one).shape[1] % BLOCK]
    if bits == "nf4" and narrow:
        raise UserError(f"{folder}: nf4 takes layers of {BLOCK} inputs or a multiple, which {narrow[0]} has not; int8")
    if bits == "int8":
        # Threshold 0: no column of a batch is treated apart because another row of it is large, so that a row's
        # result does not depend on its company. Such outliers matter from 6.7 billion parameters on (ibid., figure 3).
        how = BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold=0.0)
    else:
        how = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=getattr(torch, dtype),
        )
    model = load_quantised(folder, how, device, config)
    if not _layers(model):
        raise UserError(f"{folder}: no linear layer that bitsandbytes takes; quantise another model")
    return differentiable(model)


def bits_of(folder):
    """int8 or nf4 where bitsandbytes has quantised a folder's weights so; else None."""
    found = getattr(load_config(folder), "quantization_config", None) or {}
    found = found if isinstance(found, dict) else found.to_dict()
    return "int8" if found.get("load_in_8bit") else "nf4" if found.get("load_in_4bit") else None


def differentiable(model):
    """`model`, kept from the form of nf4 that bitsandbytes turns to on some CPUs; returns the model.

    There, from its first pass in eval mode on, a layer rounds what it is given to bfloat16 and has no gradient: an
    adapter beneath it would learn nothing, without a word.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return model


def _layers(model):
    return sum(1 for module in model.modules() if type(module).__module__.startswith("bitsandbytes"))


def quantised(asked):
    """(model, facts): the model of a folder in int8 or nf4, and how many layers are."""
    model = load_in_bits(asked.folder, asked.value)
    return model, {"bits": BITS[asked.value], "layers": _layers(model)}
