"""Divergences between teacher and student, the soft half of the objective.

A divergence is one function of two arrays of log-probabilities, `log_p` (teacher) and `log_q` (student), both
float32 [rows, vocabulary] at the cell's temperature, and returns one value per row [rows], in nats. To add one, write
the function and put it in DIVERGENCES; its gradient is then taken by autograd, chunk by chunk. A function may also come
`fused` with its gradient in closed form, which is cheaper: it returns the values and leaves the gradient with respect
to the student's scaled logits in `log_q`; it may overwrite `log_p` and `scratch`, an array of the same shape.

To the sums of both KL divergences sum q - sum p is added (or taken from them): 0 but for the rounding of the two
normalisations, which it takes out of a small divergence.

A column that the teacher does not have holds log_p = ABSENT: a probability of exactly 0, without infinities.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn.functional import softplus

ABSENT = -1e30  # exp(ABSENT) == 0 and 0 * ABSENT == 0, where -inf would give NaN


def forward_kl(log_p, log_q, beta):
    """KL(p || q): the student must cover whatever the teacher finds likely. Hinton, Vinyals & Dean 2015."""
    p, q = log_p.exp(), log_q.exp()
    return (p * (log_p - log_q)).sum(-1) + (q - p).sum(-1)


def forward_kl_fused(log_p, log_q, beta, scratch):
    """d KL(p || q) / d logits of q = q - p."""
    ratio = torch.sub(log_p, log_q, out=scratch)
    p, q = log_p.exp_(), log_q.exp_()
    values = row_dot(p, ratio)
    q.sub_(p)
    return values + q.sum(-1)


def reverse_kl(log_p, log_q, beta):
    """KL(q || p): the student must stay where the teacher is likely. Gu et al. 2023 (MiniLLM), eq. 1."""
    p, q = log_p.exp(), log_q.exp()
    return (q * (log_q - log_p)).sum(-1) + (p - q).sum(-1)


def reverse_kl_fused(log_p, log_q, beta, scratch):
    """d KL(q || p) / d logits of q = q (log q - log p - KL)."""
    ratio = torch.sub(log_q, log_p, out=scratch)
    q = log_q.exp_()
    values = row_dot(q, ratio)
    q_sum = q.sum(-1)
    q.mul_(ratio.sub_(values[:, None]))
    return values + log_p.exp_().sum(-1) - q_sum


def jsd(log_p, log_q, beta):
    """Generalised Jensen-Shannon divergence beta KL(p || m) + (1 - beta) KL(q || m), m = beta p + (1 - beta) q.

    Agarwal et al. 2023 (GKD), eq. 1, with 0 < beta < 1; about beta KL(p || q) as beta goes to 0.
    """
    odds = log_p - log_q + _logit(beta)
    teacher, student = beta * log_p.exp() * softplus(-odds), (1 - beta) * log_q.exp() * softplus(odds)
    return _entropy(beta) - (teacher + student).sum(-1)


def jsd_fused(log_p, log_q, beta, scratch):
    """With the log-odds u = log(beta p / ((1 - beta) q)): log(q / m) = -log(1 - beta) - softplus(u).

    d jsd / d logits of q = (1 - beta) q (sum q softplus(u) - softplus(u)): the constant is left out, since where p and
    q hardly overlap all of log(q / m) but a trace would be that constant.
    """
    odds = torch.sub(log_p, log_q, out=scratch).add_(_logit(beta))
    share = softplus(odds)
    p, q = log_p.exp_(), log_q.exp_()
    mean = row_dot(q, share)
    values = _entropy(beta) - (1 - beta) * mean - beta * row_dot(p, torch.sub(share, odds, out=scratch))
    q.mul_(share.neg_().add_(mean[:, None])).mul_(1 - beta)
    return values


def skew_kl(log_p, log_q, beta):
    """KL(p || m), m = beta p + (1 - beta) q: forward KL against a mixture, whose gradient stays bounded where q is 0.

    Ko et al. 2024 (DistiLLM), eq. 3; their skew is beta, 0.1 at its best. At most -log beta.
    """
    odds = log_p - log_q + _logit(beta)
    return -math.log(beta) - (log_p.exp() * softplus(-odds)).sum(-1)


def skew_kl_fused(log_p, log_q, beta, scratch):
    """With s = (1 - beta) q / m = sigmoid(-u), u as in `jsd_fused`: d / d logits of q = q (sum p s) - p s."""
    odds = torch.sub(log_p, log_q, out=scratch).add_(_logit(beta))
    p, q = log_p.exp_(), log_q.exp_()
    values = -math.log(beta) - row_dot(p, softplus(-odds))
    pulled = odds.neg_().sigmoid_().mul_(p)
    q.mul_(pulled.sum(-1, keepdim=True)).sub_(pulled)
    return values


def skew_reverse_kl(log_p, log_q, beta):
    """KL(q || m), m = beta p + (1 - beta) q: reverse KL that stays finite where the teacher's p is 0.

    Ko et al. 2024 (DistiLLM), eq. 3; their skew is 1 - beta here, the student's weight: beta 0.9 at its best.
    """
    odds = log_p - log_q + _logit(beta)
    return -math.log1p(-beta) - (log_q.exp() * softplus(odds)).sum(-1)


def skew_reverse_kl_fused(log_p, log_q, beta, scratch):
    """With u as in `jsd_fused` and g = sigmoid(u) - softplus(u): d / d logits of q = q (g - sum q g)."""
    odds = torch.sub(log_p, log_q, out=scratch).add_(_logit(beta))
    share, q = softplus(odds), log_q.exp_()
    values = -math.log1p(-beta) - row_dot(q, share)
    pull = odds.sigmoid_().sub_(share)
    mean = row_dot(q, pull)
    q.mul_(pull.sub_(mean[:, None]))
    return values


def row_dot(left, right):
    """Dot product of each row of two arrays [rows, columns], without an array of products."""
    return torch.bmm(left[:, None, :], right[:, :, None]).flatten()


def _logit(beta):
    return math.log(beta) - math.log1p(-beta)


def _entropy(beta):
    return -beta * math.log(beta) - (1 - beta) * math.log1p(-beta)


@dataclass(frozen=True)
class Divergence:
    """A divergence, its form fused with its gradient (None: autograd), whether it is finite where p = 0 but q > 0.

    `uses_beta` says that its third argument acts, so that cells of unlike beta are unlike cells.
    """

    value: Callable
    fused: Callable | None = None
    allows_absent: bool = True
    uses_beta: bool = False


DIVERGENCES = {
    "forward_kl": Divergence(forward_kl, forward_kl_fused),
    "reverse_kl": Divergence(reverse_kl, reverse_kl_fused, allows_absent=False),
    "jsd": Divergence(jsd, jsd_fused, uses_beta=True),
    "skew_kl": Divergence(skew_kl, skew_kl_fused, uses_beta=True),
    "skew_reverse_kl": Divergence(skew_reverse_kl, skew_reverse_kl_fused, uses_beta=True),
}
