"""A causal language model seen as a body (tokens to hidden states) and a head (hidden states to logits).

The chunked loss needs the two apart. Any model of transformers serves whose logits are
`softcap(scale * (hidden @ weight.T + bias))`; `split` proves that on a few tokens and refuses a model where it fails.
"""

from dataclasses import dataclass

import torch

from codestill.kit.program import UserError


@dataclass
class Head:
    """The last linear map of a model.

    weight [vocabulary, width]; bias [vocabulary] or None; scale multiplies the logits; softcap c maps them to
    c tanh(z / c).
    """

    weight: torch.Tensor
    bias: torch.Tensor | None = None
    scale: float = 1.0
    softcap: float | None = None

    @property
    def columns(self):
        """Size of the vocabulary."""
        return self.weight.shape[0]

    def cut(self, columns):
        """The head of the first `columns` tokens only."""
        return Head(self.weight[:columns], self.bias[:columns] if self.bias is not None else None, *self._shape())

    def to(self, device=None, dtype=None):
        """A detached copy on another device or in another type."""
        weight = self.weight.detach().to(device=device, dtype=dtype)
        bias = self.bias.detach().to(device=device, dtype=dtype) if self.bias is not None else None
        return Head(weight, bias, *self._shape())

    def _shape(self):
        return self.scale, self.softcap

    def logits(self, hidden, dtype=None, out=None, factor=1.0):
        """`factor` times the logits, float32 [rows, vocabulary], of hidden [rows, width].

        `dtype` is the type of the matrix product. `out` float32 [rows, vocabulary] receives them where it is given.
        """
        dtype = dtype or self.weight.dtype
        within = self.scale * (factor if self.softcap is None else 1.0)
        logits = _product(hidden.to(dtype), self.weight.to(dtype).T, out, within)
        if self.bias is not None:
            logits.add_(self.bias.to(dtype), alpha=within)
        if self.softcap is not None:
            logits.div_(self.softcap).tanh_().mul_(self.softcap * factor)
        return logits

    def backward_through(self, gradient, logits):
        """Gradient of the plain linear map's output from the gradient of the logits, in place."""
        if self.softcap is not None:
            gradient.mul_(1 - (logits / self.softcap).square())
        return gradient.mul_(self.scale) if self.scale != 1.0 else gradient


def _product(left, right, out, factor):
    """factor * left @ right in float32, whatever their type: rounded to bfloat16 the gradient's error would double."""
    if left.is_cuda and left.dtype != torch.float32:
        logits = torch.mm(left, right, out_dtype=torch.float32)
        logits = logits if out is None else out.copy_(logits)
        return logits.mul_(factor) if factor != 1.0 else logits
    if out is None:
        out = left.new_empty((left.shape[0], right.shape[1]), dtype=torch.float32)
    # The product scales for nothing; with beta = 0 what `out` held is not read.
    return torch.addmm(out, left.float(), right.float(), beta=0, alpha=factor, out=out)


def split(model, check=True):
    """(body, head) of a causal language model.

    body(input_ids=, position_ids=, use_cache=False).last_hidden_state is what the head receives. Raises UserError
    where body and head do not reproduce the model's own logits.
    """
    linear, body = model.get_output_embeddings(), model.base_model
    name = type(model).__name__
    if body is model or not isinstance(linear, torch.nn.Linear):
        raise UserError(f"{name}: no body followed by a linear head; use a causal language model of transformers")
    head = Head(linear.weight, linear.bias, *_shape_of(model.config))
    if check:
        _verify(model, body, head, name)
    return body, head


def _shape_of(config):
    """(scale, softcap) of the logits, by the names that transformers' configs use."""
    scale = float(getattr(config, "logit_scale", None) or 1.0)
    scale *= float(getattr(config, "lm_head_multiplier", None) or 1.0)
    scale /= float(getattr(config, "logits_scaling", None) or 1.0)
    cap = getattr(config, "final_logit_softcapping", None)
    return scale, float(cap) if cap else None


@torch.no_grad()
def _verify(model, body, head, name):
    training = model.training
    model.eval()
    ids = torch.arange(8, device=head.weight.device).remainder(head.columns)[None]
    expected = model(input_ids=ids, use_cache=False).logits[0].float()
    found = head.logits(body(input_ids=ids, use_cache=False).last_hidden_state[0])
    model.train(training)
    if not torch.isfinite(expected).all():
        raise UserError(f"{name}: its logits are not finite: its weights hold NaN or infinite values")
    bound = (1e-4 if head.weight.dtype == torch.float32 else 3e-2) * max(1.0, expected.abs().max().item())
    if expected.shape != found.shape or not (expected - found).abs().max().item() <= bound:
        raise UserError(f"{name}: its logits are not a linear map of its last hidden state; this model cannot be used")


@torch.no_grad()
def row_fault(model, packed):
    """Why rows of a token set cannot be run through `model`, or None; `packed` rows hold several functions.

    A model must not see what follows a token. Functions packed in one row are told apart by position_ids alone: models
    that make no mask of them (ALiBi, learned positions counted from the mask, recurrent states) would let each see
    those before it, silently.
    """
    body, training = model.base_model, model.training
    model.eval()
    count = min(model.get_input_embeddings().weight.shape[0], 11)
    ids = torch.arange(count - 1, -1, -1, device=model.device)
    cut = (count + 1) // 2

    def states(ids, positions):
        return body(input_ids=ids[None], position_ids=positions[None], use_cache=False).last_hidden_state[0]

    first, second = (torch.arange(len(part), device=ids.device) for part in (ids[:cut], ids[cut:]))
    together = states(ids, torch.cat([first, second]))
    alone = torch.cat([states(ids[:cut], first), states(ids[cut:], second)])
    model.train(training)
    apart = ((together - alone).abs() > 1e-4 * max(1.0, alone.abs().max().item())).any(-1)
    name = type(model).__name__
    if apart[:cut].any():
        return f"{name}: it sees the tokens that follow; use a causal language model"
    if packed and apart[cut:].any():
        return f"{name}: functions packed in a row would see each other; use scripts/tokenize_corpus.py --layout padded"
    return None


def target_rows(labels):
    """Mask [batch, length - 1] of the positions whose next token is a target."""
    return labels[:, 1:] != -100
