"""Tokens: functions as rows of token ids, packed without leaks; how a set of them is read.

A row is {input_ids, position_ids, labels, bytes, sources}. Labels are aligned like input_ids (the model shifts them);
a label of -100 is no target. Functions in one row are told apart by position_ids that start again at 0: a model called
with these position_ids, `use_cache=False` and no attention mask computes for each function what it computes for the
function alone. `bytes` are the UTF-8 bytes of the text that the row's targets stand for. Bits per byte is the summed
negative log-likelihood of all targets / ln 2 / bytes: the end token has 0 bytes and its likelihood is in the sum.
`sources` names where each function of the row came from.

On disk a set is one Arrow stream of many record batches, whose lists have offsets of 64 bits (data/token_file.py); it
is mapped into memory, never read into it.
"""

from pathlib import Path

from codestill.kit.files import rows_told
from codestill.kit.program import UserError

IGNORE = -100  # torch's ignore_index
COLUMNS = ("input_ids", "position_ids", "labels", "bytes")
LAYOUTS = ("packed", "padded")


def load_tokens(path, max_samples=None):
    """The tokens in the folder `path` as a datasets.Dataset of rows, the first `max_samples` of them if given.

    A packed row holds several functions. Raises UserError where the folder does not hold tokens.
    """
    from datasets import load_from_disk

    path = Path(path)
    if not (path / "state.json").is_file():
        raise UserError(f"{path}: no tokens there (state.json is missing); scripts/tokenize_corpus.py makes them")
    if max_samples is not None and max_samples < 1:
        raise UserError(f"{path}: {max_samples} samples were asked for; ask for at least 1, or leave the limit out")
    try:
        tokens = load_from_disk(str(path))
        columns = set(tokens.column_names)
    except Exception as error:  # torn arrow or JSON files show in many ways
        raise UserError(f"{path}: the tokens cannot be read ({error}); delete the folder and tokenise again") from error
    missing = [name for name in COLUMNS if name not in columns]
    if missing:
        raise UserError(f"{path}: column {missing[0]!r} is missing; make the tokens with scripts/tokenize_corpus.py")
    told = rows_told(path)
    if told not in (None, len(tokens)):
        raise UserError(
            f"{path}: {len(tokens):,} rows in place of {told:,}: torn; delete the folder and tokenise again"
        )
    return tokens if max_samples is None else tokens.select(range(min(max_samples, len(tokens))))


def collate(rows):
    """A batch of rows as tensors [batch, longest row], int64: input_ids, position_ids, labels.

    Filled on the right: labels with -100, ids and positions with 0. The id does not matter, since nothing before it
    sees it and no target follows from it; positions of 0 make each filled place a sequence of its own.
    """
    import torch

    longest = max(len(row["input_ids"]) for row in rows)
    batch = {}
    for name, fill in (("input_ids", 0), ("position_ids", 0), ("labels", IGNORE)):
        batch[name] = torch.full((len(rows), longest), fill, dtype=torch.int64)
        for number, row in enumerate(rows):
            batch[name][number, : len(row[name])] = torch.as_tensor(row[name], dtype=torch.int64)
    return batch
