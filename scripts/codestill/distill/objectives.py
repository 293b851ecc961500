"""Divergences between teacher and student, the soft half of the objective.

A divergence is one function of two arrays of log-probabilities, `log_p` (teacher) and `log_q` (student), both
float32 [rows, vocabulary] at the cell's temperature, and returns one value per row [rows], in nats. To add one, write
the function and put it in OBJECTIVES; its gradient is then taken by autograd, chunk by chunk. A function may also come
`fused` with its gradient in closed form, which is cheaper: it returns the values and leaves the gradient with respect
to the student's scaled logits in `log_q`; it may overwrite `log_p` and `scratch`, an array of the same shape.

A column that the teacher does not have holds log_p = ABSENT: a probability of exactly 0, without infinities.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

ABSENT = -1e30  # exp(ABSENT) == 0 and 0 * ABSENT == 0, where -inf would give NaN


def forward_kl(log_p, log_q, beta):
    """KL(p || q): the student must cover whatever the teacher finds likely. Hinton, Vinyals & Dean 2015."""
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def forward_kl_fused(log_p, log_q, beta, scratch):
    """d KL(p || q) / d logits of q = q - p."""
    ratio = torch.sub(log_p, log_q, out=scratch)
    p, q = log_p.exp_(), log_q.exp_()
    values = row_dot(p, ratio)
    q.sub_(p)
    return values


def reverse_kl(log_p, log_q, beta):
    """KL(q || p): the student must stay where the teacher is likely. Gu et al. 2023 (MiniLLM), eq. 1."""
    return (log_q.exp() * (log_q - log_p)).sum(-1)


def reverse_kl_fused(log_p, log_q, beta, scratch):
    """d KL(q || p) / d logits of q = q (log q - log p - KL)."""
    ratio = torch.sub(log_q, log_p, out=scratch)
    q = log_q.exp_()
    values = row_dot(q, ratio)
    q.mul_(ratio.sub_(values[:, None]))
    return values


def jsd(log_p, log_q, beta):
    """Generalised Jensen-Shannon divergence beta KL(p || m) + (1 - beta) KL(q || m), m = beta p + (1 - beta) q.

    Agarwal et al. 2023 (GKD), eq. 1, with 0 < beta < 1; about beta KL(p || q) as beta goes to 0.
    """
    log_m = _mixture(log_p, log_q, beta)
    return (beta * log_p.exp() * (log_p - log_m) + (1 - beta) * log_q.exp() * (log_q - log_m)).sum(-1)


def jsd_fused(log_p, log_q, beta, scratch):
    """With r = (1 - beta) (log q - log m): d jsd / d logits of q = q (r - sum q r)."""
    log_m = scratch.copy_(_mixture(log_p, log_q, beta))
    teacher = log_p - log_m
    student = torch.sub(log_q, log_m, out=scratch)
    q = log_q.exp_()
    mean = row_dot(q, student)
    values = beta * row_dot(log_p.exp_(), teacher) + (1 - beta) * mean
    q.mul_(student.sub_(mean[:, None])).mul_(1 - beta)
    return values


def row_dot(left, right):
    """Dot product of each row of two arrays [rows, columns], without an array of products."""
    return torch.bmm(left[:, None, :], right[:, :, None]).flatten()


def _mixture(log_p, log_q, beta):
    return torch.logaddexp(log_p + math.log(beta), log_q + math.log1p(-beta))


@dataclass(frozen=True)
class Divergence:
    """A divergence, its form fused with its gradient (None: autograd), whether it is finite where p = 0 but q > 0."""

    value: Callable
    fused: Callable | None = None
    allows_absent: bool = True


OBJECTIVES = {
    "forward_kl": Divergence(forward_kl, forward_kl_fused),
    "reverse_kl": Divergence(reverse_kl, reverse_kl_fused, allows_absent=False),
    "jsd": Divergence(jsd, jsd_fused),
}
