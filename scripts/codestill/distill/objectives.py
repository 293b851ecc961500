"""Divergences between teacher and student, the soft half of the objective.

A divergence is one function of two arrays of log-probabilities, `log_p` (teacher) and `log_q` (student), both
float32 [rows, vocabulary] at the cell's temperature, and returns one value per row [rows], in nats. To add one, write
the function and put it in OBJECTIVES; its gradient is then taken by autograd, chunk by chunk. A function may also
give the gradient with respect to the student's scaled logits in closed form (`gradient`), which is cheaper.

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


def forward_kl_gradient(log_p, log_q, beta):
    """d KL(p || q) / d logits of q = q - p. Overwrites both arguments to save memory."""
    return log_q.exp_().sub_(log_p.exp_())


def reverse_kl(log_p, log_q, beta):
    """KL(q || p): the student must stay where the teacher is likely. Gu et al. 2023 (MiniLLM), eq. 1."""
    return (log_q.exp() * (log_q - log_p)).sum(-1)


def reverse_kl_gradient(log_p, log_q, beta):
    """d KL(q || p) / d logits of q = q (log q - log p - KL). Overwrites its arguments."""
    q = log_q.exp()
    ratio = log_q.sub_(log_p)
    value = (q * ratio).sum(-1, keepdim=True)
    return ratio.sub_(value).mul_(q)


def jsd(log_p, log_q, beta):
    """Generalised Jensen-Shannon divergence beta KL(p || m) + (1 - beta) KL(q || m), m = beta p + (1 - beta) q.

    Agarwal et al. 2023 (GKD), eq. 1, with 0 < beta < 1; about beta KL(p || q) as beta goes to 0.
    """
    log_m = _mixture(log_p, log_q, beta)
    return (beta * log_p.exp() * (log_p - log_m) + (1 - beta) * log_q.exp() * (log_q - log_m)).sum(-1)


def jsd_gradient(log_p, log_q, beta):
    """With r = (1 - beta) (log q - log m): d jsd / d logits of q = q (r - sum q r). Overwrites its arguments."""
    r = _mixture(log_p, log_q, beta).neg_().add_(log_q).mul_(1 - beta)
    q = log_q.exp_()
    mean = (q * r).sum(-1, keepdim=True)
    return r.sub_(mean).mul_(q)


def _mixture(log_p, log_q, beta):
    return torch.logaddexp(log_p + math.log(beta), log_q + math.log1p(-beta))


@dataclass(frozen=True)
class Divergence:
    """A divergence, its closed-form gradient (None: autograd) and whether it is finite where p = 0 but q > 0."""

    value: Callable
    gradient: Callable | None = None
    allows_absent: bool = True


OBJECTIVES = {
    "forward_kl": Divergence(forward_kl, forward_kl_gradient),
    "reverse_kl": Divergence(reverse_kl, reverse_kl_gradient, allows_absent=False),
    "jsd": Divergence(jsd, jsd_gradient),
}
