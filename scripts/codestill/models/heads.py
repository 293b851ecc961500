"""A causal language model seen as a body (tokens to hidden states) and a head (hidden states to logits).

The chunked loss needs the two apart. Any model of transformers serves whose logits are
`softcap(scale * (hidden @ weight.T + bias))`; `split` proves that on a few tokens and refuses a model where it fails.
"""

import math
import re
import weakref
from dataclasses import dataclass

import torch

from codestill.kit.program import UserError

LARGE = 100.0  # logits that every softcap in use (15 to 50) bends


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


_KNOWN = weakref.WeakKeyDictionary()  # {model: (scale, softcap)} as `split` has found them


def split(model, check=True):
    """(body, head) of a causal language model.

    body(input_ids=, position_ids=, use_cache=False).last_hidden_state is what the head receives. Raises UserError
    where body and head do not reproduce the model's own logits. `check` False trusts an earlier split of the model.
    """
    linear, body = model.get_output_embeddings(), _body(model)
    name = type(model).__name__
    if body is model or not isinstance(linear, torch.nn.Linear):
        raise UserError(f"{name}: no body followed by a linear head; use a causal language model of transformers")
    if check or model not in _KNOWN:
        _KNOWN[model] = _shape_of(model, body, linear, name)
    return body, Head(linear.weight, linear.bias, *_KNOWN[model])


def _body(model):
    """The model without its head; where its class names another attribute than it has (Llama 4), its one child that is
    a model."""
    children = [child for child in model.children() if hasattr(child, "base_model")]
    return children[0] if model.base_model is model and len(children) == 1 else model.base_model


def router_fault(model):
    """Why a model of experts cannot be trained, or None: the loss of its routers is no part of the objective."""
    if getattr(model.config.get_text_config(), "output_router_logits", False):
        name = type(model).__name__
        return (
            f"{name}: the loss of its routers would be left out; set output_router_logits to false in its config.json"
        )
    return None


def _numbers(config, pattern):
    """The config's numbers (neither 0 nor 1) under names that match."""
    config = config.get_text_config()
    names = {name for name in (*config.to_dict(), *dir(type(config))) if re.search(pattern, name)}
    found = [getattr(config, name, None) for name in sorted(names)]
    return [float(value) for value in found if isinstance(value, int | float) and value not in (0, 1)]


def _candidates(config):
    """(scale, softcap) that the config's fields may mean: families have many names for them, and one name divides in
    one family (Granite) and multiplies in another (HyperCLOVA X)."""
    scales = [1.0]
    for value in _numbers(config, r"^(logits?_scal\w+|lm_head_multiplier|output_multiplier)$"):
        scales = [scale * way for way in (value, 1 / value, 1.0) for scale in scales]
    caps = _numbers(config, r"^(?!.*att).*soft_?cap")
    return [(scale, cap) for cap in (*caps, None) for scale in scales]


@torch.no_grad()
def _shape_of(model, body, linear, name):
    """The (scale, softcap) with which body and head give the model's own logits, small ones and large ones."""
    training = model.training
    model.eval()
    ids = torch.arange(8, device=linear.weight.device).remainder(linear.weight.shape[0])[None]

    def compared():
        own = model(input_ids=ids, use_cache=False).logits[0].float()
        return own, body(input_ids=ids, use_cache=False).last_hidden_state[0]

    small = compared()
    if not torch.isfinite(small[0]).all():
        raise UserError(f"{name}: its logits are not finite: its weights hold NaN or infinite values")
    # Small logits pass through a softcap as if there were none; a power of two comes off again exactly.
    factor = 2.0 ** max(0, min(12, round(math.log2(LARGE / max(1e-9, small[0].abs().max().item())))))
    linear.weight.mul_(factor)
    large = compared()
    found = [one for one in _candidates(model.config) if _agrees(Head(linear.weight, linear.bias, *one), *large)]
    linear.weight.div_(factor)
    model.train(training)
    for one in found:
        if _agrees(Head(linear.weight, linear.bias, *one), *small):
            return one
    raise UserError(f"{name}: its logits are not a linear map of its last hidden state; this model cannot be used")


def _agrees(head, own, states):
    found = head.logits(states)
    bound = (1e-4 if head.weight.dtype == torch.float32 else 3e-2) * max(1.0, own.abs().max().item())
    return own.shape == found.shape and (own - found).abs().max().item() <= bound


@torch.no_grad()
def row_fault(model, packed):
    """Why rows of a token set cannot be run through `model`, or None; `packed` rows hold several functions.

    A model must not see what follows a token. Functions packed in one row are told apart by position_ids alone: models
    that make no mask of them (ALiBi, learned positions counted from the mask, recurrent states) would let each see
    those before it, silently.
    """
    body, training = _body(model), model.training
    model.eval()
    count = min(model.get_input_embeddings().weight.shape[0], 11)
    ids = torch.arange(count - 1, -1, -1, device=model.device)
    cut = (count + 1) // 2
    positions = torch.cat([torch.arange(cut), torch.arange(count - cut)]).to(ids.device)

    def states(ids):
        return body(input_ids=ids[None], position_ids=positions[None], use_cache=False).last_hidden_state[0]

    # Rows of one shape alone are compared: those of another are summed in another order, and the rounding that this
    # leaves grows over the layers of a real model to 1e-4 of its largest state, as much as a faint sight may.
    both, other = states(ids), (ids + 1) % count
    after = states(torch.cat([ids[:cut], other[cut:]]))
    before = states(torch.cat([other[:cut], ids[cut:]]))
    model.train(training)
    bound = 1e-5 * max(1.0, both.abs().max().item())
    name = type(model).__name__
    if (both - after)[:cut].abs().max() > bound:
        return f"{name}: it sees the tokens that follow; use a causal language model"
    if packed and (both - before)[cut:].abs().max() > bound:
        return f"{name}: functions packed in a row would see each other; use scripts/tokenize_corpus.py --layout padded"
    return None


def target_rows(labels):
    """Mask [batch, length - 1] of the positions whose next token is a target."""
    return labels[:, 1:] != -100
