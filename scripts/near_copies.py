"""Find the problems of a benchmark whose near copy is in the training text.

    python scripts/near_copies.py --benchmark results/demo/inputs/benchmarks/pocket.jsonl \\
        --train results/demo/inputs/corpus/train.jsonl --output pocket.near_copies.json

The corpus is kept free of the benchmarks that it knew when it was made; one that came later is checked here. grade.py
takes the file and gives pass@k with and without these problems.
"""

from codestill.kit.program import log, parser, progress, run


def arguments():
    """The parsed flags."""
    flags = parser(__doc__)
    flags.add_argument("--benchmark", metavar="FILE", required=True, help="JSON lines of download.py benchmark")
    flags.add_argument("--train", metavar="FILE", required=True, help="JSON lines of prepare_corpus.py: training text")
    flags.add_argument("--output", metavar="FILE", required=True, help="JSON: {problems: {task_id: records}, ...}")
    return flags.parse_args()


def main():
    """Search and write."""
    args = arguments()
    from codestill.data.decontamination import near_copies
    from codestill.kit.files import read_jsonl, write_json

    rows = list(read_jsonl(args.benchmark))
    records = 0

    def corpus():
        nonlocal records
        for record in progress(read_jsonl(args.train), unit="function", desc="searching"):
            records += 1
            yield record

    found = near_copies(rows, corpus())
    write_json(args.output, {"problems": found, "of_problems": len(rows), "records": records})
    log(f"{args.benchmark}: {len(found)} of {len(rows)} problems have a near copy among {records:,} training records")


if __name__ == "__main__":
    run(main)
