"""A model made smaller: the operations by name, and the folder that one writes.

An operation is a function (asked) -> (model, facts), entered in OPERATIONS. What the config must know of it stands in
its entry as literals; `study/entries.py` reads it there.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from codestill.kit.files import write_json
from codestill.kit.folders import whole_folder
from codestill.kit.program import UserError, log
from codestill.models.folders import copy_tokenizer, save_weights
from codestill.models.loading import PRECISIONS, dtype_of, load_model, stored_type
from codestill.models.narrowing import narrow
from codestill.models.quantisation import quantised
from codestill.models.sparsity import sparse
from codestill.models.weights import weights_on_disk


@dataclass(frozen=True)
class Operation:
    """One way to make a model smaller: its function, its words, and what its field in the config takes.

    values: one of these. share: a number between 0 and 1. parts: a mapping of these to shares that are kept.
    by: it ranks weights, by what `by` says. last: no other operation can follow.
    """

    make: object
    words: str
    values: tuple = ()
    share: bool = False
    parts: tuple = ()
    by: bool = False
    last: bool = False


@dataclass
class Compression:
    """What an operation is given: the parent's folder, its field's value, what it ranks by, and batches to rank on.

    batches: list of {input_ids, position_ids} of training text, on the CPU.
    """

    folder: str
    value: object
    by: str | None
    batches: list


def cast(asked):
    """The same model in half precision: weights rounded to bf16 or fp16, half the bytes."""
    model = load_model(asked.folder, dtype_of("float32"))
    lost = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    model.to(dtype_of(asked.value))
    if not all(bool(weight.isfinite().all()) for weight in model.parameters()):
        raise UserError(f"{asked.folder}: a weight does not fit {asked.value}; cast to bf16")
    largest = max((lost[name] - weight.float()).abs().max().item() for name, weight in model.named_parameters())
    return model, {"type": PRECISIONS[asked.value], "largest_change": largest}


def prune(asked):
    """A share of the weights set to zero, or (of a mapping) whole neurons, heads and layers taken out.

    It is reckoned in float32 and written in the type that the folder has: what stays is what was there.
    """
    model, facts = narrow(asked) if isinstance(asked.value, dict) else sparse(asked)
    return model.to(stored_type(asked.folder)), facts


OPERATIONS = {
    "quantise": Operation(
        quantised, words="weights in 8 or 4 bits, by bitsandbytes", values=("int8", "nf4"), last=True
    ),
    "cast": Operation(cast, words="weights in half precision", values=("bf16", "fp16")),
    "prune": Operation(
        prune,
        words="a share of the weights set to zero, or {mlp, heads, depth: the share that is kept}",
        share=True,
        parts=("mlp", "heads", "depth"),
        by=True,
    ),
}


def compress(name, asked, output):
    """Write the model that operation `name` makes of `asked.folder`, and its compression.json; returns its facts.

    Raises UserError where the folder came out no smaller; with zeros, which stay where they were, where it came out
    larger.
    """
    model, facts = OPERATIONS[name].make(asked)
    held = sum(weight.nbytes for weight in model.parameters())  # without the file's head, which each writer has its own
    with whole_folder(output) as folder:
        save_weights(model, folder)
        copy_tokenizer(asked.folder, folder)
        bytes_before, bytes_after = (weights_on_disk(one) for one in (asked.folder, folder))
        if held > bytes_before if "zeros" in facts else bytes_after >= bytes_before:
            raise UserError(
                f"{name}: {bytes_after:,} bytes, no fewer than the {bytes_before:,} of {asked.folder}: nothing is "
                "gained; leave the variant out"
            )
        facts |= {"operation": name, "value": asked.value, "by": asked.by, "bytes": bytes_after}
        facts |= {
            "bytes_of_parent": bytes_before,
            "kl_to_parent": distance(asked.folder, folder, asked.batches),
        }
        write_json(Path(folder) / "compression.json", facts)
    told = f"{bytes_after:,} of {bytes_before:,} bytes ({bytes_after / bytes_before:.0%})"
    zeros = (
        f", {facts['zeros']:.0%} of the matrices zero: the same bytes, and not faster here" if "zeros" in facts else ""
    )
    log(f"{name} {json.dumps(asked.value)}: {told}{zeros}; KL to its parent {facts['kl_to_parent']:.3g} nats a token")
    return facts


def distance(parent, child, batches):
    """Mean KL(parent || child) at T = 1 in nats a position of the batches, what the operation changed."""
    import torch

    models = [load_model(one, quantised=True) for one in (parent, child)]
    total = count = 0
    with torch.inference_mode():
        for batch in batches[:4]:
            log_p, log_q = (model(**batch, use_cache=False).logits.float().log_softmax(-1) for model in models)
            total += (log_p.exp() * (log_p - log_q)).sum(-1).sum().item()
            count += log_p.shape[0] * log_p.shape[1]
    return total / count
