"""The objective of a training step, exact and in chunks.

    loss = alpha * CE_s + (1 - alpha) * T^2 * D(teacher_T, student_T)

CE_s is the cross-entropy CE of the labels, or with label smoothing s of labels softened to (1 - s) + s / V at the label
and s / V at each other of V tokens (Szegedy et al. 2016, section 7): the control that tells whether a teacher's targets
do more than soft targets would. CE and D are sums over target tokens divided by the number of target tokens of the
whole optimiser step (all accumulated batches, all processes). D is a divergence of the distributions softened by T,
forward KL by default; T^2 keeps its gradient's magnitude (Hinton, Vinyals & Dean 2015, section 2.1). Log-softmax is in
float32.

Only `chunk` rows of logits exist at any time: value and gradient of a chunk are computed together in the forward
pass, which costs the same three matrix products as an ordinary head and needs no recomputation.
"""

from dataclasses import dataclass

import torch
from torch.nn import functional

from codestill.distill.divergences import ABSENT, DIVERGENCES
from codestill.kit.program import UserError
from codestill.models.heads import Head

CHUNK_BYTES = 2**26  # of one float32 array of logits; at most five such arrays exist


@dataclass(frozen=True)
class Objective:
    """What a step minimises. alpha = 1 is plain fine-tuning and needs no teacher."""

    temperature: float = 2.0
    alpha: float = 0.5
    divergence: str = "forward_kl"
    beta: float = 0.5
    label_smoothing: float = 0.0

    def __post_init__(self):
        if not self.temperature > 0:
            raise UserError(f"--temperature {self.temperature}: must be above 0")
        if not 0 <= self.alpha <= 1:
            raise UserError(f"--alpha {self.alpha}: must be between 0 (teacher only) and 1 (labels only)")
        if self.divergence not in DIVERGENCES:
            raise UserError(f"--objective {self.divergence}: unknown; known: {', '.join(DIVERGENCES)}")
        if DIVERGENCES[self.divergence].uses_beta and not 0 < self.beta < 1:
            raise UserError(f"--beta {self.beta}: must be between 0 and 1 (excluded)")
        if not 0 <= self.label_smoothing < 1:
            raise UserError(f"--label_smoothing {self.label_smoothing}: must be at least 0 and below 1")

    def __str__(self):
        hard = f"CE(label smoothing {self.label_smoothing})" if self.label_smoothing else "CE"
        if not self.needs_teacher:
            return f"{hard} of the labels"
        shape = f"{self.divergence}(beta={self.beta})" if DIVERGENCES[self.divergence].uses_beta else self.divergence
        return f"{self.alpha} {hard} + {1 - self.alpha:.4g} T^2 {shape}, T = {self.temperature}"

    @property
    def needs_teacher(self):
        """Whether the teacher acts on the loss."""
        return self.alpha < 1


PLAIN = Objective(temperature=1.0, alpha=1.0)


