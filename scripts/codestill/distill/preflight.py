"""Checks before a training, in seconds: what would ruin it silently stops it with a reason."""

import math

from codestill.study.program import UserError, log

ROWS = 8  # validation rows on which teacher and student are compared


def preflight(run):
    """Raise UserError (or warn, by --preflight) where a `codestill.distill.training` run cannot turn out well."""
    for problem in problems(run):
        if run.options.preflight == "stop":
            raise UserError(f"preflight: {problem} (--preflight warn goes on regardless)")
        log(f"preflight warning: {problem}")


def problems(run):
    """Yield what is wrong, one line each."""
    from codestill.distill.evaluation import mean_ce

    columns = run.head.columns
    largest = max(run.train_data.largest_id(), run.validation_data.largest_id())
    if largest >= columns:
        yield f"token id {largest} has no row among the student's {columns} embeddings; check its tokenizer"
        return
    student_ce, targets = mean_ce(
        run.model, run.validation_data, run.options.eval_batch_size, run.device, run.dtype, ROWS
    )
    if not math.isfinite(student_ce):
        yield f"the untrained student's CE on validation is {student_ce} over {targets} targets"
