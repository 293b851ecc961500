"""Attention of one new token per lane, where lanes of one prompt share that prompt's keys and values.

The prompt's part is a product of matrices for all its lanes at once, and is read from memory once instead of once a
lane; each lane keeps only what it wrote itself. (The idea is that of Hydragen, Juravsky et al. 2024, and of cascade
attention, Ye et al. 2024; here the scores of both parts stand side by side before one softmax.)
"""

import torch
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

NAME = "codestill_shared_prefix"
# Arguments of transformers' attention functions that change nothing here; any other that is set is refused.
HARMLESS = {"dropout", "is_causal", "position_ids", "use_cache", "cache_position", "output_attentions", "return_dict"}


class Unshareable(Exception):
    """The model's attention asks for something that this one does not do."""


class Group:
    """Lanes (int64 [R]) of one prompt, whose keys and values by layer are [kv heads, P, width]."""

    def __init__(self, rows, prompt, device):
        first = rows[0]
        contiguous = rows == list(range(first, first + len(rows)))
        self.rows = slice(first, first + len(rows)) if contiguous else torch.tensor(rows, device=device)
        self.length = prompt.length
        self.states = [(keys[0], values[0]) for keys, values in prompt.states]


class Groups:
    """What the attention function must know of the current step."""

    current = ()
    longest = 0


def attend(module, query, key, value, attention_mask, scaling=None, **options):
    """query [B, H, 1, D], own key and value [B, H_kv, S, D], mask [B, 1, 1, S] added to the scores of the own part.

    Returns [B, 1, H, D], as transformers' attention functions do.
    """
    for name, chosen in options.items():
        if chosen is not None and chosen is not False and name not in HARMLESS:
            raise Unshareable(f"its attention takes {name}")
    batch, heads, _, width = query.shape
    kv_heads, own = key.shape[1], key.shape[2]
    share = heads // kv_heads
    longest = Groups.longest
    query = (query * (width**-0.5 if scaling is None else scaling)).view(batch, kv_heads, share, width)
    scores = query.new_empty(batch, kv_heads, share, longest + own)
    torch.add(torch.matmul(query, key.transpose(-1, -2)), attention_mask, out=scores[..., longest:])
    for group in Groups.current:
        prompt = group.states[module.layer_idx][0]
        asking = query[group.rows].transpose(0, 1).reshape(kv_heads, -1, width)
        found = torch.bmm(asking, prompt.transpose(1, 2)).view(kv_heads, -1, share, group.length)
        scores[group.rows, :, :, : group.length] = found.transpose(0, 1)
        scores[group.rows, :, :, group.length : longest] = torch.finfo(query.dtype).min
    weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(value.dtype)
    mixed = torch.matmul(weights[..., longest:], value)
    for group in Groups.current:
        prompt = group.states[module.layer_idx][1]
        given = weights[group.rows, :, :, : group.length].transpose(0, 1).reshape(kv_heads, -1, group.length)
        found = torch.bmm(given, prompt).view(kv_heads, -1, share, width)
        mixed[group.rows] += found.transpose(0, 1)
    return mixed.view(batch, 1, heads, width), None


ALL_ATTENTION_FUNCTIONS.register(NAME, attend)
