"""Measure models without running their programs: how well they predict code, and what they cost.

    python scripts/measure.py language --model results/demo/models/student --teacher results/demo/models/teacher \\
        --tokens results/demo/tokens/test --output bits_per_byte.json
    python scripts/measure.py efficiency --model results/demo/models/{teacher,student} --output {teacher,student}.json

Several models share one process: give as many outputs as models. `efficiency` times all its models in turns, each until
its median is known to within 5 % or its time is spent; then the figures are marked as of a busy machine.
"""

from codestill.kit.files import write_json
from codestill.kit.program import UserError, log, parser, run
from codestill.kit.whole import given
from codestill.study.flags import add_flags
from codestill.study.sections.generation import Generation
from codestill.study.sections.measures import Measures


def arguments():
    cli = parser(__doc__)
    kinds = cli.add_subparsers(dest="kind", required=True)
    language = kinds.add_parser("language", help="bits per byte, CE, KL to the teacher and agreement, at T = 1")
    language.add_argument(
        "--teacher", type=given, help="model folder; without it, or for itself, kl and agreement are null"
    )
    language.add_argument("--tokens", type=given, required=True, help="token set, for example tokens/test")
    language.add_argument("--batch_size", type=int, default=8, help="rows at once")
    add_flags(language, Measures, ["max_rows"])
    efficiency = kinds.add_parser("efficiency", help="parameters, bytes, latency, tokens per second, memory")
    efficiency.add_argument("--batch_sizes", type=int, nargs="+", default=[1, 8, 32], help="sequences at once")
    efficiency.add_argument("--seconds", type=float, default=10.0, help="at most, for each model and batch size")
    for kind in (language, efficiency):
        kind.add_argument("--model", type=given, required=True, nargs="+", help="model folders in Hugging Face format")
        kind.add_argument("--output", required=True, nargs="+", help="JSON to write, one per model")
        add_flags(kind, Measures, ["precision"])
        add_flags(kind, Generation, ["device", "threads"], threads=0)
    return cli.parse_args()


def main():
    args = arguments()
    if len(args.model) != len(args.output):
        raise UserError(f"--output: give one for each of the {len(args.model)} models")
    for name in ("batch_size", "max_rows"):
        if getattr(args, name, None) is not None and getattr(args, name) < 1:
            raise UserError(f"--{name} {getattr(args, name)}: must be at least 1")
    if min(getattr(args, "batch_sizes", [1])) < 1:
        raise UserError("--batch_sizes: each must be at least 1")

    import torch  # heavy: after the arguments are known to be good
    from transformers.utils import logging

    from codestill.measure import bits_per_byte, efficiency
    from codestill.models.loading import dtype_of

    logging.disable_progress_bar()
    dtype = dtype_of(args.precision)
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.kind == "efficiency":
        all_found = efficiency.measure_folders(args.model, args.batch_sizes, args.seconds, args.device, dtype)
        for model, output, found in zip(args.model, args.output, all_found, strict=True):
            busy = [batch for batch, told in found["busy"].items() if told]
            marked = f"; machine busy: not stable at batch {', '.join(busy)}" if busy else ""
            log(f"{model}: {found['parameters'] / 1e6:.2f} M parameters, {found['bytes_on_disk'] / 1e6:.1f} MB{marked}")
            write_json(output, found)
        return
    for model, output in zip(args.model, args.output, strict=True):
        found = bits_per_byte.measure_folder(
            model, args.teacher, args.tokens, args.batch_size, args.device, dtype, args.max_rows
        )
        log(f"{model}: {found['bits_per_byte']:.4f} bits per byte over {found['tokens']} tokens")
        write_json(output, found)


if __name__ == "__main__":
    run(main)
