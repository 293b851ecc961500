"""Opening training and validation data: token sets as they are, functions tokenised on the fly."""

from pathlib import Path

from codestill.distill.examples import Examples
from codestill.study.program import UserError, log


def open_examples(options, tokenizer_path):
    """(training rows, validation rows) of the flags --train_data and --validation_data."""
    if not options.train_data:
        raise UserError("--train_data: missing; give a tokens folder or a JSON-lines file of functions")
    validation = options.validation_data or _beside(options.train_data)
    paths = [options.train_data, validation]
    if any(Path(path).is_file() for path in paths):
        paths = _tokenized(paths, tokenizer_path, options)
    from codestill.data.tokens import load_tokens

    limits = options.max_train_samples, options.max_eval_samples
    return tuple(
        Examples(load_tokens(path), options.max_seq_length, limit, str(path))
        for path, limit in zip(paths, limits, strict=True)
    )


def _beside(train_data):
    path = Path(train_data)
    found = path.with_name(path.name.replace("train", "validation"))
    if found == path or not found.exists():
        raise UserError("--validation_data: missing, and none lies beside the training data; give one")
    return str(found)


def _tokenized(paths, tokenizer_path, options):
    """Token sets made from files of functions, kept in the work folder."""
    import subprocess
    import sys

    root = Path(options.work_dir) / "tokens"
    folders = [root / name for name in ("train", "validation")]
    script = Path(__file__).resolve().parents[2] / "tokenize_corpus.py"
    log(f"tokenising {paths[0]} and {paths[1]}")
    command = [sys.executable, script, "--tokenizer", tokenizer_path, "--inputs", *paths, "--outputs", *folders]
    command += ["--accounting", root / "accounting.json", "--max_seq_length", options.max_seq_length or 512]
    done = subprocess.run([str(part) for part in command], check=False)
    if done.returncode:
        raise UserError(f"--train_data {paths[0]}: could not be tokenised (see above)")
    return [str(folder) for folder in folders]
