"""Checks before a training, in seconds: what would ruin it silently stops it with a reason."""

import json
import math
from pathlib import Path

import torch

from codestill.data.batches import batches
from codestill.distill.evaluation import batch_sums, mean_ce
from codestill.distill.objective import Objective
from codestill.kit import attempts
from codestill.kit.program import UserError, log
from codestill.models.tokenizers import load_tokenizer

ROWS = 8  # validation rows on which teacher and student are compared
UNIFORM = 1.05  # times the CE of a uniform guess: random weights start a little above it
END_ROWS = 500  # training rows in which the end token is looked for


def preflight(run):
    """Raise UserError (or warn, by --preflight) where a `codestill.distill.training` run cannot turn out well."""
    for problem in problems(run):
        if run.options.preflight == "stop":
            raise UserError(f"preflight: {problem} (--preflight warn goes on regardless)", attempts.PREFLIGHT)
        log(f"preflight warning: {problem}")


def problems(run):
    """Yield what is wrong, one line each; the costlier checks last."""
    check_positions(run)
    yield from end_token_problems(run.job.tokenizer_path, run.train_data)
    largest = max(run.train_data.largest_id(), run.validation_data.largest_id())
    rows = run.model.get_input_embeddings().weight.shape[0]
    if largest >= rows:
        raise UserError(f"token id {largest} has no row among the model's {rows} embeddings; check its tokenizer")
    if run.teacher and largest >= run.teacher.embeddings:
        raise UserError(
            f"token id {largest} has no row among the teacher's {run.teacher.embeddings} embeddings; "
            "its tokenizer is larger than the model: use another vocabulary policy"
        )
    if run.job.teacher_path:
        yield from row_problems(run.job.teacher_path, run.teacher.embeddings)
        columns = min(run.head.columns, run.teacher.head.columns)
        yield from vocabulary_problems(run.job.teacher_path, run.job.tokenizer_path, columns)
    yield from loss_problems(run)


def _tokenizer(folder):
    """The tokenizer of a folder, as the library tokenizers has it, or None."""
    try:
        return load_tokenizer(folder).backend_tokenizer
    except UserError:
        return None


def vocabulary(folder):
    """{token string: id} of a tokenizer's folder, or None where there is none."""
    tokenizer = _tokenizer(folder)
    return tokenizer and tokenizer.get_vocab(with_added_tokens=True)


def row_problems(teacher_path, rows):
    """Yield where the teacher's tokenizer makes tokens of text for which its embedding has no row.

    A special token without a row (CodeGPT's unknown token) is none of them: no text becomes it.
    """
    tokenizer = _tokenizer(teacher_path)
    if tokenizer is None:
        return
    special = {number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    without = sorted(
        (number, token) for token, number in vocabulary.items() if number >= rows and number not in special
    )
    if without:
        number, token = without[0]
        yield (
            f"{teacher_path}: its tokenizer has {len(vocabulary)} tokens and its embedding {rows} rows: none for "
            f"{token!r} (id {number}); resize the model, or give it the tokenizer it was trained with"
        )


def vocabulary_problems(teacher_path, student_path, columns):
    """Yield where the first `columns` ids stand for different strings; equal sizes prove nothing."""
    teacher, student = vocabulary(teacher_path), vocabulary(student_path)
    if teacher is None or student is None:
        yield f"no tokenizer beside {student_path if student is None else teacher_path}: its tokens cannot be compared"
        return
    by_id = {number: token for token, number in teacher.items()}
    differ = [t for t, n in student.items() if n < columns and n in by_id and by_id[n] != t]
    if differ:
        first = min(differ, key=student.get)
        yield (
            f"teacher and student differ in vocabulary: {len(differ)} of {columns} ids stand for other tokens, first "
            f"id {student[first]}: {by_id[student[first]]!r} and {first!r}; scripts/match_vocabulary.py matches them"
        )


def check_positions(run):
    """Raise UserError where a function is longer than a model can read: an index out of range, some way into it."""
    longest = max(run.train_data.longest(), run.validation_data.longest())
    models = {"model": run.model} | ({"teacher": run.teacher.model} if hasattr(run.teacher, "model") else {})
    for name, model in models.items():
        positions = getattr(model.config, "max_position_embeddings", None)
        if positions and longest > positions:
            raise UserError(
                f"a function has {longest} tokens, but the {name} has {positions} positions; cut them with "
                f"--max_seq_length {positions}"
            )


def end_token_problems(tokenizer_path, examples):
    """Yield where the tokenizer's end token is never a target: the student would not learn to stop."""
    path = Path(tokenizer_path) / "tokenizer_config.json"
    token = json.loads(path.read_text(encoding="utf-8")).get("eos_token") if path.is_file() else None
    token = token.get("content") if isinstance(token, dict) else token
    known = vocabulary(tokenizer_path)
    if token is None or known is None or token not in known:
        yield f"{tokenizer_path}: the tokenizer has no end token (eos_token); the student could not learn to stop"
        return
    end = known[token]
    if not any((examples.labels(row)[1:] == end).any() for row in range(min(END_ROWS, len(examples)))):
        yield (
            f"the end token {token!r} (id {end}) is no target in {examples.source}; the student would not learn to "
            "stop: make the tokens anew with scripts/tokenize_corpus.py"
        )


def loss_problems(run):
    """Yield where losses on a few validation rows are not finite, or the teacher knows no more than the student."""
    size, data = run.options.eval_batch_size, run.validation_data
    student, targets = mean_ce(run.model, data, size, run.device, run.dtype, ROWS)
    if not math.isfinite(student):
        yield f"the student's CE on {targets} validation targets is {student} before training"
    uniform = math.log(run.head.columns)
    if student > UNIFORM * uniform:
        log(f"preflight warning: the student starts at CE {student:.3f}, worse than a uniform guess ({uniform:.3f})")
    if run.teacher is None:
        return
    teacher = teacher_ce(run, size)
    log(f"preflight: CE on {targets} validation targets: teacher {teacher:.3f}, untrained student {student:.3f}")
    if not math.isfinite(teacher):
        yield f"the teacher's CE on {targets} validation targets is {teacher}"
    elif not teacher < student:
        yield (
            f"the teacher's CE on {targets} validation targets, {teacher:.3f}, is not better than the untrained "
            f"student's, {student:.3f}: nothing to learn from it; fine-tune the teacher first (scripts/teach.py)"
        )
    found = torch.zeros(4, dtype=torch.float64)
    training = run.model.training
    run.model.eval()
    for batch in batches(data, size, range(min(ROWS, len(data))), run.device):
        found += batch_sums(run.model, batch, run.job.objective, run.teacher, run.dtype)
    run.model.train(training)
    if not torch.isfinite(found).all():
        yield f"the objective is not finite before training: {found.tolist()}"


@torch.no_grad()
def teacher_ce(run, size):
    """CE in nats of the teacher, cut to the student's vocabulary, on the first validation rows."""
    from codestill.distill.objective import distillation_loss
    from codestill.models.heads import target_rows

    total, count = 0.0, 0
    for batch in batches(run.validation_data, size, range(min(ROWS, len(run.validation_data))), run.device):
        targets = batch["labels"][:, 1:][target_rows(batch["labels"])]
        head = run.teacher.head_on(run.device)
        known = targets < head.columns
        states = run.teacher.hidden(batch, training=False).to(head.weight.dtype)
        total += distillation_loss(states[known], targets[known], head, Objective(1.0, 1.0), 1).ce.item()
        count += int(known.sum())
    return total / count if count else float("nan")
