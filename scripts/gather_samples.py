"""Join the parts of one model's samples that `generate.py --shard I/N` drew, and their protocols.

    python scripts/gather_samples.py --benchmark pocket.jsonl --samples part1.jsonl part2.jsonl \\
        --protocols part1.protocol.json part2.protocol.json --output samples.jsonl --protocol samples.protocol.json

Parts that overlap, were drawn differently, or leave samples out are refused.
"""

from codestill.kit.program import UserError, log, parser, run
from codestill.kit.whole import given
from codestill.sampling.journal import gather


def main():
    cli = parser(__doc__)
    cli.add_argument("--benchmark", type=given, required=True, help="the benchmark's JSON lines")
    cli.add_argument("--samples", type=given, required=True, nargs="+", help="the parts")
    cli.add_argument("--protocols", type=given, required=True, nargs="+", help="their protocols, in the same order")
    cli.add_argument("--output", required=True, help="samples.jsonl to write")
    cli.add_argument("--protocol", required=True, help="its protocol")
    args = cli.parse_args()
    if len(args.samples) != len(args.protocols):
        raise UserError(f"--protocols: give one for each of the {len(args.samples)} parts")
    gather(args.benchmark, args.samples, args.protocols, args.output, args.protocol)
    log(f"{args.output}: gathered from {len(args.samples)} parts")


if __name__ == "__main__":
    run(main)
