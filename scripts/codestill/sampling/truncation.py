"""Choosing the next token: temperature, top-p and repeatable noise, with a statement of how sure the choice is.

A token is drawn by the Gumbel-max trick: the largest of `logit / temperature + noise` among the tokens that top-p
keeps has exactly the softmax's distribution (Gumbel 1954; Maddison, Tarlow & Minka 2014). The noise of a token is a
hash of (run seed, task, sample, step, token id), so that a draw depends on nothing else: not on the batch, not on
the order, not on the process.

Logits themselves differ in their last bits between batch shapes. `choose` therefore also says which draws could
come out otherwise if each logit moved by at most `slack`; the caller decides those on logits of one fixed shape.
"""

import hashlib

import numpy as np
import torch

SHORTLISTS = (128, 512, 2048)  # tokens looked at first; rows where they do not reach top_p are sorted whole
CACHED = 2**18  # logits that a core's cache holds beside what is made of them
_MASK = 0xFFFFFFFF


class BadLogits(Exception):
    """The model's logits hold NaN or infinity: nothing can be drawn from them."""


def row_key(seed, task, sample):
    """The 64-bit key of one sample, a function of the run's seed, the task's id and the sample's index only."""
    digest = hashlib.blake2b(f"{seed}\0{task}\0{sample}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def step_words(keys, steps):
    """Two 32-bit words per row from its key and step. keys: uint64 [B], steps: int [B]; returns int64 [B, 2]."""
    with np.errstate(over="ignore"):
        z = np.asarray(keys, np.uint64) + np.asarray(steps, np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        # the finaliser of splitmix64 (Steele, Lea & Flood 2014)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return np.stack([z & np.uint64(_MASK), z >> np.uint64(32)], axis=-1).astype(np.int64)


def _xor_shifted(x, bits, space):
    """x ^= x >> bits as of unsigned numbers, in place; `space` is overwritten."""
    torch.bitwise_right_shift(x, bits, out=space)
    space &= (1 << 32 - bits) - 1
    x ^= space


def _scramble(x, space):
    """murmur3's 32-bit finaliser in place, on the bits of unsigned numbers held as int32; `space` is overwritten."""
    _xor_shifted(x, 16, space)
    x *= 0x85EBCA6B - 2**32
    _xor_shifted(x, 13, space)
    x *= 0xC2B2AE35 - 2**32
    _xor_shifted(x, 16, space)


def gumbel(words, ids):
    """Standard Gumbel noise, float32 [B, K], of the token ids [B, K] under the words [B, 2] of `step_words`."""
    words = words.to(torch.int32)
    x = ids.to(torch.int32) ^ words[:, :1]
    space = torch.empty_like(x)
    _scramble(x, space)
    x += words[:, 1:]
    _scramble(x, space)
    x ^= -(2**31)  # read as signed it is now less by 2^31
    # 1 - u keeps the precision where it decides: a small exponential is a large Gumbel.
    small = x.to(torch.float64).add_(2.0**31 + 0.5).mul_(2.0**-32).to(torch.float32).clamp_(max=1 - 2.0**-24)
    return small.neg_().log1p_().neg_().log_().neg_()


def choose(logits, words, temperature, top_p, slack=0.0):
    """Draw one token per row.

    logits: float32 [B, V], of the tokens that may be drawn. words: int64 [B, 2] from `step_words`. temperature 0 is
    greedy. top_p keeps the smallest set of most probable tokens whose mass reaches it, as transformers'
    TopPLogitsWarper does; 1 keeps all.
    Returns (ids int64 [B], sure bool [B]): `sure` where no change of each logit by at most `slack` could change the
    draw. With slack 0 every draw is sure. Raises BadLogits on NaN and infinity.
    """
    if temperature == 0:
        return _greedy(logits, slack)
    if top_p >= 1:
        return _draw_from_all(logits, words, temperature, slack / temperature)
    total = _log_mass(logits, temperature)
    refuse_not_finite(total)
    width = logits.shape[-1]
    # Lone rows (slack 0) are few, and take the one path whose order of ties is fixed.
    sizes = [size for size in SHORTLISTS if 2 * size <= width] if slack else []
    return _narrow(logits, total, words, temperature, top_p, slack / temperature, sizes)


def _log_mass(logits, temperature):
    """The logarithm of the sum of exp(logit / temperature) over each row, [B, 1]."""
    rows = logits.shape[0] if logits.is_cuda else max(1, CACHED // logits.shape[1])
    return torch.cat([torch.logsumexp(part / temperature, dim=-1, keepdim=True) for part in logits.split(rows)])


def _narrow(logits, total, words, temperature, top_p, slack, sizes):
    """Draw from the shortest of the lists that is long enough for each row; beyond the last, sort whole rows."""
    if not sizes:
        values, tokens = logits.sort(dim=-1, descending=True, stable=slack == 0)
        return _draw(values / temperature, tokens, total, words, top_p, slack, whole=True)[:2]
    values, tokens = logits.topk(sizes[0], dim=-1)
    ids, sure, covered = _draw(values / temperature, tokens, total, words, top_p, slack, whole=False)
    if not bool(covered.all()):
        rest = (~covered).nonzero(as_tuple=True)[0]
        ids[rest], sure[rest] = _narrow(logits[rest], total[rest], words[rest], temperature, top_p, slack, sizes[1:])
    return ids, sure


def refuse_not_finite(greatest):
    """Raise BadLogits by the rows' greatest values, NaN where any is; -inf elsewhere is a token that is not drawn."""
    if not bool(torch.isfinite(greatest).all()):
        raise BadLogits


def _greedy(logits, slack):
    if slack == 0:
        ids = logits.argmax(dim=-1)
        refuse_not_finite(logits.gather(-1, ids[:, None]))
        return ids, torch.ones_like(ids, dtype=torch.bool)
    best, ids = logits.topk(2, dim=-1)
    refuse_not_finite(best[:, 0])
    return ids[:, 0], best[:, 0] - best[:, 1] > 2 * slack


def _pick(scores, slack):
    """The best of each row, and whether its lead over the second survives a change of both by `slack`."""
    if scores.shape[-1] == 1:
        place = torch.zeros(scores.shape[0], 1, dtype=torch.long, device=scores.device)
        return place, torch.ones(scores.shape[0], dtype=torch.bool, device=scores.device)
    best, place = scores.topk(2, dim=-1)
    return place[:, :1], (best[:, 0] - best[:, 1] > 2 * slack) | (slack == 0)


def _draw_from_all(logits, words, temperature, slack):
    scaled = logits / temperature
    refuse_not_finite(scaled.amax(dim=-1))
    ids = torch.arange(scaled.shape[-1], device=scaled.device).expand_as(scaled)
    place, sure = _pick(scaled + gumbel(words, ids), slack)
    return place[:, 0], sure


def _draw(values, tokens, total, words, top_p, slack, whole):
    """Draw among sorted candidates. values, tokens: [B, K] descending; total: [B, 1] log of the whole row's sum.

    Returns ids, sure, covered: `covered` where the candidates surely hold every token that top-p may keep.
    """
    probs = torch.exp(values - total)
    mass = probs.cumsum(dim=-1)
    before = mass - probs
    # A logit that moves by slack moves a probability by a factor of at most exp(2 slack).
    generous = np.exp(-2 * slack)
    kept = (before * generous < top_p).sum(dim=-1, keepdim=True).clamp_(min=1)
    floor = values.gather(-1, kept - 1) - 2 * slack
    covered = (
        torch.ones_like(floor[:, 0], dtype=torch.bool)
        if whole
        else (values[:, -1:] < floor)[:, 0] & (kept < values.shape[-1])[:, 0]
    )
    noisy = values + gumbel(words, tokens)
    noisy.masked_fill_(values < floor if slack else before >= top_p, -torch.inf)
    place, sure = _pick(noisy, slack)
    if slack:
        # The winner must be kept whatever happens: even with every near tie placed before it. (>=: a slack below the
        # spacing of large logits is rounded away, and the winner ties with itself.)
        ties = (values >= values.gather(-1, place) - 2 * slack).sum(dim=-1, keepdim=True)
        ahead = mass.gather(-1, ties - 1) - probs.gather(-1, place)
        sure &= (ahead * np.exp(2 * slack) < top_p)[:, 0]
    return tokens.gather(-1, place)[:, 0], sure, covered
