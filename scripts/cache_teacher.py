"""Store a teacher's final hidden states on a study's tokens, once for every cell that learns from it.

    python scripts/cache_teacher.py --teacher_model_path results/demo/models/teacher \\
        --train_data results/demo/tokens/train --validation_data results/demo/tokens/validation \\
        --output_dir results/demo/teacher_states/teacher

The states are exact for every temperature, alpha and divergence but for their precision, whose error is measured as a
KL divergence and logged. A training reads them with --teacher_cache OUTPUT_DIR (see scripts/distill.py) and never loads
the teacher's body; it may take fewer rows, or cut them shorter. The size is logged and its disk space is taken before
the pass begins. A pass that is interrupted goes on in --work_dir; its files are moved to OUTPUT_DIR at the end.
"""

import os

from codestill.kit.program import parser, run
from codestill.kit.whole import given


def main():
    """The program."""
    arguments = parser(__doc__)
    add = arguments.add_argument
    add("--teacher_model_path", type=given, required=True, help="folder of the teacher")
    add("--load_in", choices=["int8", "nf4"], help="8 or 4 bits of its weights, by bitsandbytes; left out: its own")
    add("--train_data", type=given, required=True, help="tokens folder of the training split")
    add(
        "--validation_data",
        type=given,
        help="tokens folder of the validation split (default: beside the training data)",
    )
    add("--output_dir", required=True, help="folder that receives the states")
    add("--work_dir", help="folder of an unfinished pass (default: OUTPUT_DIR.work)")
    add(
        "--cache_dtype",
        choices=["float16", "bfloat16", "float32"],
        default="float16",
        help="type of the stored states; float32 is exact",
    )
    add("--max_seq_length", type=int, help="tokens; longer rows are cut, and so for every training that reads them")
    add("--max_train_samples", type=int, help="store the first so many rows only")
    add("--max_eval_samples", type=int, help="store the first so many validation rows only")
    add("--batch_size", type=int, default=8, help="rows in a forward pass")
    add("--device", choices=["auto", "cpu", "cuda"], default="auto", help="auto takes CUDA if any")
    add("--threads", type=int, default=os.cpu_count(), help="CPU threads of torch")
    options = arguments.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")

    import torch

    from codestill.distill.sources import beside, open_examples
    from codestill.distill.teacher_pass import store
    from codestill.kit.lease import lease
    from codestill.models.loading import device_of
    from codestill.study.teacher_states import SPLITS

    torch.set_num_threads(options.threads)
    folder = options.output_dir.rstrip("/")
    work = options.work_dir or f"{folder}.work"
    paths = options.train_data, options.validation_data or beside(options.train_data)
    data = dict(zip(SPLITS, open_examples(options, paths), strict=True))
    with lease(work):
        store(
            options.teacher_model_path,
            data,
            folder,
            work,
            device_of(options.device),
            options.cache_dtype,
            options.batch_size,
            options.load_in,
        )


if __name__ == "__main__":
    run(main)
