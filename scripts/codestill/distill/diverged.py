"""Whether a training diverged: its best model predicts no better than it did before, or than a uniform guess.

A strong start that learns few rows by heart ends above its start too, but its training loss fell: that overfits, is
said, and is kept. So is a student of its own text alone, which never saw the text that validation is of.
"""

import math
from pathlib import Path

from codestill.distill.evaluation import mean_ce
from codestill.kit import attempts
from codestill.kit.files import read_json, write_json
from codestill.kit.program import UserError, log

RECORD = "untrained.json"  # in the work folder: a resumed training knows what it began with


def measure_untrained(run):
    """The validation CE (nats a target) of a run's model before its first step, kept for when it is resumed."""
    path = Path(run.options.work_dir) / RECORD
    if not path.is_file():
        ce, _ = mean_ce(run.model, run.validation_data, run.options.eval_batch_size, run.device, run.dtype)
        if run.main:
            write_json(path, {"ce": ce if math.isfinite(ce) else None})
        return ce
    found = read_json(path)["ce"]
    return math.inf if found is None else found


def refuse_diverged(run, best, step, learnt):
    """Raise UserError (or warn, by --preflight) where the best validation CE is no gain; `step` is where it was.

    learnt: the training CE of the last steps, in nats a target; None where all of the text was the student's own.
    """
    uniform = math.log(run.head.columns)
    bound, what = min((run.untrained, "before training"), (uniform, "of a uniform guess"))
    if best < bound:
        return
    lower = f"a lower learning rate than {run.options.learning_rate:g}"
    above = (
        f"the best validation CE, {best:.3f} at step {step} of {run.steps}, is not below the {run.untrained:.3f} "
        "before training"
    )
    if best < uniform and learnt is None:
        log(f"warning: leads away from the corpus, of which it saw nothing: {above}; a lower on_policy or {lower}")
        return
    if best < uniform and learnt < run.untrained:
        fell = f"the training CE fell to {learnt:.3f}"
        log(f"warning: overfits: {above}, while {fell}; more rows, fewer epochs or {lower}")
        return
    problem = (
        f"diverged: the best validation CE, {best:.3f} at step {step} of {run.steps}, is not below the {bound:.3f} "
        f"{what}; {lower}, or a longer warm-up"
    )
    if run.options.preflight == "stop":
        raise UserError(f"{problem} (--preflight warn keeps the model regardless)", attempts.DIVERGED)
    log(f"warning: {problem}")
