"""The student's layers drawn to the teacher's, beside the objective: loss + hidden_weight * H.

H is the mean over pairs of layers of h(W s, t), summed over target tokens and divided as the other terms are; s and t
are the states of the two layers at the positions that predict a target.

    cosine   h = 1 - cos(W s, t)                 Sanh et al. 2019 (DistilBERT), section 3
    mse      h = |W s - t|^2 / teacher's width   Romero et al. 2015 (FitNets), eq. 3; Jiao et al. 2020 (TinyBERT), eq. 8

W is the identity where the widths agree. Else it is learnt with the student, one for each pair: a part of the model
while it is trained, and so of its checkpoints, its optimiser and its averages over processes, and never of what is
written.
"""

import torch
from torch.nn import functional

from codestill.kit.program import UserError

PROJECTIONS = "hidden_projections"  # the name under which the learnt maps are parts of a model that is trained


def cosine(found, wanted):
    """1 - cos of each row of two arrays [rows, width], float32 [rows]."""
    return 1 - functional.cosine_similarity(found, wanted, dim=-1)


def mse(found, wanted):
    """Mean squared difference of each row, float32 [rows]."""
    return (found - wanted).square().mean(-1)


LOSSES = {"cosine": cosine, "mse": mse}


def layer_pairs(asked, student, teacher):
    """[(student's layer, teacher's)] of `asked` ("1:2"; None: all of the student's, evenly spaced on the teacher's).

    Layers count from 1 to their numbers `student` and `teacher`; 0 is the embeddings. Raises UserError for others.
    """
    if asked is None:
        return [(layer, max(1, (2 * layer * teacher + student) // (2 * student))) for layer in range(1, student + 1)]
    pairs = [tuple(map(int, one.split(":"))) for one in asked]
    for pair, word in zip(pairs, asked, strict=True):
        for number, count, whose in zip(pair, (student, teacher), ("student", "teacher"), strict=True):
            if number > count:
                raise UserError(
                    f"--hidden_layers {word}: the {whose} has {count} layers (0 is its embeddings); name one of them"
                )
    return pairs


def layers_of(model):
    """How many layers a model has."""
    return model.config.get_text_config().num_hidden_layers


class HiddenStates:
    """The term of one training. Attaches the maps that it learns to `student`, drawn from `seed`."""

    def __init__(self, student, teacher, weight, kind, asked, seed):
        self.weight, self._loss = weight, LOSSES[kind]
        self.pairs = layer_pairs(asked, layers_of(student), layers_of(teacher))
        widths = [model.get_output_embeddings().weight.shape[1] for model in (student, teacher)]
        if widths[0] != widths[1]:
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                maps = [torch.nn.Linear(*widths, bias=False) for _ in self.pairs]
            student.add_module(PROJECTIONS, torch.nn.ModuleList(maps).to(student.device))

    @property
    def taught(self):
        """The teacher's layers that are asked for, in the order of the pairs."""
        return [theirs for _, theirs in self.pairs]

    def total(self, student, found, wanted):
        """H summed over the targets.

        found: the student's states of all layers, each [targets, width]; wanted: the teacher's of the layers `taught`.
        """
        maps = getattr(student, PROJECTIONS, None)
        total = 0.0
        with torch.autocast(wanted[0].device.type, enabled=False):
            for number, (own, _) in enumerate(self.pairs):
                states = found[own].float()
                states = maps[number](states) if maps is not None else states
                total = total + self._loss(states, wanted[number].float()).sum()
        return total / len(self.pairs)


def detach(student):
    """Take the learnt maps out of a model that is to be written."""
    if hasattr(student, PROJECTIONS):
        delattr(student, PROJECTIONS)
