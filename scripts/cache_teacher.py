"""Store a teacher's final hidden states on a token set, once for every cell that learns from it.

    python scripts/cache_teacher.py --teacher_model_path results/demo/models/teacher \\
        --train_data results/demo/tokens/train --validation_data results/demo/tokens/validation \\
        --output_dir results/demo/work/teacher_cache

The states are exact for every temperature, alpha and divergence but for their half precision, whose error is measured
as a KL divergence and logged. A training reads them with --teacher_cache OUTPUT_DIR (see scripts/distill.py) and never
loads the teacher's body. The folder's size is logged and its disk space is taken before the pass begins. A pass that is
interrupted goes on after its last finished shard. Caches are found by the checksums of model and tokens, so one folder
may hold those of several.
"""

import os

from codestill.kit.program import parser, run


def main():
    """The program."""
    arguments = parser(__doc__)
    add = arguments.add_argument
    add("--teacher_model_path", required=True, help="folder of the teacher")
    add("--train_data", required=True, help="tokens folder of the training split")
    add("--validation_data", help="tokens folder of the validation split (default: beside the training data)")
    add("--output_dir", required=True, help="folder that receives the caches")
    add("--cache_dtype", choices=["float16", "bfloat16"], default="float16", help="type of the stored states")
    add("--max_seq_length", type=int, help="tokens; longer rows are cut, as in the training that reads the cache")
    add("--max_train_samples", type=int, help="store the first so many rows only")
    add("--max_eval_samples", type=int, help="store the first so many validation rows only")
    add("--batch_size", type=int, default=8, help="rows in a forward pass")
    add("--device", choices=["auto", "cpu", "cuda"], default="auto", help="auto takes CUDA if any")
    add("--threads", type=int, default=os.cpu_count(), help="CPU threads of torch")
    options = arguments.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")

    import torch

    from codestill.distill.sources import locate, open_examples
    from codestill.distill.teacher_pass import make_caches
    from codestill.kit.lease import lease
    from codestill.models.loading import device_of

    torch.set_num_threads(options.threads)
    options.work_dir = options.output_dir
    data = open_examples(options, locate(options, options.teacher_model_path))
    device = device_of(options.device)
    with lease(options.output_dir):
        make_caches(
            options.teacher_model_path, data, options.output_dir, device, options.cache_dtype, options.batch_size
        )


if __name__ == "__main__":
    run(main)
