"""Underfitting and overfitting, read from the curves of a training."""

import math

LITTLE = 0.01  # of the validation loss: changes below this are no trend
GAP = 0.15  # of the validation loss: a training loss this much lower has begun to learn by heart


def diagnose(history, steps):
    """What the curves say and what to turn, as one line of text.

    `history` is the trainer's log_history; the validation loss is the CE at T = 1, and so is the training CE.
    """
    evaluations = [(row["step"], row["eval_loss"]) for row in history if "eval_loss" in row]
    training = [(row["step"], row["loss_ce"]) for row in history if "loss_ce" in row]
    if not evaluations or not training:
        return "too few figures to tell"
    tail = [ce for step, ce in training if step > 0.9 * steps] or [training[-1][1]]
    fitted, last = sum(tail) / len(tail), evaluations[-1][1]
    best_step, best = min(evaluations, key=lambda pair: pair[1])
    figures = f"train CE {fitted:.3f}, validation CE {last:.3f}, best {best:.3f} at step {best_step} of {steps}"
    if last > best * (1 + LITTLE):
        return (
            f"overfitting: validation loss rose after its best ({figures}); fewer epochs, more data, "
            "more weight decay or dropout, or a lower alpha, so that the teacher's soft labels regularise"
        )
    if fitted < last * (1 - GAP):
        return (
            f"overfitting begins: the training loss is well below validation ({figures}); more data, "
            "more weight decay or dropout, or a lower alpha"
        )
    head = [ce for step, ce in training if step <= 0.1 * steps] or [training[0][1]]
    begun = sum(head) / len(head)
    if begun - fitted < LITTLE * begun:
        return (
            f"underfitting: the training hardly moved the loss from {begun:.3f} ({figures}); a higher learning rate, "
            "more steps (epochs, or smaller batches), or a larger student, unless it began as a finished model"
        )
    if _still_falling(evaluations, training, steps):
        return (
            f"underfitting: the loss was still falling at the end ({figures}); more epochs, a higher learning rate, "
            "or a larger student"
        )
    return f"no sign of under- or overfitting ({figures})"


def _still_falling(evaluations, training, steps):
    """Whether the last third of the training lowered the loss at a rate that more training would profit from."""
    if len(evaluations) > 1:
        (before, earlier), (after, later) = evaluations[-2:]
        share = (after - before) / steps
        return earlier - later > LITTLE * later * max(1.0, 3 * share)
    half = [ce for step, ce in training if 0.6 * steps < step <= 0.8 * steps]
    end = [ce for step, ce in training if step > 0.8 * steps]
    if not half or not end:
        return False
    earlier, later = sum(half) / len(half), sum(end) / len(end)
    return math.isfinite(earlier) and earlier - later > LITTLE * later
