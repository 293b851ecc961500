"""Distil a teacher into a student: loss = alpha * CE + (1 - alpha) * T^2 * KL(teacher_T || student_T).

    python scripts/distill.py --teacher_model_path results/demo/models/teacher \\
        --student_model_path results/demo/models/student \\
        --train_data results/demo/tokens/train --validation_data results/demo/tokens/validation \\
        --output_dir results/demo/models/my-student --temperature 2.0 --alpha 0.5

alpha 1 learns from the labels alone (plain fine-tuning; no teacher is loaded), alpha 0 from the teacher alone. T
softens both distributions. Teacher and student share token ids: see scripts/match_vocabulary.py. Both terms are means
over the target tokens of an optimiser step. The student with the lowest validation CE (T = 1) is kept, so that cells
with any T and alpha compare.
Interrupted (SIGTERM, SIGUSR1, or killed), the same command goes on from the last checkpoint in --work_dir; exit code
75 asks for that. OUTPUT_DIR receives the model, its tokenizer, trainer_state.json (curves of loss_ce, loss_kl,
loss_total), train_results.json, eval_results.json (with a diagnosis) and provenance.json. Several processes share one
cell: accelerate launch --num_processes 2 scripts/distill.py ... (accumulation is shared out among them).
"""

import importlib
import os
import signal
from typing import get_args

from codestill.distill.arguments import add_training_arguments
from codestill.distill.axes_file import add_axes_arguments, take_axes, taken_over
from codestill.kit.program import UserError, parser, run
from codestill.kit.signals import END_SIGNALS
from codestill.kit.whole import given
from codestill.study.flags import add_flags, section_of
from codestill.study.sections.distillation import Distillation
from codestill.study.sections.training import Bits


def add_arguments(arguments):
    """The flags of distilling, before those of every training."""
    add = arguments.add_argument
    add("--teacher_model_path", type=given, help="folder of the teacher; not needed where --alpha is 1")
    add(
        "--teacher_load_in",
        choices=get_args(Bits),
        help="8 or 4 bits of its weights, by bitsandbytes; left out: its own",
    )
    add("--student_model_path", type=given, required=True, help="folder of the student; its tokenizer is the study's")
    add("--output_dir", default="distilled_model", help="folder that receives the student and its results")
    add_flags(arguments, Distillation)
    add("--teacher_cache", type=given, metavar="DIR", help="the states that scripts/cache_teacher.py stored in DIR")
    add(
        "--stage_cache_in",
        metavar="DIR",
        help="copy stored states to this node-local folder first, for example $TMPDIR",
    )
    add(
        "--eval_on_humaneval",
        action="store_true",
        help="generate and grade HumanEval into OUTPUT_DIR/humaneval_results",
    )
    add("--humaneval_samples", type=int, default=20, help="samples a problem for --eval_on_humaneval")
    add("--humaneval_max_new_tokens", type=int, default=256, help="tokens a sample for --eval_on_humaneval")
    add(
        "--named", nargs="+", default=[], metavar="AXIS=NAME",
        help="what a study calls the models, where that is not their folders' names, for the record",
    )  # fmt: skip
    add_axes_arguments(arguments)
    add_training_arguments(arguments)


def main():
    """The program."""
    arguments = parser(__doc__)
    add_arguments(arguments)
    options = arguments.parse_args()
    take_axes(options)
    section_of(options, Distillation)
    if options.alpha < 1 and not options.teacher_model_path:
        raise UserError("--teacher_model_path: missing; give one, or --alpha 1 for plain fine-tuning")
    for name in ("humaneval_samples", "humaneval_max_new_tokens"):
        if getattr(options, name) < 1:
            raise UserError(f"--{name} {getattr(options, name)}: must be at least 1")
    if taken_over(options):
        return 0
    from codestill.distill.training import run_job
    from codestill.distill.training_job import distillation_job

    code = run_job(distillation_job(options))
    if code == 0 and options.eval_on_humaneval and os.environ.get("RANK", "0") == "0":
        evaluate(options)
    return code


def evaluate(options):
    """HumanEval on the student, into OUTPUT_DIR/humaneval_results; a signal ends it, and it goes on where it was."""
    for number in END_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    # Named by a string: what a study's cells never run is no part of the code by which they would be trained anew.
    module = importlib.import_module("codestill.grading.on_humaneval")
    module.evaluate_on_humaneval(
        options.output_dir,
        f"{options.output_dir}/humaneval_results",
        options.work_dir,
        options.humaneval_samples,
        options.humaneval_max_new_tokens,
        options.device,
        options.threads,
    )


if __name__ == "__main__":
    run(main)
