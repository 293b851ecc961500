"""The flags that every training program shares, and what they mean for torch before it is imported."""

import math
import os

from codestill.kit.program import UserError


def add_training_arguments(parser):
    """Flags of data, training and machine."""
    data = parser.add_argument_group("data")
    data.add_argument("--train_data", help="a tokens folder, or a file of functions (default: from the hub)")
    data.add_argument("--validation_data", help="the same for validation; default: beside the training data")
    data.add_argument("--max_seq_length", type=int, help="tokens; longer rows are cut (default: rows as they are)")
    data.add_argument("--max_train_samples", type=int, help="train on the first so many rows only")
    data.add_argument("--max_eval_samples", type=int, help="validate on the first so many rows only")

    training = parser.add_argument_group("training")
    training.add_argument("--num_train_epochs", type=float, default=3.0, help="passes over the data; 0 trains nothing")
    training.add_argument("--train_batch_size", type=int, default=6, help="rows in a forward pass")
    training.add_argument("--eval_batch_size", type=int, default=8, help="rows in a forward pass of validation")
    training.add_argument(
        "--gradient_accumulation_steps",
        type=int,
        default=2,
        help="forward passes summed into one optimiser step (shared out where several processes train)",
    )
    training.add_argument("--learning_rate", type=float, default=5e-5, help="peak of AdamW, then linear decay")
    training.add_argument("--weight_decay", type=float, default=0.01, help="AdamW's; biases and norms are exempt")
    training.add_argument(
        "--warmup_steps", type=int, default=1000, help="optimiser steps of linear warm-up; at most a tenth of all steps"
    )
    training.add_argument("--dropout", type=float, help="dropout of the trained model (default: its own)")
    training.add_argument("--seed", type=int, default=42, help="seed of order, dropout and new weights")
    training.add_argument("--evaluations", type=int, default=3, help="validations spread evenly over the training")
    training.add_argument("--precision", choices=["float32", "bf16", "fp16"], default="float32", help="of the passes")
    training.add_argument("--fp16", action="store_true", help="the same as --precision fp16")
    training.add_argument("--do_train", action="store_true", help="train (with neither flag: both)")
    training.add_argument("--do_eval", action="store_true", help="evaluate; alone: without training")
    training.add_argument(
        "--preflight", choices=["stop", "warn"], default="stop", help="what a failed check before training does"
    )

    machine = parser.add_argument_group("machine")
    machine.add_argument("--work_dir", help="checkpoints, TensorBoard logs, lease (default: OUTPUT_DIR.work)")
    machine.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="auto takes CUDA if any")
    machine.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads of torch; they change bits")
    machine.add_argument("--logging_steps", type=int, help="optimiser steps between logs (default: about 100 logs)")
    machine.add_argument("--save_steps", type=int, help="optimiser steps between checkpoints (default: by time only)")
    machine.add_argument("--save_seconds", type=float, default=600.0, help="seconds between checkpoints")


def settle(options):
    """Check and complete parsed flags, and set torch's threads while it is not imported yet."""
    if options.fp16:
        options.precision = "fp16"
    positive = ("train_batch_size", "eval_batch_size", "gradient_accumulation_steps", "threads", "evaluations")
    for name in (*positive, "max_seq_length", "max_train_samples", "max_eval_samples", "logging_steps", "save_steps"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise UserError(f"--{name} {value}: must be at least 1")
    for name in ("num_train_epochs", "learning_rate", "weight_decay", "warmup_steps", "seed"):
        if not 0 <= getattr(options, name) < math.inf:
            raise UserError(f"--{name} {getattr(options, name)}: must be a finite number, not negative")
    if not (options.do_train or options.do_eval):
        options.do_train = options.do_eval = True
    if not options.do_train:
        options.num_train_epochs = 0.0
    options.output_dir = options.output_dir.rstrip("/")
    options.work_dir = options.work_dir or f"{options.output_dir}.work"
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(options.threads)
    options.offline = "HF_HUB_OFFLINE" in os.environ
    # A study never asks the hub while it trains: what it needs lies on disk.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    return options
