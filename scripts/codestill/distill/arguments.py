"""The flags that every training program shares, and what they mean for torch before it is imported."""

import json
import os

from codestill.kit.program import UserError
from codestill.kit.whole import given
from codestill.study.flags import add_flags, checked, names_of, section_of
from codestill.study.sections.training import Adapter, Training


def add_training_arguments(parser):
    """Flags of data, training and machine."""
    data = parser.add_argument_group("data")
    data.add_argument(
        "--train_data", type=given, help="a tokens folder, or a file of functions (default: from the hub)"
    )
    data.add_argument(
        "--validation_data", type=given, help="the same for validation; default: beside the training data"
    )
    data.add_argument(
        "--validation_fraction", type=float, default=0.05, help="of a file of functions that comes without validation"
    )
    data.add_argument("--max_seq_length", type=int, help="tokens; longer rows are cut (default: rows as they are)")

    training = parser.add_argument_group("training")
    add_flags(training, Training, names_of(Training, machine=False), threads=os.cpu_count())
    training.add_argument(
        "--adapter", metavar="JSON", help='train a low-rank adapter alone, {} or {"rank": 8, ...}, merged at the end'
    )
    training.add_argument(
        "--load_in", choices=["nf4"], help="what the weights under --adapter are held in (default: float32)"
    )
    training.add_argument("--seed", type=int, default=42, help="seed of order, dropout and new weights")
    training.add_argument("--fp16", action="store_true", help="the same as --precision fp16")
    training.add_argument("--do_train", action="store_true", help="train (with neither flag: both)")
    training.add_argument("--do_eval", action="store_true", help="evaluate; alone: without training")

    machine = parser.add_argument_group("machine")
    add_flags(machine, Training, names_of(Training, machine=True))
    machine.add_argument("--work_dir", help="checkpoints, TensorBoard logs, lease (default: OUTPUT_DIR.work)")
    machine.add_argument("--logging_steps", type=int, help="optimiser steps between logs (default: about 100 logs)")
    machine.add_argument("--save_steps", type=int, help="optimiser steps between checkpoints (default: by time only)")


def _adapter(options):
    """The `Adapter` that --adapter describes, None without one."""
    if options.adapter is None:
        if options.load_in:
            raise UserError(
                f"--load_in {options.load_in}: weights in few bits are not trained; give --adapter '{{}}', too"
            )
        return None
    try:
        found = json.loads(options.adapter)
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise UserError(f"--adapter {options.adapter}: no JSON object; write for example '{{\"rank\": 16}}'")
    try:
        return checked(Adapter, found)
    except UserError as error:
        raise UserError(f"--adapter: {str(error).removeprefix('--')}") from None


def settle(options):
    """Check and complete parsed flags, and set torch's threads while it is not imported yet."""
    if options.fp16:
        options.precision = "fp16"
    section_of(options, Training)
    options.adapter = _adapter(options)
    for name in ("max_seq_length", "logging_steps", "save_steps"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise UserError(f"--{name} {value}: must be at least 1")
    if options.seed < 0:
        raise UserError(f"--seed {options.seed}: must be at least 0")
    if not (options.do_train or options.do_eval):
        options.do_train = options.do_eval = True
    if not options.do_train:
        options.epochs = 0.0
    options.output_dir = options.output_dir.rstrip("/")
    options.work_dir = options.work_dir or f"{options.output_dir}.work"
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(options.threads)
    # A study never asks the hub while it trains: what it needs lies on disk.
    if options.train_data:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    return options
