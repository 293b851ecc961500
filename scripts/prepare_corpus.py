"""Make a study's corpus: clean, decontaminated, and split into train, validation and test.

Dropped and counted are records without code or docstring, that do not parse or are no single function, that hold a
benchmark's solution or problem, that duplicate another, and that repeat in train what validation or test hold. A
record's own partition is honoured; others are split by a hash of what they do, or by --split_by of their repository or
file. Every count is in the accounting. Memory grows by some 50 bytes a record; a call that was killed goes on in
--work_dir.

    python scripts/prepare_corpus.py --sources stdlib.jsonl.gz pocket.jsonl.gz --benchmarks humaneval.jsonl \\
        --train train.jsonl --validation validation.jsonl --test test.jsonl --accounting accounting.json --seed 42
"""

from codestill.kit.program import parser, run
from codestill.kit.whole import given
from codestill.study.flags import add_flags, section_of
from codestill.study.sections.corpus import Split


def arguments():
    top = parser(__doc__)
    top.add_argument(
        "--sources", type=given, nargs="+", required=True, help="JSON lines of download.py corpus, read in this order"
    )
    top.add_argument(
        "--benchmarks", type=given, nargs="*", default=[], help="JSON lines of download.py benchmark, to keep out"
    )
    for split in ("train", "validation", "test"):
        top.add_argument(f"--{split}", required=True, help=f"JSON lines to write: the {split} split")
    top.add_argument("--accounting", required=True, help="JSON file to write: what was read, kept and dropped, and why")
    top.add_argument("--work_dir", help="where a killed call leaves what it took in; left out: beside --accounting")
    add_flags(top, Split)
    args = top.parse_args()
    section_of(args, Split)
    return args


def main():
    args = arguments()
    from codestill.data.prepared import prepare_corpus

    outputs = {split: getattr(args, split) for split in ("train", "validation", "test")}
    settings = section_of(args, Split)
    prepare_corpus(
        args.sources, args.benchmarks, outputs, args.accounting, settings, settings.workers, args.work_dir
    )  # fmt: skip


if __name__ == "__main__":
    run(main)
