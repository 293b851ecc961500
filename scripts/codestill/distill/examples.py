"""The rows of a token set as tensors: read from Arrow without copies, padded batch by batch."""

import numpy as np
import torch

from codestill.study.program import UserError

COLUMNS = ("input_ids", "position_ids", "labels")
IGNORED = -100


class Examples(torch.utils.data.Dataset):
    """Rows of a token set (see `codestill.data.tokens`), each a dict of int64 arrays [length] and its `example` number.

    A row longer than `max_seq_length` is cut; `limit` keeps the first rows only (the corpus is shuffled already).
    """

    def __init__(self, dataset, max_seq_length=None, limit=None, source="token set"):
        missing = [column for column in COLUMNS if column not in dataset.column_names]
        if missing:
            raise UserError(f"{source}: no column {missing[0]}; make it with scripts/tokenize_corpus.py")
        self._columns = {}
        for name in COLUMNS:
            column = dataset.data.column(name).combine_chunks()
            # A slice of an Arrow list keeps the whole values array: offsets are into that.
            self._columns[name] = column.offsets.to_numpy(), column.values.to_numpy()
        self._count = min(len(dataset), limit or len(dataset))
        self._cut = max_seq_length
        self.source = source
        if self._count == 0:
            raise UserError(f"{source}: no rows; give it more functions")

    def __len__(self):
        return self._count

    def _column(self, name, index):
        offsets, values = self._columns[name]
        start, stop = offsets[index], offsets[index + 1]
        return values[start : min(stop, start + self._cut) if self._cut else stop]

    def __getitem__(self, index):
        index = int(index)
        row = {name: self._column(name, index) for name in COLUMNS}
        return {**row, "example": index}

    def targets(self, index):
        """Number of target tokens of a row: labels after the first that are not ignored."""
        return int((self._column("labels", index)[1:] != IGNORED).sum())

    def all_targets(self):
        """Number of target tokens of all rows."""
        return sum(self.targets(index) for index in range(self._count))

    def checksum(self):
        """sha256 over what the rows are made of."""
        import hashlib

        digest = hashlib.sha256(f"{self._count} {self._cut}".encode())
        for name in COLUMNS:
            for part in self._columns[name]:
                digest.update(np.ascontiguousarray(part).data)
        return digest.hexdigest()

    def largest_id(self):
        """The largest token id of all rows."""
        return max(int(self._column("input_ids", index).max(initial=0)) for index in range(self._count))

    def labels(self, index):
        """The labels of one row, int64 [length]."""
        return self._column("labels", index)


def collate(rows, device=None):
    """Pad rows to the longest: input_ids and position_ids with 0, labels with -100; `example` [batch] names the rows.

    Each pad stands at position 0 and so is a sequence of its own, which no real token attends to.
    """
    length = max(len(row["input_ids"]) for row in rows)
    batch = {}
    for name in COLUMNS:
        padded = np.full((len(rows), length), IGNORED if name == "labels" else 0, dtype=np.int64)
        for number, row in enumerate(rows):
            padded[number, : len(row[name])] = row[name]
        batch[name] = torch.from_numpy(padded).to(device)
    batch["example"] = torch.tensor([row["example"] for row in rows])
    return batch


def batches(examples, batch_size, indices=None, device=None):
    """Yield collated batches of `examples` in order, of the given indices only where they are given."""
    indices = range(len(examples)) if indices is None else indices
    for start in range(0, len(indices), batch_size):
        yield collate([examples[index] for index in indices[start : start + batch_size]], device)
