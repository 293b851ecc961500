"""How well a model predicts held-out code, and how near it is to its teacher, all at temperature 1.

Bits per byte compares models whatever their vocabularies; the share of lines completed exactly follows from the same
pass: greedy decoding from a true prefix writes a line exactly if and only if each of its tokens is the most probable
one behind the true tokens before it.
"""

import os

import numpy as np
import torch

from codestill.data.batches import batches
from codestill.distill.objective import chunk_rows
from codestill.kit.program import UserError, progress
from codestill.measure.function_parts import FunctionParts
from codestill.measure.language_measures import PARTS, SUMS, summary
from codestill.models.heads import split, target_rows
from codestill.models.token_bytes import text_pieces
from codestill.models.weights import model_identity

BINS = 15  # of confidence, equally wide, in the calibration error (Guo et al. 2017, arXiv 1706.04599)


class Sums:
    """Sums over the targets of each function and part, [2 * functions]; and by confidence, [BINS]."""

    def __init__(self, functions):
        self.units = {name: np.zeros(2 * functions) for name in SUMS if name != "bytes"}
        self.confident = np.zeros((3, BINS))  # targets, their confidence, how many of them were right

    def add(self, name, codes, values=None):
        """Add `values` (1 each by default) to the sums called `name` of the functions and parts `codes`."""
        self.units[name] += np.bincount(codes, values, minlength=len(self.units[name]))

    def add_confidence(self, confidence, hits):
        """Add targets by the probability of their most probable token."""
        bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
        for row, weights in enumerate((None, confidence, hits)):
            self.confident[row] += np.bincount(bins, weights, minlength=BINS)

    def calibration_error(self):
        """Expected calibration error: mean gap between confidence and accuracy over the bins."""
        count, confidence, right = self.confident
        return float(abs(confidence - right).sum() / count.sum())


def measure(model, examples, parts, newlines, visible, teacher=None, batch_size=8, device="cpu"):
    """The measures of `model` on `examples`, as a dict: see `language_measures.summary`, and `ece`.

    parts: the FunctionParts of `examples`. newlines, visible: bool [vocabulary], the tokens that hold a line's end, and
    those that hold more than white space. teacher: a model whose first columns are the student's tokens, or None (then
    kl and agreement are None).
    Matrix products are in the models' own type, softmax in float32; only a chunk of rows of logits exists at a time.
    """
    columns = split(model)[1].columns
    if examples.largest_id() >= columns:
        raise UserError(f"{examples.source}: token {examples.largest_id()} is beyond the model's {columns}")
    models = [_Part(model, columns), _Part(teacher, columns) if teacher is not None else None]
    sums = Sums(len(parts.source))
    order = sorted(range(len(examples)), key=lambda row: -len(examples.labels(row)))
    starts = range(0, len(order), batch_size)
    with torch.inference_mode(), progress(total=len(starts), unit="batch", desc="language") as bar:
        for start in starts:
            for batch in batches(examples, batch_size, order[start : start + batch_size], device):
                _add(sums, batch, parts, models, newlines, visible)
            bar.update()
    functions = {"source": parts.source}
    for number, part in enumerate(PARTS):
        for name, values in (sums.units | {"bytes": parts.bytes.ravel()}).items():
            if teacher is not None or name not in ("kl", "agree"):
                functions[f"{part}_{name}"] = [_short(value) for value in values[number::2].tolist()]
    return summary(functions) | {"ece": sums.calibration_error()}


def _short(value):
    """Counts as whole numbers, and sums of nats with as many digits as float32 products have."""
    return int(value) if value == int(value) else round(value, 6)


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


