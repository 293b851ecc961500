"""Unstructured pruning: the weights that matter least set to zero, in each matrix alike.

By magnitude (Han et al. 2015), or by Wanda (Sun, Liu, Bair & Kolter 2024, arXiv:2306.11695): |weight| times the norm
of its input over training text, compared within each output. The norms are of the model before pruning, in one pass.
Zeros are stored as any number is: the file keeps its size, and dense products take as long.
"""

import torch

from codestill.kit.program import UserError
from codestill.models.loading import load_model


def linears(model):
    """{name: module} of the linear layers (nn.Linear or Conv1D, in few bits too) beside the head and embeddings."""
    from transformers.pytorch_utils import Conv1D

    head = model.get_output_embeddings()
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D) and module is not head
    }


def as_rows(module):
    """The weight of a linear layer as [outputs, inputs], a view; GPT-2's Conv1D keeps the inputs first."""
    return module.weight if isinstance(module, torch.nn.Linear) else module.weight.t()


def watch(model, modules, batches, take):
    """Run the model over `batches`; take(name, inputs, output) sees each pass of each of `modules` {name: one}."""
    hooks = [
        module.register_forward_hook(lambda _, inputs, output, name=name: take(name, inputs, output))
        for name, module in modules.items()
    ]
    try:
        for batch in batches:
            model(**batch, use_cache=False)
    finally:
        for one in hooks:
            one.remove()


@torch.inference_mode()
def input_norms(model, modules, batches):
    """{name: L2 norm of each input of the module over all positions of the batches, float32 [inputs]}."""
    sums = {name: torch.zeros(as_rows(module).shape[1]) for name, module in modules.items()}

    def take(name, inputs, output):
        sums[name] += inputs[0].float().square().flatten(0, -2).sum(0)

    watch(model, modules, batches, take)
    return {name: total.sqrt() for name, total in sums.items()}


@torch.no_grad()
def sparse(asked):
    """(model, facts): the model with a share of each linear layer's weights set to zero."""
    model = load_model(asked.folder)
    modules, share = linears(model), asked.value
    if not modules:
        raise UserError(f"{asked.folder}: no linear layers to prune; choose another model")
    norms = input_norms(model, modules, asked.batches) if asked.by == "activation" else {}
    for name, module in modules.items():
        rows = as_rows(module)
        score = rows.abs() * norms.get(name, 1.0)
        groups = score if asked.by == "activation" else score.reshape(1, -1)
        drop = groups.argsort(dim=1, stable=True)[:, : round(share * groups.shape[1])]
        rows.masked_fill_(torch.zeros_like(groups, dtype=torch.bool).scatter_(1, drop, True).view_as(rows), 0.0)
    weights = [as_rows(module) for module in modules.values()]
    zeros = sum((one == 0).sum().item() for one in weights) / sum(one.numel() for one in weights)
    return model, {"zeros": zeros}
