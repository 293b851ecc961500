"""From the flags of distill.py to a job of training: the objective and the cell's axes."""

from dataclasses import replace
from pathlib import Path

from codestill.distill.objective import PLAIN, Objective
from codestill.distill.training import TrainingJob
from codestill.kit.program import UserError
from codestill.study.cell import AXES, Cell
from codestill.study.recipe_names import CORPUS


def cell_axes(options):
    """{axis: value} of the cell that the flags describe, None where an axis does not act on it."""
    if options.axes:
        return options.axes
    told = {"teacher": _name(options.teacher_model_path), "student": _name(options.student_model_path)}
    told |= {"teacher_seed": None, "recipe": CORPUS, **dict(one.split("=", 1) for one in options.named)}
    if told["teacher_seed"] is not None:
        told["teacher_seed"] = int(told["teacher_seed"])
    return Cell(**{axis: told[axis] if axis in told else getattr(options, axis) for axis in AXES}).canonical().axes()


def _name(folder):
    return Path(folder.rstrip("/")).name if folder else None


def distillation_job(options):
    """The job of distill.py's parsed flags. Raises UserError for an objective that makes no sense."""
    chosen = (options.temperature, options.alpha, options.objective, options.beta)
    objective = Objective(*chosen, label_smoothing=options.label_smoothing)
    if options.hidden_weight and not objective.needs_teacher:
        raise UserError(f"--hidden_weight {options.hidden_weight}: needs a teacher; give one, and --alpha below 1")
    # Of a setting that a file names, the study's pairs stand for whichever setting that is.
    if options.hidden_layers and not options.hidden_weight and not options.axes:
        pairs = " ".join(options.hidden_layers)
        raise UserError(
            f"--hidden_layers {pairs}: no layers are drawn at --hidden_weight 0; give a weight, or no pairs"
        )
    if options.on_policy and not objective.needs_teacher:
        raise UserError(f"--on_policy {options.on_policy}: own text has no labels; give a teacher and --alpha below 1")
    return TrainingJob(
        options,
        model_path=options.student_model_path,
        tokenizer_path=options.student_model_path,
        # One name for plain fine-tuning, whatever temperature and objective were given beside alpha 1.
        objective=objective if objective.needs_teacher else replace(PLAIN, label_smoothing=options.label_smoothing),
        teacher_path=options.teacher_model_path if objective.needs_teacher else None,
        init=options.init,
        cell=cell_axes(options),
    )
