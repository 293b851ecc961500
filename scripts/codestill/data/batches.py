"""The rows of a token set as tensors: read from Arrow without copies, padded batch by batch."""

import hashlib
from bisect import bisect_right
from itertools import accumulate

import numpy as np
import torch

from codestill.data.tokens import COLUMNS as ALL_COLUMNS
from codestill.data.tokens import IGNORE
from codestill.data.tokens import collate as collate_tokens
from codestill.kit.program import UserError

COLUMNS = ALL_COLUMNS[:3]  # input_ids, position_ids, labels
FILLER = -1  # the number of a row without targets, which fills a batch up
EMPTY = {name: np.full(1, IGNORE if name == "labels" else 0) for name in COLUMNS} | {"example": FILLER}


class Examples(torch.utils.data.Dataset):
    """Rows of a token set (see `codestill.data.tokens`), each a dict of int64 arrays [length] and its `example` number.

    A row longer than `max_seq_length` is cut; `limit` keeps the first rows only (the corpus is shuffled already).
    """

    def __init__(self, dataset, max_seq_length=None, limit=None, source="token set"):
        missing = [column for column in COLUMNS if column not in dataset.column_names]
        if missing:
            raise UserError(f"{source}: no column {missing[0]}; make it with scripts/tokenize_corpus.py")
        self._columns = {name: _Lists(dataset.data.column(name)) for name in COLUMNS}
        self._count = min(len(dataset), limit or len(dataset))
        self.cut = max_seq_length
        self._identity = None
        self.source = source
        if self._count == 0:
            raise UserError(f"{source}: no rows; give it more functions")

    def __len__(self):
        return self._count

    def _column(self, name, index):
        return self._columns[name].row(index, self.cut)

    def __getitem__(self, index):
        index = int(index)
        if index == FILLER:
            return EMPTY
        if not 0 <= index < self._count:
            raise IndexError(f"row {index} of {self._count}")
        row = {name: self._column(name, index).astype(np.int64) for name in COLUMNS}
        return {**row, "example": index}

    @property
    def packed(self):
        """Whether any row holds several functions, whose positions start again at 0."""
        chunks = self._columns["position_ids"].chunks(self._count)
        return sum(int((values == 0).sum()) for _, values in chunks) > self._count

    def targets(self, index):
        """Number of target tokens of a row: labels after the first that are not ignored."""
        return int((self._column("labels", index)[1:] != IGNORE).sum())

    def all_targets(self):
        """Number of target tokens of all rows."""
        return int(self.target_counts().sum())

    def identity(self):
        """sha256 over all rows of the token set, whatever the cut and the limit."""
        if self._identity is None:
            self._identity = self._hash()
        return self._identity

    def _hash(self):
        digest = hashlib.sha256()
        for column in self._columns.values():
            for lengths, _ in column.chunks():
                digest.update(np.ascontiguousarray(lengths, np.int64).data)
            for _, values in column.chunks():
                digest.update(np.ascontiguousarray(values).data)
        return digest.hexdigest()

    def checksum(self):
        """sha256 over the rows that are used, as they are read."""
        return hashlib.sha256(f"{self._count} {self.cut} {self.identity()}".encode()).hexdigest()

    def target_counts(self):
        """Number of targets of each row, int64 [rows]."""
        found = []
        for lengths, labels in self._columns["labels"].chunks(self._count):
            stops = np.cumsum(lengths)
            starts = stops - lengths
            if self.cut:
                stops = np.minimum(stops, starts + self.cut)
            before = np.concatenate([[0], np.cumsum(labels != IGNORE)])
            found.append(before[stops] - before[np.minimum(starts + 1, stops)])
        return np.concatenate(found)

    def largest_id(self):
        """The largest token id of all rows."""
        return max(int(self._column("input_ids", index).max(initial=0)) for index in range(self._count))

    def longest(self):
        """Tokens of the longest function: positions that a model needs."""
        return 1 + max(int(self._column("position_ids", index).max(initial=0)) for index in range(self._count))

    def labels(self, index):
        """The labels of one row, int64 [length]."""
        return self._column("labels", index)


class _Lists:
    """A column of lists as it lies in Arrow's chunks, which are never put together: rows by their number."""

    def __init__(self, column):
        # A slice of an Arrow list keeps the whole values array: offsets are into that.
        self._parts = [(one.offsets.to_numpy(), one.values.to_numpy()) for one in column.chunks if len(one)]
        self._starts = [0, *accumulate(len(offsets) - 1 for offsets, _ in self._parts)]

    def row(self, index, cut=None):
        """The values of one row, the first `cut` of them where that is given."""
        at = bisect_right(self._starts, index) - 1
        offsets, values = self._parts[at]
        start, stop = offsets[index - self._starts[at]], offsets[index - self._starts[at] + 1]
        return values[start : min(stop, start + cut) if cut else stop]

    def chunks(self, count=None):
        """Yield (lengths of the rows, their values) of each chunk, of the first `count` rows where that is given."""
        for first, (offsets, values) in zip(self._starts, self._parts, strict=False):
            offsets = offsets[: None if count is None else max(0, count - first) + 1]
            if len(offsets) > 1:
                yield np.diff(offsets), values[offsets[0] : offsets[-1]]


class Filled(torch.utils.data.Sampler):
    """The indices of `sampler`, then FILLER up to a multiple of `block`."""

    def __init__(self, sampler, block):
        self.sampler, self.block = sampler, block

    def __len__(self):
        return -(-len(self.sampler) // self.block) * self.block

    def __iter__(self):
        yield from self.sampler
        yield from [FILLER] * (len(self) - len(self.sampler))

    def set_epoch(self, epoch):
        """Passed on: the order of rows changes with the epoch."""
        self.sampler.set_epoch(epoch)


def collate(rows, device=None):
    """The padded batch of `codestill.data.tokens.collate` on a device; `example` [batch] names its rows."""
    batch = {name: tensor.to(device) for name, tensor in collate_tokens(rows).items()}
    batch["example"] = torch.tensor([row["example"] for row in rows])
    return batch


def batches(examples, batch_size, indices=None, device=None):
    """Yield collated batches of `examples` in order, of the given indices only where they are given."""
    indices = range(len(examples)) if indices is None else indices
    for start in range(0, len(indices), batch_size):
        yield collate([examples[index] for index in indices[start : start + batch_size]], device)
