"""Fine-tune the teacher on the study's tokens, before it may teach.

    python scripts/teach.py --model_path results/demo/inputs/models/teacher \\
        --tokenizer_path results/demo/models/student \\
        --train_data results/demo/tokens/train --validation_data results/demo/tokens/validation \\
        --output_dir results/demo/models/teacher --work_dir results/demo/work/teach/teacher --num_train_epochs 2

The objective is the cross-entropy per target token; the model with the lowest validation loss is kept. With 0 epochs
the model is copied unchanged and evaluated. Interrupted (SIGTERM, SIGUSR1, or killed), the same command goes on from
the last checkpoint in --work_dir. Besides the model, OUTPUT_DIR receives trainer_state.json, train_results.json,
eval_results.json (eval_loss in nats per target token) and provenance.json.
"""

from dataclasses import replace

from codestill.distill.arguments import add_training_arguments
from codestill.kit.program import parser, run
from codestill.kit.whole import given


def main():
    """The program."""
    arguments = parser(__doc__)
    arguments.add_argument("--model_path", type=given, required=True, help="folder of the model to fine-tune")
    arguments.add_argument(
        "--tokenizer_path", type=given, help="folder of the tokenizer of the tokens (default: the model's)"
    )
    arguments.add_argument("--output_dir", default="teacher", help="folder that receives the model and its results")
    add_training_arguments(arguments)
    options = arguments.parse_args()
    from codestill.distill.objective import PLAIN
    from codestill.distill.training import TrainingJob, run_job

    objective = replace(PLAIN, label_smoothing=options.label_smoothing)
    tokenizer = options.tokenizer_path or options.model_path
    return run_job(TrainingJob(options, options.model_path, tokenizer, objective, cell=None))


if __name__ == "__main__":
    run(main)
