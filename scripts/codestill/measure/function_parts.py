"""Which function, and which part of it, each target of a set of tokens belongs to: signature and docstring, or body."""

from itertools import pairwise

import numpy as np

from codestill.data.batches import IGNORE
from codestill.data.text import body_start
from codestill.kit.program import UserError

HEAD, BODY = 0, 1


class FunctionParts:
    """codes[row]: int [tokens of the row], 2 * function + part; functions are numbered in the order of the rows.

    source: of each function. bytes: [functions, 2], of the text of its targets, which add up to the rows' own.
    """

    def __init__(self, examples, pieces, size_in_bytes, sources=None):
        """pieces: the bytes of each token id. sources: of each row, a list of its functions' sources; None: unknown."""
        lengths = np.array([len(piece) for piece in pieces])
        self.codes, self.source, sizes = [], [], []
        for number in range(len(examples)):
            row, count = examples[number], 0
            codes = np.zeros(len(row["input_ids"]), np.int64)
            starts = [*np.flatnonzero(row["position_ids"] == 0), len(codes)]
            for start, stop in pairwise(starts):
                targets = row["labels"][start:stop] != IGNORE
                if not targets.any():
                    continue  # filling
                ids, function = row["input_ids"][start:stop], len(self.source)
                part = _parts(ids, pieces, lengths)
                codes[start:stop] = 2 * function + part
                sizes.append(np.bincount(part[targets], lengths[ids][targets], minlength=2))
                self.source.append(sources[number][count] if sources else "corpus")
                count += 1
            self.codes.append(codes)
        if not self.source:
            raise UserError(f"{examples.source}: no target tokens; give it longer functions")
        self.bytes = np.array(sizes)
        # Where tokens do not spell the text to the byte (an unknown token), each function bears its share.
        self.bytes *= size_in_bytes / max(self.bytes.sum(), 1)


def _parts(ids, pieces, lengths):
    """Part of each token of one function: of the body are those that begin where it does, or behind."""
    data = b"".join([pieces[index] for index in ids])
    text = data.decode(errors="replace")
    start = body_start(text)
    if start is None:  # within a signature; a script without a function has no head
        return np.full(len(ids), HEAD if "def " in text else BODY, np.int64)
    begins = np.cumsum(lengths[ids]) - lengths[ids]
    return (begins >= len(text[:start].encode())).astype(np.int64)
