"""Sums of losses over a batch, for exact means over a data set."""

from dataclasses import replace

import torch

from codestill.distill.objective import PLAIN, distillation_loss
from codestill.models.heads import split, target_rows


@torch.no_grad()
def batch_sums(model, batch, objective, teacher, dtype):
    """float64 [4]: CE, KL(teacher || student) at T = 1, T^2 D of the objective, number of targets; sums over targets.

    Where the objective has no teacher the second and third are 0.
    """
    body, head = split(model, check=False)
    rows = target_rows(batch["labels"])
    targets = batch["labels"][:, 1:][rows]
    states = body(input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False).last_hidden_state[
        :, :-1
    ][rows]
    if not objective.needs_teacher:
        losses = distillation_loss(states, targets, head, PLAIN, 1, dtype=dtype)
        return torch.tensor([losses.ce.item(), 0.0, 0.0, len(targets)], dtype=torch.float64)
    taught = teacher.hidden(batch, training=False), teacher.head_on(states.device)
    plain_kl = replace(objective, temperature=1.0, divergence="forward_kl")
    losses = distillation_loss(states, targets, head, plain_kl, 1, *taught, dtype=dtype)
    soft = losses.soft
    if plain_kl != objective:
        soft = distillation_loss(states, targets, head, objective, 1, *taught, dtype=dtype).soft
    sums = [losses.ce.item(), losses.soft.item(), soft.item(), len(targets)]
    return torch.tensor(sums, dtype=torch.float64)


def mean_ce(model, examples, batch_size, device, dtype, limit=None):
    """(CE in nats per target, targets) of a model alone, over the first `limit` rows."""
    from codestill.data.batches import batches

    training = model.training
    model.eval()
    sums = torch.zeros(4, dtype=torch.float64)
    indices = range(min(limit or len(examples), len(examples)))
    for batch in batches(examples, batch_size, indices, device):
        sums += batch_sums(model, batch, PLAIN, None, dtype)
    model.train(training)
    return (sums[0] / sums[3]).item() if sums[3] else float("nan"), int(sums[3])
