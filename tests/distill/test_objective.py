"""The objective against an independent float64 reference, and what must not change it."""

import math

import pytest
import torch

from codestill.distill.divergences import DIVERGENCES, Divergence
from codestill.distill.objective import Objective, chunk_rows, distillation_loss
from codestill.kit.program import UserError
from codestill.models.heads import Head

NAMES = ("forward_kl", "reverse_kl", "jsd", "skew_kl", "skew_reverse_kl")


def reference(student, targets, teacher, objective):
    """Mean loss [scalar] in float64 from full logits, by the textbook formulas and torch's own autograd."""
    n, t, columns = len(targets), objective.temperature, student.shape[1]
    smoothing = objective.label_smoothing
    ce = torch.nn.functional.cross_entropy(student, targets, reduction="sum", label_smoothing=smoothing)
    q = torch.softmax(student / t, -1)
    p = torch.zeros_like(q)
    p[:, : min(columns, teacher.shape[1])] = torch.softmax(teacher[:, :columns] / t, -1)

    def kl(a, b):
        held = a > 0  # 0 log 0 = 0, kept out of autograd's sight
        return (a[held] * (a[held].log() - b[held].log())).sum()

    if objective.divergence == "forward_kl":
        soft = kl(p, q)
    elif objective.divergence == "reverse_kl":
        soft = kl(q, p)
    elif objective.divergence == "skew_kl":
        soft = kl(p, objective.beta * p + (1 - objective.beta) * q)
    elif objective.divergence == "skew_reverse_kl":
        soft = kl(q, objective.beta * p + (1 - objective.beta) * q)
    else:
        m = objective.beta * p + (1 - objective.beta) * q
        soft = objective.beta * kl(p, m) + (1 - objective.beta) * kl(q, m)
    return (objective.alpha * ce + (1 - objective.alpha) * t**2 * soft) / n


