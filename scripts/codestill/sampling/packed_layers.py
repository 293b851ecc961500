"""Linear layers whose weights are laid out once for oneDNN's matrix products.

torch's own products of float32 on an x86 CPU are MKL's. On an AMD core (Zen 5) they reached 110 billion operations a
second at 128 rows, oneDNN's on packed weights 260; a processor of Intel's has not been measured.
"""

import platform

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from codestill.sampling.kv_cache import agree

ROWS = 128  # rows that the layout is chosen for; it serves fewer and more


class PackedLinear(nn.Module):
    """The layer `linear` (nn.Linear or GPT-2's Conv1D) for inference: `weight` [out, in] in oneDNN's layout."""

    def __init__(self, linear):
        super().__init__()
        self.kind = type(linear)
        weight = linear.weight.t() if self.kind is Conv1D else linear.weight
        packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), ROWS)
        self.weight = nn.Parameter(packed, requires_grad=False)
        self.bias = linear.bias

    def forward(self, x):
        """x [..., in] -> [..., out]."""
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")

    def unpacked(self):
        """The layer as it was."""
        weight = self.weight.to_dense()
        with torch.device("meta"):
            linear = Conv1D(*weight.shape) if self.kind is Conv1D else nn.Linear(*reversed(weight.shape))
        weight = weight.t().contiguous() if self.kind is Conv1D else weight
        linear.weight, linear.bias = nn.Parameter(weight, requires_grad=False), self.bias
        return linear


def packable(model):
    """Whether this machine has the instructions and `model` the precision that oneDNN's products are good for.

    A question of the machine and not of a timing: all shards of a run must answer it alike.
    """
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    vectors = torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
    on_cpu = all(weight.device.type == "cpu" and weight.dtype == torch.float32 for weight in model.parameters())
    return x86 and vectors and torch.backends.mkldnn.is_available() and on_cpu


@torch.inference_mode()
def pack(model):
    """Replace the linear layers of `model` by packed ones where this machine gains by it; returns the model.

    For inference only. A weight that another layer uses too (tied embeddings) stays there as it was: the packed copy
    comes on top. A model that does more with its layers than to call them is left as it was.
    """
    if not packable(model):
        return model
    layers = [
        (module, name)
        for module in model.modules()
        for name, child in module.named_children()
        if type(child) in (nn.Linear, Conv1D)
    ]
    ids = torch.arange(8)[None] % model.config.get_text_config(decoder=True).vocab_size
    before = model(input_ids=ids, use_cache=False).logits
    for module, name in layers:  # one by one, so that memory holds one layer twice and not all of them
        setattr(module, name, PackedLinear(getattr(module, name)))
    if not _agrees(model, ids, before):
        for module, name in layers:
            setattr(module, name, getattr(module, name).unpacked())
    return model


def _agrees(model, ids, before):
    try:
        after = model(input_ids=ids, use_cache=False).logits
    except (RuntimeError, AttributeError, TypeError):  # it read a weight itself, whose layout no other product knows
        return False
    return agree(after, before, torch.float32)
