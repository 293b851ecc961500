"""Opening training and validation data: token sets as they are, files of functions, or nothing given at all."""

import os
import subprocess
import sys
from pathlib import Path

from codestill.data.batches import Examples
from codestill.kit.program import UserError, log

SCRIPTS = Path(__file__).resolve().parents[2]
# What a distillation of code models learns from where nothing else is named: CodeSearchNet's Python functions.
CORPUS = ("--kind", "hub", "--name", "google/code_x_glue_ct_code_to_text", "--config_name", "python")


def locate(options, tokenizer_path):
    """(training, validation) tokens folders of the flags; makes them in the work folder where they are not tokens."""
    if not options.train_data:
        paths = _gathered(options)
    else:
        if not Path(options.train_data).exists():
            raise UserError(f"--train_data {options.train_data}: no such folder or file")
        paths = [options.train_data, options.validation_data or beside(options.train_data)]
    if any(Path(path).is_file() for path in paths):
        paths = _tokenized(paths, tokenizer_path, options)
    return [str(path) for path in paths]


def open_examples(options, paths):
    """(training rows, validation rows) of two tokens folders, cut and limited by the flags."""
    from codestill.data.tokens import load_tokens

    limits = options.max_train_samples, options.max_eval_samples
    return tuple(
        Examples(load_tokens(path), options.max_seq_length, limit, str(path))
        for path, limit in zip(paths, limits, strict=True)
    )


def call(script, *arguments, network=False):
    """Run one of the project's programs; raises UserError where it fails."""
    environment = dict(os.environ)
    if network:
        environment.pop("HF_HUB_OFFLINE", None)
    command = [sys.executable, str(SCRIPTS / f"{script}.py"), *map(str, arguments)]
    if subprocess.run(command, env=environment, check=False).returncode:
        raise UserError(f"scripts/{script}.py failed (see above): {' '.join(command[1:])}")


def beside(train_data):
    """The validation data beside the training data, named alike. Raises UserError where there is none."""
    path = Path(train_data)
    found = path.with_name(path.name.replace("train", "validation"))
    if found == path or not found.exists():
        raise UserError("--validation_data: missing, and none lies beside the training data; give one")
    return str(found)


def _gathered(options):
    """Files of functions brought from the hub and split, kept free of HumanEval's solutions."""
    root = Path(options.work_dir) / "corpus"
    splits = {name: root / f"{name}.jsonl" for name in ("train", "validation", "test")}
    if not all(path.is_file() for path in splits.values()):
        log(f"no --train_data: bringing {CORPUS[3]} from the hub into {root}")
        source, benchmark = root / "source.jsonl.gz", root / "humaneval.jsonl"
        call(
            "download",
            "corpus",
            *CORPUS,
            "--output",
            source,
            "--manifest",
            f"{source}.json",
            network=not options.offline,
        )
        call("download", "benchmark", "--kind", "humaneval", "--output", benchmark, "--manifest", f"{benchmark}.json")
        flags = [word for name, path in splits.items() for word in (f"--{name}", path)]
        flags += ["--accounting", root / "accounting.json"]
        call("prepare_corpus", "--sources", source, "--benchmarks", benchmark, *flags)
    return splits["train"], splits["validation"]


def _tokenized(paths, tokenizer_path, options):
    """Token sets made from two files of functions."""
    root = Path(options.work_dir) / "tokens"
    folders = [root / name for name in ("train", "validation")]
    log(f"tokenising {paths[0]} and {paths[1]}")
    flags = ["--tokenizer", tokenizer_path, "--inputs", *paths, "--outputs", *folders]
    call(
        "tokenize_corpus",
        *flags,
        "--accounting",
        root / "accounting.json",
        "--max_seq_length",
        options.max_seq_length or 512,
    )
    return folders
