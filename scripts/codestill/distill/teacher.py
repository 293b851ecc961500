"""Who teaches: the teacher run anew on every batch, its stored hidden states, or nobody (alpha = 1).

Whichever way its final states come, a study says in what type they are (`--cache_dtype`): a teacher that is run rounds
them as one that is stored does, so that the choice between the two is one of cost. float32 is exact.
"""

import torch

from codestill.kit.program import UserError
from codestill.models.heads import row_fault, split, target_rows
from codestill.models.loading import place

STATE_TYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}


def rounded(states, name):
    """`states` in the type `name` of STATE_TYPES. Raises UserError where one of them does not fit it."""
    states = states.to(STATE_TYPES[name])
    if not torch.isfinite(states).all():
        raise UserError(
            f"a state of the teacher does not fit {name}; use --cache_dtype bfloat16 or --cache_dtype float32"
        )
    return states


class OnlineTeacher:
    """The frozen teacher in evaluation mode, run without gradients on each batch.

    `columns` cuts its head to the student's vocabulary; `states` is the type of STATE_TYPES to which its states are
    rounded, None for the model's own. It may live on another device than the student.
    """

    kind = "online"

    def __init__(self, model, columns, device="cpu", dtype=torch.float32, states=None):
        place(model.requires_grad_(False).eval(), device, dtype)
        self.model, self.device, self.states = model, torch.device(device), states
        self._body, self.head_uncut = split(model)
        self.head = self.head_uncut.cut(min(columns, self.head_uncut.columns)).to()
        self.embeddings = model.get_input_embeddings().weight.shape[0]
        self._head_by_device = {}

    def head_on(self, device):
        """The teacher's head where the student's loss is computed."""
        if device not in self._head_by_device:
            self._head_by_device[device] = self.head.to(device)
        return self._head_by_device[device]

    def hidden(self, batch, training=True):
        """States [targets, width] at the positions of `batch` that predict a target, in order."""
        return self.states_and_layers(batch, [])[0]

    @torch.no_grad()
    def states_and_layers(self, batch, layers):
        """(the final states, those of each of `layers` as they are), each [targets, width] as `hidden` has them."""
        device = batch["input_ids"].device
        with torch.autocast(device.type, enabled=False), torch.autocast(self.device.type, enabled=False):
            found = self._body(
                input_ids=batch["input_ids"].to(self.device),
                position_ids=batch["position_ids"].to(self.device),
                use_cache=False,
                output_hidden_states=bool(layers),
            )
        rows = target_rows(batch["labels"]).to(self.device)
        states = found.last_hidden_state[:, :-1][rows]
        layers = [found.hidden_states[layer][:, :-1][rows].to(device) for layer in layers]
        return (rounded(states, self.states) if self.states else states).to(device), layers


class MixedTeacher:
    """Stored states (a CachedTeacher) for batches of the corpus, an OnlineTeacher for what the student wrote itself."""

    def __init__(self, stored, run):
        self._stored, self._run, self.model = stored, run, run.model
        self.head, self.embeddings = stored.head, stored.embeddings

    def head_on(self, device):
        """The teacher's head where the student's loss is computed."""
        return self._stored.head_on(device)

    def hidden(self, batch, training=True):
        """States [targets, width] at the positions of `batch` that predict a target, in order."""
        return (self._run if batch.get("own") else self._stored).hidden(batch, training)


def load_teacher(path, columns, device, dtype, packed, states=None, load_in=None):
    """An OnlineTeacher from a model folder, for rows that are `packed` or not (see `heads.row_fault`).

    load_in: int8 or nf4, the bits of its weights; None for those of the folder.

    On a GPU its body runs in the precision of the training, since it has no weights that must stay exact while they
    are updated; on a CPU in float32.
    """
    from codestill.models.loading import load_model
    from codestill.models.quantisation import load_in_bits

    model = load_in_bits(path, load_in, device) if load_in else load_model(path, quantised=True)
    fault = row_fault(model, packed)
    if fault:
        raise UserError(f"{path}: {fault}")
    dtype = dtype if torch.device(device).type == "cuda" else torch.float32
    return OnlineTeacher(model, columns, device, dtype, states)
