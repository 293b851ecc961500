"""How well a model predicts held-out code, and how near it is to its teacher, all at temperature 1.

Bits per byte compares models whatever their vocabularies; the share of lines completed exactly follows from the same
pass: greedy decoding from a true prefix writes a line exactly if and only if each of its tokens is the most probable
one behind the true tokens before it.
"""

import math
import os
from dataclasses import dataclass

import numpy as np
import torch

from codestill.data.batches import batches
from codestill.distill.objective import chunk_rows
from codestill.kit.program import UserError, progress
from codestill.models.heads import split, target_rows
from codestill.models.token_bytes import text_pieces
from codestill.models.weights import model_identity


@dataclass
class Sums:
    """Sums over target tokens (nats), and over lines."""

    ce: float = 0.0
    kl: float = 0.0
    agree: int = 0
    right: int = 0
    tokens: int = 0
    lines: int = 0
    exact: int = 0


def measure(model, examples, size_in_bytes, newlines, visible, teacher=None, batch_size=8, device="cpu"):
    """The measures of `model` on `examples`, as a dict.

    size_in_bytes: UTF-8 bytes of the text of all targets. newlines, visible: bool [vocabulary], the tokens that hold a
    line's end, and those that hold more than white space. teacher: a model whose first columns are the student's
    tokens, or None (then kl and agreement are None).
    Matrix products are in the models' own type, softmax in float32; only a chunk of rows of logits exists at a time.
    """
    columns = split(model)[1].columns
    if examples.largest_id() >= columns:
        raise UserError(f"{examples.source}: token {examples.largest_id()} is beyond the model's {columns}")
    models = [_Part(model, columns), _Part(teacher, columns) if teacher is not None else None]
    sums = Sums()
    order = sorted(range(len(examples)), key=lambda row: -len(examples.labels(row)))
    starts = range(0, len(order), batch_size)
    with torch.inference_mode(), progress(total=len(starts), unit="batch", desc="language") as bar:
        for start in starts:
            for batch in batches(examples, batch_size, order[start : start + batch_size], device):
                _add(sums, batch, models, newlines, visible)
            bar.update()
    if not sums.tokens:
        raise UserError(f"{examples.source}: no target tokens; give it longer functions")
    if size_in_bytes <= 0:
        raise UserError(f"{examples.source}: column bytes adds up to 0; make it with scripts/tokenize_corpus.py")
    return {
        "bits_per_byte": sums.ce / math.log(2) / size_in_bytes,
        "ce": sums.ce / sums.tokens,
        "kl": sums.kl / sums.tokens if teacher is not None else None,
        "agreement": sums.agree / sums.tokens if teacher is not None else None,
        "accuracy": sums.right / sums.tokens,
        "exact_lines": sums.exact / sums.lines if sums.lines else None,
        "tokens": sums.tokens,
        "bytes": size_in_bytes,
        "lines": sums.lines,
    }


class _Part:
    """A model as body and head, its head cut to the columns that are compared."""

    def __init__(self, model, columns):
        self.body, head = split(model, check=False)
        self.head = head.cut(min(columns, head.columns))

    def states(self, batch, rows):
        """Hidden states [targets, width] of the positions that predict a target."""
        found = self.body(input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False)
        return found.last_hidden_state[:, :-1][rows]

    def log_probs(self, states):
        """Log-probabilities, float32 [rows, columns]."""
        return self.head.logits(states).log_softmax(-1)


def _add(sums, batch, models, newlines, visible):
    """Add one batch to the sums, chunk by chunk."""
    model, teacher = models
    rows = target_rows(batch["labels"])
    targets = batch["labels"][:, 1:][rows]
    states = model.states(batch, rows)
    taught = teacher.states(batch, rows) if teacher else None
    hits = []
    for start in range(0, len(targets), chunk_rows(model.head.columns)):
        part = slice(start, start + chunk_rows(model.head.columns))
        log_q = model.log_probs(states[part])
        best = log_q.argmax(-1)
        sums.ce -= log_q.gather(-1, targets[part, None]).sum(dtype=torch.float64).item()
        hits.append(best == targets[part])
        if teacher:
            log_p = teacher.log_probs(taught[part])
            sums.agree += int((log_p.argmax(-1) == best).sum())
            # tokens that the teacher lacks have probability 0 there and add nothing
            gap = log_p - log_q[:, : log_p.shape[-1]]
            sums.kl += (log_p.exp() * gap).sum(dtype=torch.float64).item()
    hits = torch.cat(hits).cpu().numpy() if hits else np.zeros(0, bool)
    sums.right += int(hits.sum())
    sums.tokens += len(hits)
    starts = _line_starts(rows, targets, newlines)
    if len(starts):
        # a line of white space alone is no feat
        counted = np.logical_or.reduceat(visible[targets.cpu().numpy()], starts)
        sums.lines += int(counted.sum())
        sums.exact += int((np.logical_and.reduceat(hits, starts) & counted).sum())


def _line_starts(rows, targets, newlines):
    """Indices into the batch's targets at which a line begins: behind a token with a line's end, or in a new function.

    What a function begins with is never a target, so its first line begins behind a place that is none.
    """
    before = torch.zeros_like(rows)
    before[:, 1:] = rows[:, :-1]
    begins = ~before[rows].cpu().numpy()
    begins[1:] |= newlines[targets[:-1].cpu().numpy()]
    return np.flatnonzero(begins)


def kinds_of_tokens(tokenizer, columns):
    """(newlines, visible), bool [columns] each: ids whose text holds a newline; ids with more than white space."""
    pieces = text_pieces(tokenizer, columns)
    return np.array([b"\n" in piece for piece in pieces]), np.array([bool(piece.strip()) for piece in pieces])


def measure_folder(model_dir, teacher_dir, tokens_dir, batch_size=8, device="auto", dtype=torch.float32, max_rows=None):
    """`measure` for folders: a model, its teacher (or None, or the same folder), and a token set on disk."""
    from datasets import load_from_disk

    from codestill.data.batches import Examples
    from codestill.models.loading import device_of, load_model
    from codestill.models.tokenizers import load_tokenizer

    target = device_of(device)
    try:
        dataset = load_from_disk(tokens_dir)
    except (FileNotFoundError, ValueError) as error:
        raise UserError(f"{tokens_dir}: no token set; make it with scripts/tokenize_corpus.py") from error
    if max_rows:
        dataset = dataset.select(range(min(max_rows, len(dataset))))
    examples = Examples(dataset, source=tokens_dir)
    if "bytes" not in dataset.column_names:
        raise UserError(f"{tokens_dir}: no column bytes; make it with scripts/tokenize_corpus.py")
    model = load_model(model_dir).eval().to(target, dtype)
    teacher = None
    if teacher_dir and not _same(model_dir, teacher_dir):
        teacher = load_model(teacher_dir).eval().to(target, dtype)
    columns = max(model.get_output_embeddings().weight.shape[0], examples.largest_id() + 1)
    kinds = kinds_of_tokens(load_tokenizer(model_dir), columns)
    size = int(sum(dataset["bytes"]))
    return measure(model, examples, size, *kinds, teacher, batch_size, target)


def _same(one, other):
    """Whether two folders hold the same model: one folder, or the same weights under the same config."""
    return os.path.realpath(one) == os.path.realpath(other) or model_identity(one) == model_identity(other)