def _add(sums, batch, parts, models, newlines, visible):
    """Add one batch to the sums, chunk by chunk."""
    model, teacher = models
    rows = target_rows(batch["labels"])
    targets = batch["labels"][:, 1:][rows]
    codes = _codes(batch, rows, parts)
    states = model.states(batch, rows)
    taught = teacher.states(batch, rows) if teacher else None
    hits = np.zeros(len(targets), bool)
    for start in range(0, len(targets), chunk_rows(model.head.columns)):
        part = slice(start, start + chunk_rows(model.head.columns))
        log_q = model.log_probs(states[part])
        sure, best = log_q.max(-1)
        sums.add("nats", codes[part], -_numbers(log_q.gather(-1, targets[part, None])[:, 0]))
        hits[part] = _numbers(best == targets[part])
        sums.add_confidence(_numbers(sure.exp()), hits[part])
        if teacher:
            log_p = teacher.log_probs(taught[part])
            sums.add("agree", codes[part], _numbers(log_p.argmax(-1) == best))
            # tokens that the teacher lacks have probability 0 there and add nothing
            gap = log_p - log_q[:, : log_p.shape[-1]]
            sums.add("kl", codes[part], _numbers((log_p.exp() * gap).sum(-1)))
    sums.add("right", codes, hits)
    sums.add("tokens", codes)
    starts = _line_starts(rows, targets, newlines)
    if len(starts):
        # a line of white space alone is no feat
        counted = np.logical_or.reduceat(visible[targets.cpu().numpy()], starts)
        sums.add("lines", codes[starts], counted)
        sums.add("exact", codes[starts], np.logical_and.reduceat(hits, starts) & counted)


def _numbers(tensor):
    return tensor.double().cpu().numpy()


def _codes(batch, rows, parts):
    """Function and part of each target of a batch, int [targets]."""
    length = batch["labels"].shape[1]
    table = np.zeros((len(batch["example"]), length), np.int64)
    for number, example in enumerate(batch["example"].tolist()):
        own = parts.codes[example]
        table[number, : len(own)] = own
    return table[:, 1:][rows.cpu().numpy()]


def _line_starts(rows, targets, newlines):
    """Indices into the batch's targets at which a line begins: behind a token with a line's end, or in a new function.

    What a function begins with is never a target, so its first line begins behind a place that is none.
    """
    before = torch.zeros_like(rows)
    before[:, 1:] = rows[:, :-1]
    begins = ~before[rows].cpu().numpy()
    begins[1:] |= newlines[targets[:-1].cpu().numpy()]
    return np.flatnonzero(begins)


def kinds_of_tokens(pieces):
    """(newlines, visible), bool [columns] each: ids whose bytes hold a newline; ids with more than white space."""
    return np.array([b"\n" in piece for piece in pieces]), np.array([bool(piece.strip()) for piece in pieces])


def measure_folder(model_dir, teacher_dir, tokens_dir, batch_size=8, device="auto", dtype=torch.float32, max_rows=None):
    """`measure` for folders: a model, its teacher (or None, or the same folder), and a token set on disk."""
    from codestill.data.batches import Examples
    from codestill.data.tokens import load_tokens
    from codestill.models.loading import device_of, load_model, place
    from codestill.models.tokenizers import load_tokenizer

    target = device_of(device)
    dataset = load_tokens(tokens_dir, max_rows)
    examples = Examples(dataset, source=tokens_dir)
    model = place(load_model(model_dir, quantised=True), target, dtype)
    teacher = None
    if teacher_dir and not _same(model_dir, teacher_dir):
        teacher = place(load_model(teacher_dir, quantised=True), target, dtype)
    columns = max(model.get_output_embeddings().weight.shape[0], examples.largest_id() + 1)
    size = int(sum(dataset["bytes"]))
    if size <= 0:
        raise UserError(f"{examples.source}: column bytes adds up to 0; make it with scripts/tokenize_corpus.py")
    pieces = text_pieces(load_tokenizer(model_dir), columns)
    parts = FunctionParts(examples, pieces, size, dataset["sources"] if "sources" in dataset.column_names else None)
    return measure(model, examples, parts, *kinds_of_tokens(pieces), teacher, batch_size, target)


def _same(one, other):
    """Whether two folders hold the same model: one folder, or the same weights under the same config."""
    return os.path.realpath(one) == os.path.realpath(other) or model_identity(one) == model_identity(other)
