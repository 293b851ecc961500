"""Make a study's corpus: clean, decontaminated, and split into train, validation and test.

Dropped and counted are records without code or docstring, that do not parse or are no single function, that hold a
benchmark's solution or problem, that duplicate another, and that repeat in train what validation or test hold. A
record's own partition is honoured; others are split by a hash of what they do. Every count is in the accounting.

    python scripts/prepare_corpus.py --sources stdlib.jsonl.gz pocket.jsonl.gz --benchmarks humaneval.jsonl \\
        --train train.jsonl --validation validation.jsonl --test test.jsonl --accounting accounting.json --seed 42
"""

import contextlib
import tempfile
from pathlib import Path

from codestill.kit.files import atomic, read_jsonl, write_json
from codestill.kit.program import UserError, log, parser, progress, run
from codestill.study.flags import add_flags, section_of
from codestill.study.sections.corpus import Split


def arguments():
    top = parser(__doc__)
    top.add_argument("--sources", nargs="+", required=True, help="JSON lines of download.py corpus, read in this order")
    top.add_argument("--benchmarks", nargs="*", default=[], help="JSON lines of download.py benchmark, to keep out")
    for split in ("train", "validation", "test"):
        top.add_argument(f"--{split}", required=True, help=f"JSON lines to write: the {split} split")
    top.add_argument("--accounting", required=True, help="JSON file to write: what was read, kept and dropped, and why")
    add_flags(top, Split)
    args = top.parse_args()
    section_of(args, Split)
    return args


def _records(paths):
    from codestill.data.sources import PARTITIONS

    for path in paths:
        name = Path(path).name.removesuffix(".gz").removesuffix(".jsonl")
        for number, row in enumerate(read_jsonl(path), 1):
            if row.get("partition") not in (None, *PARTITIONS.values()):
                raise UserError(
                    f"{path}:{number}: field partition is {row['partition']!r}; give train, validation or test"
                )
            yield {**row, "source": row.get("source") or name}


def main():
    args = arguments()
    from codestill.data import corpus
    from codestill.data.decontamination import read_benchmarks

    benchmarks = read_benchmarks(args.benchmarks)
    held_out = [Path(path).stem for path in args.benchmarks]
    folder = Path(args.train).parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as spool:
        intake = corpus.Intake(spool, benchmarks)
        for row in progress(_records(args.sources), unit="function", desc="reading"):
            intake.take(row)
        splits, dropped = corpus.plan(
            intake, args.validation_fraction, args.test_fraction, args.seed, max_samples=args.max_samples
        )
        account = corpus.accounting(intake, splits, dropped)
        if not splits["train"]:
            reasons = ", ".join(f"{reason} {count}" for reason, count in account["dropped"].items() if count)
            raise UserError(f"--sources: of {account['read']} records none is left to train on ({reasons})")
        with contextlib.ExitStack() as stack:
            for split, numbers in splits.items():
                handle = stack.enter_context(atomic(getattr(args, split), "wb"))
                corpus.write(handle, spool, intake, progress(numbers, unit="function", desc=split))
    write_json(args.accounting, {**account, "seed": args.seed, "sources_in_order": args.sources, "held_out": held_out})
    log(f"read {account['read']}, kept {account['kept']}, dropped {sum(account['dropped'].values())}")


if __name__ == "__main__":
    run(main)
