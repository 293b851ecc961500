"""Make a model smaller: quantise, cast or prune it, into a folder in Hugging Face format.

    python scripts/compress.py --model results/demo/models/teacher --operation quantise --value int8 \\
        --train_data results/demo/tokens/train --output_dir results/demo/models/teacher.int8
    python scripts/compress.py --model results/demo/models/teacher --operation prune --value 0.4 --by activation \\
        --train_data results/demo/tokens/train --output_dir results/demo/models/teacher.p40
    python scripts/compress.py --model results/demo/models/teacher --operation prune --value '{"mlp": 0.75}' \\
        --train_data results/demo/tokens/train --output_dir results/demo/models/teacher.narrow

Operations: quantise (int8, nf4; needs bitsandbytes), cast (bf16, fp16), prune (the share of the weights that becomes
zero, or the shares of the MLP's neurons, of heads and of layers that are kept). Beside the model compression.json says
what was done, the bytes before and after, and the KL to the parent on a few training rows.
"""

import json

from codestill.kit.program import UserError, log, parser, run
from codestill.study.entries import compressions


def arguments():
    """The parsed flags; raises UserError where they do not go together."""
    flags = parser(__doc__)
    flags.add_argument("--model", metavar="DIR", required=True, help="folder of the model to make smaller")
    flags.add_argument("--operation", choices=list(compressions()), required=True, help="what is done to it")
    flags.add_argument("--value", required=True, help="how: int8, bf16, a share, or a JSON object of shares")
    flags.add_argument("--by", choices=("magnitude", "activation"), help="prune only: what ranks weights and units")
    flags.add_argument("--train_data", metavar="DIR", required=True, help="tokens on whose first rows it is ranked")
    flags.add_argument("--rows", type=int, default=64, help="of these tokens")
    flags.add_argument("--threads", type=int, default=0, help="CPU threads of torch; 0: its own choice")
    flags.add_argument("--output_dir", metavar="DIR", required=True, help="folder to write")
    args = flags.parse_args()
    if args.rows < 1:
        raise UserError(f"--rows {args.rows}: must be at least 1")
    return args


def asked_for(args):
    """The variant that the flags describe. Raises UserError where it does not go with the operation."""
    from codestill.study.flags import checked
    from codestill.study.sections.variants import Variant

    try:
        value = json.loads(args.value)
    except json.JSONDecodeError:
        value = args.value
    return checked(Variant, {args.operation: value, "by": args.by})


def main():
    """Make one model smaller."""
    args = arguments()
    variant = asked_for(args)
    import torch
    from datasets import load_from_disk

    from codestill.data.batches import Examples, batches
    from codestill.models.compression import Compression, compress

    if args.threads:
        torch.set_num_threads(args.threads)
    examples = Examples(load_from_disk(args.train_data), limit=args.rows, source=args.train_data)
    # One row a batch: none is filled up, and no filling counts.
    rows = [{name: batch[name] for name in ("input_ids", "position_ids")} for batch in batches(examples, 1)]
    log(f"{args.operation} {args.value} on {len(examples)} rows of {args.train_data}")
    asked = Compression(args.model, variant.value, variant.ranked_by, rows)
    compress(args.operation, asked, args.output_dir)


if __name__ == "__main__":
    run(main)
