"""Weights in few bits, by bitsandbytes: int8 (Dettmers et al. 2022, LLM.int8) and nf4 (Dettmers et al. 2023, QLoRA).

Embeddings, norms and the head keep their precision. The folder is transformers' own; it loads on a CPU and on a GPU.
"""

from codestill.kit.program import UserError
from codestill.models.loading import check_bitsandbytes, load_config, load_model, load_quantised, refuse_quantised
from codestill.models.sparsity import as_rows, linears

BITS = {"int8": 8, "nf4": 4}
BLOCK = 64  # weights that share a scale in nf4; its product on a CPU wants whole ones in each row


def quantised(asked):
    """(model, facts): the model of a folder with its linear layers in int8, or in nf4 with double quantisation."""
    import torch
    from transformers import BitsAndBytesConfig

    check_bitsandbytes(asked.value)
    refuse_quantised(asked.folder, load_config(asked.folder))
    narrow = [name for name, one in linears(load_model(asked.folder)).items() if as_rows(one).shape[1] % BLOCK]
    if asked.value == "nf4" and narrow:
        raise UserError(
            f"{asked.folder}: nf4 takes layers of {BLOCK} inputs or a multiple, which {narrow[0]} has not; int8"
        )
    if asked.value == "int8":
        # Threshold 0: no column of a batch is treated apart because another row of it is large, so that a row's
        # result does not depend on its company. Such outliers matter from 6.7 billion parameters on (ibid., figure 3).
        how = BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold=0.0)
    else:
        how = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.float32,
        )
    model = load_quantised(asked.folder, how)
    layers = sum(1 for module in model.modules() if type(module).__module__.startswith("bitsandbytes"))
    if not layers:
        raise UserError(f"{asked.folder}: no linear layer that bitsandbytes takes; quantise another model")
    return model, {"bits": BITS[asked.value], "layers": layers}