def case(seed, rows=37, columns=53, teacher_columns=None, width=12, teacher_width=9, bias=True, scale=2.0):
    """Random hidden states, heads and targets."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator)

    head = Head(draw(columns, width) * scale / width**0.5, draw(columns) if bias else None)
    teacher_columns = teacher_columns or columns
    teacher = Head(draw(teacher_columns, teacher_width) * scale / teacher_width**0.5, draw(teacher_columns))
    targets = torch.randint(columns, (rows,), generator=generator)
    return draw(rows, width), targets, head, draw(rows, teacher_width), teacher


def ours(hidden, targets, head, teacher_hidden, teacher, objective, **options):
    """(loss, gradients of hidden, weight, bias) by the chunked loss."""
    inputs = [one.clone().requires_grad_() for one in (hidden, head.weight, head.bias) if one is not None]
    made = Head(inputs[1], inputs[2] if head.bias is not None else None, head.scale, head.softcap)
    count = options.pop("count", len(targets))
    loss = distillation_loss(
        inputs[0],
        targets,
        made,
        objective,
        count,
        teacher_hidden,
        teacher.cut(min(teacher.columns, head.columns)),
        **options,
    ).loss
    return loss.detach(), torch.autograd.grad(loss, inputs)


def theirs(hidden, targets, head, teacher_hidden, teacher, objective):
    """(loss, gradients) by the reference in float64."""
    inputs = [one.double().requires_grad_() for one in (hidden, head.weight, head.bias) if one is not None]
    logits = inputs[0] @ inputs[1].T
    if head.bias is not None:
        logits = logits + inputs[2]
    logits = logits * head.scale
    if head.softcap:
        logits = head.softcap * torch.tanh(logits / head.softcap)
    teacher_logits = teacher_hidden.double() @ teacher.weight.double().T + teacher.bias.double()
    loss = reference(logits, targets, teacher_logits, objective)
    return loss.detach(), torch.autograd.grad(loss, inputs)


def error(found, expected):
    """Relative error in the Euclidean norm."""
    return ((found.double() - expected).norm() / expected.norm()).item()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5, 10.0])
@pytest.mark.parametrize(("alpha", "smoothing"), [(0.0, 0.0), (0.3, 0.0), (0.3, 0.2), (1.0, 0.0), (1.0, 0.1)])
def test_value_and_gradients_equal_a_float64_reference(name, temperature, alpha, smoothing):
    objective = Objective(temperature, alpha, name, beta=0.3, label_smoothing=smoothing)
    for seed, shape in enumerate([{}, {"rows": 3, "bias": False}, {"columns": 257, "rows": 19, "scale": 6.0}]):
        data = case(seed, **shape)
        loss, gradients = ours(*data, objective, chunk=8)
        expected, expected_gradients = theirs(*data, objective)
        assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
        for found, true in zip(gradients, expected_gradients, strict=True):
            assert error(found, true) <= 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_distributions_that_hardly_overlap_keep_the_gradient(name):
    """Sharp teacher and student: of log(q / m) all but a trace is one constant for all tokens."""
    data = case(11, rows=64, columns=300, width=32, teacher_width=32, scale=6.0)
    for beta in (0.02, 0.5, 0.9):
        objective = Objective(0.6, 0.0, name, beta)
        for found, true in zip(ours(*data, objective)[1], theirs(*data, objective)[1], strict=True):
            assert error(found, true) <= 1e-5


@pytest.mark.parametrize("temperature", [0.7, 4.0])
@pytest.mark.parametrize("name", NAMES)
def test_bfloat16_products_keep_the_gradient(name, temperature):
    objective = Objective(temperature, 0.3, name)
    data = case(5, rows=64, columns=211, width=64, teacher_width=64, scale=3.0)
    _, gradients = ours(*data, objective, dtype=torch.bfloat16)
    _, expected = theirs(*data, objective)
    for found, true in zip(gradients, expected, strict=True):
        assert 1e-5 < error(found, true) <= 1e-2


@pytest.mark.parametrize("name", ["forward_kl", "jsd", "skew_kl", "skew_reverse_kl"])
def test_tokens_that_the_teacher_lacks_have_probability_zero(name):
    data = case(1, columns=53, teacher_columns=40)
    objective = Objective(2.0, 0.4, name)
    loss, gradients = ours(*data, objective, chunk=16)
    expected, expected_gradients = theirs(*data, objective)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert error(gradients[0], expected_gradients[0]) <= 1e-5


def test_tokens_that_the_student_lacks_are_cut_before_the_softmax():
    data = case(1, columns=40, teacher_columns=53)
    loss, _ = ours(*data, Objective(2.0, 0.4))
    assert loss.item() == pytest.approx(theirs(*data, Objective(2.0, 0.4))[0].item(), rel=1e-5)


def test_reverse_kl_refuses_a_teacher_that_lacks_tokens():
    with pytest.raises(UserError, match="reverse_kl: infinite"):
        ours(*case(1, columns=53, teacher_columns=40), Objective(2.0, 0.4, "reverse_kl"))


@pytest.mark.parametrize("shape", [{"softcap": 3.0}, {"scale": 0.25}, {"scale": 2.0, "softcap": 5.0}])
def test_scaled_and_capped_logits(shape):
    hidden, targets, head, teacher_hidden, teacher = case(2, bias=False)
    data = hidden, targets, Head(head.weight, None, **shape), teacher_hidden, teacher
    loss, gradients = ours(*data, Objective(2.0, 0.5))
    expected, expected_gradients = theirs(*data, Objective(2.0, 0.5))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert all(error(a, b) <= 1e-5 for a, b in zip(gradients, expected_gradients, strict=True))


@pytest.mark.parametrize("chunk", [1, 7, 36, 37, 1000])
def test_chunk_size_changes_nothing(chunk):
    data = case(3)
    whole, whole_gradients = ours(*data, Objective(3.0, 0.5), chunk=37)
    loss, gradients = ours(*data, Objective(3.0, 0.5), chunk=chunk)
    assert loss.item() == pytest.approx(whole.item(), rel=1e-6)
    assert all(error(a, b.double()) <= 1e-6 for a, b in zip(gradients, whole_gradients, strict=True))


def test_splitting_a_step_changes_nothing():
    hidden, targets, head, teacher_hidden, teacher = case(4)
    objective = Objective(3.0, 0.5)
    whole, whole_gradients = ours(hidden, targets, head, teacher_hidden, teacher, objective)
    total, weight = 0.0, torch.zeros_like(head.weight)
    for part in (slice(0, 5), slice(5, 20), slice(20, 37)):
        loss, gradients = ours(
            hidden[part], targets[part], head, teacher_hidden[part], teacher, objective, count=len(targets)
        )
        total, weight = total + loss.item(), weight + gradients[1]
    assert total == pytest.approx(whole.item(), rel=1e-6)
    assert error(weight, whole_gradients[1].double()) <= 1e-6


def test_gradient_magnitude_is_about_constant_in_temperature():
    data = case(6, columns=101, scale=1.0)
    norms = [ours(*data, Objective(t, 0.0))[1][0].norm().item() for t in (2.0, 4.0, 8.0, 16.0)]
    assert max(norms) / min(norms) < 1.5


def test_alpha_one_needs_no_teacher_and_is_cross_entropy():
    hidden, targets, head, _, _ = case(7)
    loss = distillation_loss(hidden, targets, head, Objective(2.0, 1.0), len(targets)).loss
    expected = torch.nn.functional.cross_entropy(head.logits(hidden), targets)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_student_that_equals_its_teacher_has_no_soft_loss():
    hidden, targets, head, _, _ = case(8)
    for name in NAMES:
        losses = distillation_loss(hidden, targets, head, Objective(3.0, 0.0, name), 1, hidden, head)
        assert abs(losses.soft.item()) < 1e-3 * len(targets)


def test_no_targets_give_no_loss_and_no_gradient():
    hidden, targets, head, teacher_hidden, teacher = case(9)
    loss, gradients = ours(hidden[:0], targets[:0], head, teacher_hidden[:0], teacher, Objective(2.0, 0.5), count=5)
    assert loss.item() == 0 and all(not gradient.any() for gradient in gradients)


def test_a_skewed_kl_goes_over_into_kl_as_its_mixture_becomes_one_of_the_two():
    data = case(12, scale=1.0)
    for skewed, plain, beta in (("skew_kl", "forward_kl", 1e-4), ("skew_reverse_kl", "reverse_kl", 1 - 1e-4)):
        near, exact = (ours(*data, Objective(2.0, 0.0, name, beta))[0].item() for name in (skewed, plain))
        assert near == pytest.approx(exact, rel=2e-3)


def test_an_objective_without_a_closed_gradient_uses_autograd(monkeypatch):
    monkeypatch.setitem(DIVERGENCES, "plain", Divergence(DIVERGENCES["forward_kl"].value))
    data = case(10)
    loss, gradients = ours(*data, Objective(2.0, 0.3, "plain"), chunk=8)
    expected, closed = ours(*data, Objective(2.0, 0.3, "forward_kl"), chunk=8)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    assert all(error(a, b.double()) <= 1e-5 for a, b in zip(gradients, closed, strict=True))


@pytest.mark.parametrize(
    ("values", "flag"),
    [
        ({"temperature": 0.0}, "--temperature"),
        ({"temperature": math.nan}, "--temperature"),
        ({"alpha": 1.5}, "--alpha"),
        ({"divergence": "l2"}, "--objective"),
        ({"divergence": "jsd", "beta": 1.0}, "--beta"),
    ],
)
def test_impossible_objectives_are_refused(values, flag):
    with pytest.raises(UserError, match=flag):
        Objective(**values)


def test_chunks_stay_small_for_large_vocabularies():
    assert chunk_rows(50_001) * 50_001 * 4 <= 2**26
    assert chunk_rows(10**9) == 16 and chunk_rows(64) == 1024
