"""Tokens: functions turned into rows of token ids, packed without leaks, every position accounted for.

A row is {input_ids, position_ids, labels, bytes, sources}. Labels are aligned like input_ids (the model shifts them);
a label of -100 is no target. A function begins with the tokenizer's own start token where it has one
(codestill.models.tokenizers, start_ids); that, else its first token, has nothing before it and is never a target; the
end token is one.
Functions in one row are told apart by position_ids that start again at 0: a model called with these position_ids,
`use_cache=False` and no attention mask computes for each function what it computes for the function alone.
`bytes` are the UTF-8 bytes of the text that the row's targets stand for. Bits per byte is the summed negative
log-likelihood of all targets / ln 2 / bytes: the end token has 0 bytes and its likelihood is in the sum.
`sources` names where each function of the row came from.
"""

from pathlib import Path

import numpy as np

from codestill.data.instruct import Chat
from codestill.data.text import function_text  # noqa: F401  (part of this module's interface)
from codestill.kit.files import rows_told
from codestill.kit.program import UserError, progress

IGNORE = -100  # torch's ignore_index
COLUMNS = ("input_ids", "position_ids", "labels", "bytes")
LAYOUTS = ("packed", "padded")
_BATCH = 1000  # functions tokenised at a time


class Functions:
    """Tokenised functions: `ids` (flat int32), `lengths` [n] of the pieces of it, and per function the counts below.

    full: tokens with start and end token before truncation; bytes: of the text of the targets; first_bytes: of the
    tokens that are no target (the first, where no start token leads; a conversation's prompts); cut_bytes: of the text
    that truncation took away. Each [n], int64.
    chats: how many are conversations; silent: which texts are left out, since all that is learnt was cut off.
    learnt: bool, flat as ids: which are targets; `unspelt` is how many texts their tokens do not give back.
    """

    def __init__(self, pieces, learnt, full, target_bytes, first_bytes, cut_bytes, unspelt=0, chats=0, silent=()):
        self.unspelt, self.chats, self.silent = unspelt, chats, silent
        self.learnt = np.concatenate(learnt) if learnt else np.zeros(0, dtype=bool)
        self.lengths = np.array([len(piece) for piece in pieces], dtype=np.int64)
        self.ids = np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int32)
        self.starts = np.concatenate([[0], np.cumsum(self.lengths)])[:-1].astype(np.int64)
        self.full = np.array(full, dtype=np.int64)
        self.bytes = np.array(target_bytes, dtype=np.int64)
        self.first_bytes = np.array(first_bytes, dtype=np.int64)
        self.cut_bytes = np.array(cut_bytes, dtype=np.int64)

    def __len__(self):
        return len(self.lengths)


def encode_functions(tokenizer, texts, max_seq_length, description="tokenising"):
    """Tokenise non-empty `texts`, each led by the tokenizer's start token if it has one and ended by its end token.

    Each is cut to `max_seq_length` tokens.

    A function that is cut loses its end token: it has not ended. Text that spells a special token stays text.
    """
    from codestill.models import chat
    from codestill.models.token_bytes import spells, token_bytes
    from codestill.models.tokenizers import plain_encodings, start_ids

    end, start_with, spelt_by = tokenizer.eos_token_id, start_ids(tokenizer), token_bytes(tokenizer)
    led = len(start_with)
    if max_seq_length < led + 2:
        raise UserError(f"--max_seq_length {max_seq_length}: too short for a start token, one more and what follows it")
    pieces, learnt, full, kept_bytes, first_bytes, cut_bytes, silent = [], [], [], [], [], [], []
    unspelt = chats = 0
    with progress(total=len(texts), desc=description, unit=" functions") as bar:
        for start in range(0, len(texts), _BATCH):
            batch = texts[start : start + _BATCH]
            encodings = iter(plain_encodings(tokenizer, [text for text in batch if not isinstance(text, Chat)]))
            for number, text in enumerate(batch, start):
                if isinstance(text, Chat):
                    ids, targets, sizes = chat.encode(tokenizer, text.messages)
                    kept, targets[0] = slice(0, max_seq_length), False  # nothing stands before a row's first token
                    if not targets[kept].any():
                        silent.append(number)
                        continue
                    chats += 1
                    pieces.append(ids[kept])
                    learnt.append(targets[kept])
                    full.append(len(ids))
                    kept_bytes.append(int(sizes[kept][targets[kept]].sum()))
                    first_bytes.append(int(sizes[kept].sum()) - kept_bytes[-1])
                    cut_bytes.append(int(sizes[max_seq_length:].sum()))
                    continue
                encoding = next(encodings)
                unspelt += not spells(spelt_by, encoding.ids, text)
                ids = np.array([*start_with, *encoding.ids, end], dtype=np.int32)
                head = "" if led else text[: encoding.token_to_chars(0)[1]]
                last = min(len(ids), max_seq_length) - 1
                kept = text if last == len(ids) - 1 else text[: encoding.token_to_chars(last - led)[1]]
                pieces.append(ids[: last + 1])
                learnt.append(np.arange(last + 1) >= max(led, 1))
                full.append(len(ids))
                first_bytes.append(len(head.encode()))
                kept_bytes.append(len(kept.encode()) - first_bytes[-1])
                cut_bytes.append(len(text.encode()) - len(kept.encode()))
            bar.update(len(batch))
    return Functions(pieces, learnt, full, kept_bytes, first_bytes, cut_bytes, unspelt, chats, silent)


