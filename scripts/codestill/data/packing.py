"""Tokenised functions as rows: packed by first fit or one a row, their columns, and the accounts of them."""

import os
import tempfile
from itertools import pairwise

import numpy as np

from codestill.data.encoding import PER_FUNCTION, Functions
from codestill.data.tokens import IGNORE

WINDOW = 2**18  # functions that are packed among themselves: memory stays the same however many a corpus has
BLOCK = 2**19  # tokens of the rows that are written at a time


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


def rows_of(lengths, layout, max_seq_length):
    """The functions' indices in each row, [[index, ...], ...]: first-fit (`packed`) or one a row (`padded`)."""
    if layout == "padded":
        return [[index] for index in range(len(lengths))]
    places = first_fit(lengths.tolist(), max_seq_length)
    rows = [[] for _ in range(max(places, default=-1) + 1)]
    for index, row in enumerate(places):
        rows[row].append(index)
    return rows


class Window:
    """Functions that wait to be packed: their tokens in a file of `folder`, what else is told of them in memory."""

    def __init__(self, folder):
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - lives as long as the window
        self._told = []
        self._count = 0

    def __len__(self):
        return self._count

    def add(self, functions):
        """Take `functions`; a token that is no target is written as its complement, which is negative."""
        self._file.write(np.where(functions.learnt, functions.ids, ~functions.ids).tobytes())
        self._told.append([getattr(functions, name) for name in PER_FUNCTION])
        self._count += len(functions)

    def blocks(self, layout, max_seq_length):
        """Yield (Functions, rows) of about BLOCK tokens at a time; the window is empty then."""
        told = {
            name: np.concatenate(part) for name, part in zip(PER_FUNCTION, zip(*self._told, strict=True), strict=True)
        }
        starts = np.cumsum(told["lengths"]) - told["lengths"]
        rows = rows_of(told["lengths"], layout, max_seq_length)
        self._file.flush()
        a_block = max(1, BLOCK // max_seq_length)
        for first in range(0, len(rows), a_block):
            block = rows[first : first + a_block]
            order = np.array([index for row in block for index in row])
            spans = zip(starts[order].tolist(), told["lengths"][order].tolist(), strict=True)
            ids = np.frombuffer(b"".join(os.pread(self._file.fileno(), 4 * n, 4 * at) for at, n in spans), np.int32)
            ends = np.cumsum([0, *map(len, block)]).tolist()
            numbered = [list(range(start, stop)) for start, stop in pairwise(ends)]
            learnt = ids >= 0
            yield Functions(np.where(learnt, ids, ~ids), learnt, **{n: one[order] for n, one in told.items()}), numbered
        self._file.seek(0)
        self._file.truncate()
        self._told, self._count = [], 0


def columns_of(functions, rows):
    """The columns of `rows`, flat: input_ids, position_ids, labels [tokens]; offsets [rows + 1]; bytes [rows]; sources
    [rows], a list of one for each function."""
    order = np.array([index for row in rows for index in row], dtype=np.int64)
    lengths = functions.lengths[order]
    ends = np.cumsum(lengths)
    starts = ends - lengths
    within = np.arange(lengths.sum()) - np.repeat(starts, lengths)
    places = np.repeat(functions.starts[order], lengths) + within
    ids = functions.ids[places]
    labels = np.where(functions.learnt[places], ids, IGNORE).astype(ids.dtype)
    last = np.cumsum([len(row) for row in rows]) - 1
    sums = np.concatenate([[0], np.cumsum(functions.bytes[order])])
    return {
        "input_ids": ids,
        "position_ids": within.astype(np.int32),
        "labels": labels,
        "offsets": np.concatenate([[0], ends[last]]),
        "bytes": np.diff(sums[np.concatenate([[0], last + 1])]),
        "sources": [functions.sources[row].tolist() for row in rows],
    }


def account(functions, columns, end, max_seq_length):
    """Where every token and byte went; checked against the columns as they are written. It adds up over parts."""
    whole = functions.full == functions.lengths
    ended = functions.ids[functions.starts + functions.lengths - 1] == end
    rows, tokens = len(columns["bytes"]), int(functions.lengths.sum())
    facts = {
        "functions": len(functions),
        "truncated": int((~whole).sum()),
        "rows": rows,
        "tokens": tokens,
        "targets": int((columns["labels"] != IGNORE).sum()),
        "first_tokens": int((~functions.learnt).sum()),
        "end_tokens": int(ended[whole].sum()),
        "cut_tokens": int((functions.full - functions.lengths).sum()),
        "positions": rows * max_seq_length,
        "padding": rows * max_seq_length - tokens,
        "bytes": int(columns["bytes"].sum()),
        "first_token_bytes": int(functions.first_bytes.sum()),
        "cut_bytes": int(functions.cut_bytes.sum()),
        "unspelt": int(functions.unspelt.sum()),
    }
    facts["text_bytes"] = facts["bytes"] + facts["first_token_bytes"] + facts["cut_bytes"]
    balanced = (
        facts["tokens"] == len(columns["input_ids"]) == facts["targets"] + facts["first_tokens"]
        and facts["tokens"] + facts["cut_tokens"] == int(functions.full.sum())
        and ended[whole & ~functions.chats].all()
        and facts["bytes"] == int(functions.bytes.sum())
        and int((columns["position_ids"] == 0).sum()) == len(functions)
        and int(np.diff(columns["offsets"]).max(initial=0)) <= max_seq_length
    )
    if not balanced:
        raise AssertionError(f"the accounts do not balance: {facts}")
    return facts
