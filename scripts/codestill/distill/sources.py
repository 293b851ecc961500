"""Opening training and validation data: token sets as they are, files of functions, or nothing given at all."""

import importlib
from pathlib import Path

from codestill.data.batches import Examples
from codestill.kit.program import UserError


def locate(options, tokenizer_path):
    """(training, validation) tokens folders of the flags; makes them in the work folder where they are not tokens."""
    if options.train_data and not Path(options.train_data).exists():
        raise UserError(f"--train_data {options.train_data}: no such folder or file")
    # Named by a string: what a study's cells never run is no part of the code by which they would be trained anew.
    own = importlib.import_module("codestill.data.own_corpus") if _made_here(options) else None
    train = options.train_data or own.gathered(options.work_dir)
    validation = options.validation_data or _beside(train)
    if validation is None and own:
        paths = own.split_files(train, options.work_dir, options.validation_fraction, options.seed)
    else:
        paths = [train, validation or beside(train)]
    if own:
        paths = own.tokenized(paths, tokenizer_path, options.work_dir, options.max_seq_length)
    return [str(path) for path in paths]


def _made_here(options):
    """Whether token sets are still to be made of what the flags name."""
    return not options.train_data or any(
        path and Path(path).is_file() for path in (options.train_data, options.validation_data)
    )


def open_examples(options, paths):
    """(training rows, validation rows) of two tokens folders, cut and limited by the flags."""
    from codestill.data.tokens import load_tokens

    limits = options.max_train_samples, options.max_eval_samples
    return tuple(
        Examples(load_tokens(path), options.max_seq_length, limit, str(path))
        for path, limit in zip(paths, limits, strict=True)
    )


def beside(train_data):
    """The validation data beside the training data, named alike. Raises UserError where there is none."""
    found = _beside(train_data)
    if found is None:
        raise UserError("--validation_data: missing, and none lies beside the training data; give one")
    return found


def _beside(train_data):
    path = Path(train_data)
    found = path.with_name(path.name.replace("train", "validation"))
    return str(found) if found != path and found.exists() else None