def first_fit(lengths, capacity):
    """First-fit packing: each length in turn goes to the first row with room; returns [row of each].

    All lengths are <= `capacity`.
    A tree of the rows' free room finds the first row that fits in O(log rows) (Johnson 1973, section 3).
    """
    leaves = 1 << max(len(lengths) - 1, 0).bit_length()
    room = [capacity] * (2 * leaves)
    rows = []
    for length in lengths:
        node = 1
        while node < leaves:
            node *= 2
            if room[node] < length:
                node += 1
        rows.append(node - leaves)
        room[node] -= length
        while node > 1:
            node //= 2
            room[node] = max(room[2 * node], room[2 * node + 1])
    return rows


def rows_of(functions, layout, max_seq_length):
    """The functions' indices in each row, [[index, ...], ...]: first-fit (`packed`) or one a row (`padded`)."""
    if layout == "padded":
        return [[index] for index in range(len(functions))]
    places = first_fit(functions.lengths.tolist(), max_seq_length)
    rows = [[] for _ in range(max(places, default=-1) + 1)]
    for index, row in enumerate(places):
        rows[row].append(index)
    return rows


def columns_of(functions, rows, sources=None):
    """The columns of `rows`, flat: input_ids, position_ids, labels [tokens]; offsets [rows + 1]; bytes [rows].

    sources: of each function, where that is known: a column of a list for each row.
    """
    order = np.array([index for row in rows for index in row], dtype=np.int64)
    lengths = functions.lengths[order]
    ends = np.cumsum(lengths)
    starts = ends - lengths
    within = np.arange(lengths.sum()) - np.repeat(starts, lengths)
    places = np.repeat(functions.starts[order], lengths) + within
    ids = functions.ids[places]
    labels = np.where(functions.learnt[places], ids, IGNORE).astype(ids.dtype)
    last = np.cumsum([len(row) for row in rows]) - 1
    offsets = np.concatenate([[0], ends[last]]).astype(np.int32)
    sums = np.concatenate([[0], np.cumsum(functions.bytes[order])])
    return {
        "input_ids": ids,
        "position_ids": within.astype(np.int32),
        "labels": labels,
        "offsets": offsets,
        "bytes": np.diff(sums[np.concatenate([[0], last + 1])]),
        **({"sources": [[sources[index] for index in row] for row in rows]} if sources else {}),
    }


def dataset_of(columns):
    """A datasets.Dataset of the flat `columns`; the same columns give the same fingerprint and the same files."""
    import hashlib

    import pyarrow
    from datasets import Dataset, DatasetInfo, Features, List, Value
    from datasets.table import InMemoryTable

    offsets = pyarrow.array(columns["offsets"])
    table = {name: pyarrow.ListArray.from_arrays(offsets, pyarrow.array(columns[name])) for name in COLUMNS[:3]}
    table["bytes"] = pyarrow.array(columns["bytes"], type=pyarrow.int64())
    digest = hashlib.sha256()
    for name in (*COLUMNS, "offsets"):
        digest.update(np.ascontiguousarray(columns[name]).tobytes())
    features = Features({**{name: List(Value("int32")) for name in COLUMNS[:3]}, "bytes": Value("int64")})
    if "sources" in columns:
        table["sources"] = pyarrow.array(columns["sources"], type=pyarrow.list_(pyarrow.string()))
        features["sources"] = List(Value("string"))
        digest.update(repr(columns["sources"]).encode())
    return Dataset(
        InMemoryTable(pyarrow.table(table)), info=DatasetInfo(features=features), fingerprint=digest.hexdigest()[:16]
    )


def account(functions, columns, dropped, end, max_seq_length):
    """Where every token and byte of one split went; checked against the columns as they are written."""
    count = len(functions)
    truncated = int((functions.full > functions.lengths).sum())
    rows = len(columns["bytes"])
    targets = int((columns["labels"] != IGNORE).sum())
    tokens = int(functions.lengths.sum())
    lasts = functions.ids[functions.starts + functions.lengths - 1]
    facts = {
        "read": count + dropped,
        "dropped": dropped,
        "functions": count,
        "truncated": truncated,
        "rows": rows,
        "tokens": tokens,
        "targets": targets,
        "first_tokens": int((~functions.learnt).sum()),
        "end_tokens": int((lasts[functions.full == functions.lengths] == end).sum()),
        "cut_tokens": int((functions.full - functions.lengths).sum()),
        "positions": rows * max_seq_length,
        "padding": rows * max_seq_length - tokens,
        "bytes": int(columns["bytes"].sum()),
        "first_token_bytes": int(functions.first_bytes.sum()),
        "cut_bytes": int(functions.cut_bytes.sum()),
        "unspelt": functions.unspelt,
    }
    facts["text_bytes"] = facts["bytes"] + facts["first_token_bytes"] + facts["cut_bytes"]
    balanced = (
        facts["tokens"] == len(columns["input_ids"]) == facts["targets"] + facts["first_tokens"]
        and facts["tokens"] + facts["cut_tokens"] == int(functions.full.sum())
        and (functions.chats or facts["end_tokens"] == facts["functions"] - facts["truncated"])
        and facts["bytes"] == int(functions.bytes.sum())
        and int((columns["position_ids"] == 0).sum()) == count
        and int(np.diff(columns["offsets"]).max(initial=0)) <= max_seq_length
    )
    if not balanced:
        raise AssertionError(f"the accounts do not balance: {facts}")
    return facts


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
