"""From the flags of distill.py to a Job: the objective and the cell's axes."""

from pathlib import Path

from codestill.distill.objective import PLAIN, Objective
from codestill.distill.training import Job
from codestill.study.cell import Cell


def cell_axes(options):
    """{axis: value} of the cell that the flags describe, None where an axis does not act on it."""
    teacher = Path(options.teacher_model_path.rstrip("/")).name if options.teacher_model_path else None
    cell = Cell(
        temperature=options.temperature,
        alpha=options.alpha,
        objective=options.objective,
        beta=options.beta,
        teacher=teacher,
        learning_rate=options.learning_rate,
        epochs=options.num_train_epochs,
        weight_decay=options.weight_decay,
        dropout=options.dropout,
        batch_size=options.train_batch_size,
        gradient_accumulation_steps=options.gradient_accumulation_steps,
        warmup_steps=options.warmup_steps,
        max_train_samples=options.max_train_samples,
        seed=options.seed,
    )
    return cell.canonical().axes()


def distillation_job(options):
    """The Job of distill.py's parsed flags. Raises UserError for an objective that makes no sense."""
    objective = Objective(options.temperature, options.alpha, options.objective, options.beta)
    return Job(
        options,
        model_path=options.student_model_path,
        tokenizer_path=options.student_model_path,
        # One name for plain fine-tuning, whatever temperature and objective were given beside alpha 1.
        objective=objective if objective.needs_teacher else PLAIN,
        teacher_path=options.teacher_model_path if objective.needs_teacher else None,
        init=options.student_init,
        cell=cell_axes(options),
    )