def chunk_rows(columns, chunk_bytes=CHUNK_BYTES):
    """Rows in a chunk so that its float32 logits take about `chunk_bytes`; at least 16, at most 1,024."""
    return max(16, min(1024, chunk_bytes // (4 * columns)))


@dataclass
class Losses:
    """Sums over target tokens: `loss` (differentiable, already divided by count), ce in nats, soft = T^2 D."""

    loss: torch.Tensor
    ce: torch.Tensor
    soft: torch.Tensor


def distillation_loss(
    hidden, targets, head, objective, count, teacher_hidden=None, teacher_head=None, dtype=None, chunk=None
):
    """Value and gradient of the objective over the target tokens of one batch.

    hidden [rows, width] are the student's states at the positions that predict `targets` [rows] (token ids, all
    valid); teacher_hidden [rows, teacher width] the teacher's, with teacher_head cut to no more columns than the
    student has. `count` (number or scalar tensor) divides the sums. `dtype` is the type of the matrix products.
    Returns Losses.
    """
    if objective.needs_teacher:
        if teacher_hidden is None:
            raise ValueError("this objective needs the teacher's hidden states")
        if teacher_head.columns > head.columns:
            raise ValueError("cut the teacher's head to the student's columns")
        if teacher_head.columns < head.columns and not DIVERGENCES[objective.divergence].allows_absent:
            raise UserError(
                f"--objective {objective.divergence}: infinite where the teacher lacks tokens of the student "
                f"({teacher_head.columns} of {head.columns} columns); use skew_reverse_kl, forward_kl or jsd"
            )
    plan = _Plan(
        head.scale,
        head.softcap,
        objective,
        targets,
        teacher_hidden if objective.needs_teacher else None,
        teacher_head if objective.needs_teacher else None,
        dtype or head.weight.dtype,
        chunk or chunk_rows(head.columns),
        torch.is_grad_enabled(),
    )
    total, ce, soft = _ChunkedLoss.apply(hidden, head.weight, head.bias, plan)
    return Losses(total / count, ce, soft)


@dataclass
class _Plan:
    """What a chunked pass needs beside its differentiable inputs."""

    scale: float
    softcap: float | None
    objective: Objective
    targets: torch.Tensor
    teacher_hidden: torch.Tensor | None
    teacher_head: Head | None
    dtype: torch.dtype
    chunk: int
    backward: bool


class _ChunkedLoss(torch.autograd.Function):
    """Sum of the objective over rows; gradients are computed with the value and scaled in `backward`."""

    @staticmethod
    def forward(ctx, hidden, weight, bias, plan):
        with torch.autocast(hidden.device.type, enabled=False):
            return _ChunkedLoss._forward(ctx, hidden, weight, bias, plan)

    @staticmethod
    def _forward(ctx, hidden, weight, bias, plan):
        # One conversion to the product's type for all chunks; a no-op where the types agree.
        head = Head(weight.detach(), bias.detach() if bias is not None else None, plan.scale, plan.softcap)
        head = head.to(dtype=plan.dtype)
        ce = hidden.new_zeros((), dtype=torch.float32)
        uniform, soft = torch.zeros_like(ce), torch.zeros_like(ce)
        gradients = _Gradients(hidden, weight, bias) if plan.backward else None
        space = _Space(min(plan.chunk, hidden.shape[0]), head.columns, hidden.device)
        for start in range(0, hidden.shape[0], plan.chunk):
            rows = slice(start, start + plan.chunk)
            part = hidden[rows].detach().to(plan.dtype)
            logits = head.logits(part, out=space.take("logits", len(part)))
            kept = logits.clone() if head.softcap is not None and plan.backward else logits
            chunk_ce, chunk_uniform, chunk_soft, gradient = _chunk(logits, rows, plan, space)
            ce += chunk_ce
            uniform += chunk_uniform
            soft += chunk_soft
            if gradients:
                gradients.add(rows, part, head.backward_through(gradient, kept), head)
        hard = torch.lerp(ce, uniform, plan.objective.label_smoothing)
        total = plan.objective.alpha * hard + (1 - plan.objective.alpha) * soft
        ctx.gradients, ctx.scale = gradients, _scale(plan.objective)
        ctx.mark_non_differentiable(ce, soft)
        return total, ce, soft

    @staticmethod
    def backward(ctx, total, _ce, _soft):
        gradients, ctx.gradients = ctx.gradients, None
        return *gradients.scaled(total * ctx.scale), None


class _Gradients:
    """Gradients of the sum with respect to hidden states, weight and bias, gathered chunk by chunk in float32."""

    def __init__(self, hidden, weight, bias):
        self.kinds = hidden.dtype, weight.dtype, bias.dtype if bias is not None else None
        self.hidden = torch.empty_like(hidden, dtype=torch.float32) if hidden.requires_grad else None
        self.weight = torch.zeros_like(weight, dtype=torch.float32) if weight.requires_grad else None
        self.bias = torch.zeros_like(bias, dtype=torch.float32) if bias is not None and bias.requires_grad else None

    def add(self, rows, hidden, logits, head):
        """Add a chunk: `logits` float32 [chunk, vocabulary] is the gradient of the linear map's output."""
        if self.bias is not None:
            self.bias += logits.sum(0)
        logits = logits.to(head.weight.dtype)
        if self.hidden is not None:
            if logits.dtype == torch.float32:
                torch.mm(logits, head.weight, out=self.hidden[rows])
            else:
                self.hidden[rows] = logits @ head.weight
        if self.weight is not None and logits.dtype == torch.float32:
            self.weight.addmm_(logits.T, hidden)
        elif self.weight is not None:
            self.weight += logits.T @ hidden

    def scaled(self, factor):
        """The three gradients times `factor`, in their inputs' types (in place: they are used once)."""
        parts = (self.hidden, self.weight, self.bias)
        return [p.mul_(factor).to(kind) if p is not None else None for p, kind in zip(parts, self.kinds, strict=True)]


class _Space:
    """Arrays [chunk, vocabulary] that all chunks share: to allocate them anew costs as much as to fill them."""

    def __init__(self, rows, columns, device):
        self._shape, self._device, self._arrays = (rows, columns), device, {}

    def take(self, name, rows, columns=None):
        """The array of that name, [rows, columns], with whatever it last held."""
        if name not in self._arrays:
            self._arrays[name] = torch.empty(self._shape, dtype=torch.float32, device=self._device)
        if columns is None or columns == self._shape[1]:
            return self._arrays[name][:rows]
        return self._arrays[name].flatten()[: rows * columns].view(rows, columns)


def _scale(objective):
    """What a chunk's gradients are short of: the sum of the weights of CE's gradient and of D's.

    Their weighted mean takes one pass over the chunk, and the scale costs nothing where the sum is scaled anyway.
    """
    return objective.alpha + (1 - objective.alpha) * objective.temperature if objective.needs_teacher else 1.0


def _chunk(logits, rows, plan, space):
    """(sums of CE, of CE to the uniform distribution, of T^2 D, gradient by `logits` / `_scale` or None) of some rows.

    The gradient is that of the weighted sum. Overwrites `logits`.
    """
    objective, targets = plan.objective, plan.targets[rows, None]
    alpha, temperature, smoothing = objective.alpha, objective.temperature, objective.label_smoothing
    log_q = torch.log_softmax(logits, -1, out=space.take("log_q", len(logits)))
    ce = -log_q.gather(-1, targets).sum()
    uniform = -log_q.mean(-1).sum() if smoothing else torch.zeros_like(ce)
    gradient = None
    if plan.backward and alpha > 0:
        if objective.needs_teacher:
            gradient = torch.exp(log_q, out=space.take("gradient", len(logits)))
        else:
            gradient = log_q.exp_()
        if smoothing:
            gradient.sub_(smoothing / logits.shape[1])
        gradient.scatter_add_(-1, targets, torch.full_like(targets, smoothing - 1, dtype=torch.float32))
    if not objective.needs_teacher:
        return ce, uniform, torch.zeros_like(ce), gradient
    if temperature != 1:
        log_q = torch.log_softmax(logits.div_(temperature), -1, out=log_q)
    value, soft_gradient = _soft(logits, log_q, plan.teacher_hidden[rows], plan, space)
    if plan.backward:
        # The weights are alpha and (1 - alpha) T: d/d logits = 1/T d/d (logits / T), times T^2.
        gradient = soft_gradient if gradient is None else soft_gradient.lerp_(gradient, alpha / _scale(objective))
    return ce, uniform, value * temperature**2, gradient


def _soft(scaled, log_q, teacher_hidden, plan, space):
    """(sum of D over the chunk, its gradient by the student's scaled logits or None).

    `scaled` are the student's logits / T and log_q their log-softmax; both may be overwritten.
    """
    divergence, beta = DIVERGENCES[plan.objective.divergence], plan.objective.beta
    log_p = _teacher_log_probabilities(teacher_hidden, scaled.shape[1], plan, space)
    if not plan.backward:
        return divergence.value(log_p, log_q, beta).sum(), None
    if divergence.fused is not None:
        return divergence.fused(log_p, log_q, beta, scaled).sum(), log_q
    with torch.enable_grad():
        scaled = scaled.detach().requires_grad_()
        value = divergence.value(log_p, scaled.log_softmax(-1), beta).sum()
    return value.detach(), torch.autograd.grad(value, scaled)[0]


def _teacher_log_probabilities(hidden, columns, plan, space):
    """log p float32 [rows, columns] at the objective's temperature; ABSENT where the teacher has no such token."""
    head = plan.teacher_head
    softer = 1 / plan.objective.temperature
    logits = head.logits(hidden, out=space.take("teacher", len(hidden), head.columns), factor=softer)
    if head.columns == columns:
        return torch.log_softmax(logits, -1, out=space.take("log_p", len(hidden)))
    return functional.pad(logits.log_softmax(-1), (0, columns - head.columns), value=ABSENT)
