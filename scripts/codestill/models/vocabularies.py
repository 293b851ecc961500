"""Vocabulary policies: what makes teacher and student speak of the same token when they speak of the same id.

A policy is a function (teacher, student, asked) -> Match, entered in POLICIES by `@policy(name)`, of two sides and an
Asked. It returns the student as it is before distillation, the study's tokenizer (all tokens are made with it) and a
report; or it raises UserError with the first tokens that differ and the remedy. The study's contract with the
objective: ids 0 .. rows - 1 of the student mean the same token to the teacher, whose logits are cut to those columns.
A policy for students that keep a vocabulary of their own adds an entry here, and its own alignment in the objective.
"""

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from codestill.kit.program import UserError
from codestill.models import chat
from codestill.models.loading import load_config, load_model
from codestill.models.shapes import set_ids
from codestill.models.token_bytes import check_spelling
from codestill.models.tokenizers import PROBE, load_tokenizer, pad_token_id, plain_ids, start_ids, without_start

POLICIES = {}
EMBEDDINGS = ("pieces", "teacher")
STARTS = ("auto", "none")


class VocabularySide:
    """One of the two models: its folder, tokenizer, config, embedding rows, and the model, loaded when asked for."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.tokenizer = load_tokenizer(folder)
        self.config = load_config(folder).get_text_config()
        self.rows = self.config.vocab_size

    @cached_property
    def model(self):
        return load_model(self.folder, dtype="auto")

    @cached_property
    def tokens(self):
        """{id: token string} of the tokens with an embedding row (padded rows have no token, late tokens no row)."""
        return {index: token for token, index in self.tokenizer.get_vocab().items() if index < self.rows}

    @property
    def end(self):
        """(string, id) of the end token."""
        return self.tokenizer.eos_token, self.tokenizer.eos_token_id

    def without_row(self):
        """The token strings for which the embedding has no row."""
        vocabulary = sorted(self.tokenizer.get_vocab().items(), key=lambda item: item[1])
        return [token for token, index in vocabulary if index >= self.rows]


@dataclass(frozen=True)
class Asked:
    """What is asked of a policy: whose rows transfer takes, and whether a start token may lead."""

    embeddings: str = "pieces"
    start: str = "auto"


@dataclass
class Match:
    """What a policy returns: the student, the study's tokenizer, its number of rows, and the policy's own facts."""

    model: object
    tokenizer: object
    rows: int
    facts: dict = field(default_factory=dict)


def policy(name):
    """Enter a function as the policy `name`."""

    def enter(function):
        POLICIES[name] = function
        return function

    return enter


def match(teacher_folder, student_folder, name, asked=Asked()):
    """Apply policy `name` to the models in two folders; returns (Match, report).

    Raises UserError where the policy does not hold.
    """
    if name not in POLICIES:
        raise UserError(f"vocabulary policy {name!r} is not known; choose one of {', '.join(POLICIES)}")
    if asked.embeddings not in EMBEDDINGS:
        raise UserError(f"embeddings {asked.embeddings!r} is not known; choose one of {', '.join(EMBEDDINGS)}")
    if asked.embeddings != "pieces" and name != "transfer":
        raise UserError(
            f"embeddings {asked.embeddings!r} acts on policy transfer only; {name} keeps the student's embeddings"
        )
    if asked.start not in STARTS:
        raise UserError(f"start {asked.start!r} is not known; choose one of {', '.join(STARTS)}")
    teacher, student = VocabularySide(teacher_folder), VocabularySide(student_folder)
    matched = POLICIES[name](teacher, student, asked)
    check_spelling(matched.tokenizer, student.folder if name == "shared" else teacher.folder)
    if asked.start == "none":
        matched.tokenizer = without_start(matched.tokenizer)
    if any(index >= matched.rows for index in start_ids(matched.tokenizer)):
        raise UserError(f"{teacher.folder}: its start token has no embedding row; give tokens.start: none")
    set_ids(matched.model, matched.tokenizer, matched.rows)
    return matched, _report(name, teacher, student, matched)


def _report(name, teacher, student, matched):
    pad = pad_token_id(matched.tokenizer, matched.rows)
    end = matched.tokenizer.eos_token_id
    return {
        "policy": name,
        "rows": matched.rows,
        "end_token": matched.tokenizer.eos_token,
        "end_token_id": end,
        "start_tokens": matched.tokenizer.convert_ids_to_tokens(start_ids(matched.tokenizer)),
        "pad_token": matched.tokenizer.convert_ids_to_tokens(pad),
        "pad_token_id": pad,
        "pad_is_end": pad == end,
        "chat_templates_differ": chat.differ(teacher.tokenizer, matched.tokenizer),
        "padding": "labels are masked by position, never by the pad id, so the end token stays a target",
        "tied": is_tied(matched.model),
        "teacher": _side_report(teacher),
        "student": _side_report(student),
        **matched.facts,
    }


def _side_report(side):
    return {
        "tokens": len(side.tokenizer),
        "rows": side.rows,
        "end_token": side.end[0],
        "end_token_id": side.end[1],
        "config_end_token_id": side.config.eos_token_id,
        "tokens_without_row": side.without_row()[:10],
        "rows_without_token": side.rows - len(side.tokens),
    }


def is_tied(model):
    """Whether the model's head is its input embedding."""
    head = model.get_output_embeddings()
    return head is not None and head.weight is model.get_input_embeddings().weight


def _check_end(side):
    token, index = side.end
    if index >= side.rows:
        raise UserError(
            f"{side.folder}: the end token {token!r} has id {index} but the model has {side.rows} rows; name its "
            f'real end token as "eos_token" in tokenizer_config.json'
        )


def _differences(teacher, student, ids):
    """The ids among `ids` whose token strings differ, in order."""
    return [index for index in ids if teacher.tokens.get(index) != student.tokens.get(index)]


def _shown(teacher, student, ids):
    return ", ".join(f"id {index}: {teacher.tokens.get(index)!r} / {student.tokens.get(index)!r}" for index in ids[:3])


def _resize(model, rows):
    """Cut the model to `rows` embedding (and head) rows."""
    if model.get_input_embeddings().weight.shape[0] != rows:
        model.resize_token_embeddings(rows, mean_resizing=False)
    return model


@policy("same")
def same(teacher, student, asked):
    """Identical vocabularies: every string has the same id on both sides, special tokens, end token and merges too."""
    different = _differences(teacher, student, range(max(teacher.rows, student.rows)))
    if different:
        raise UserError(
            f"{student.folder}: vocabulary differs from the teacher's in {len(different)} ids (teacher / student: "
            f"{_shown(teacher, student, different)}); use the policy transfer, or shared where the teacher's extends it"
        )
    _check_end(teacher)
    for name in ("eos_token", "bos_token", "pad_token"):
        ours, theirs = getattr(student.tokenizer, name), getattr(teacher.tokenizer, name)
        if ours != theirs and (name == "eos_token" or None not in (ours, theirs)):
            raise UserError(
                f'{student.folder}/tokenizer_config.json: "{name}" is {ours!r} but the teacher\'s is {theirs!r}; set '
                "it to the teacher's or use the policy transfer"
            )
    if asked.start == "auto" and start_ids(teacher.tokenizer) != start_ids(student.tokenizer):
        raise UserError(
            f"{student.folder}: its tokenizer opens a text otherwise than the teacher's; use the policy transfer, or "
            "tokens.start: none"
        )
    if _pieces(teacher.tokenizer) != _pieces(student.tokenizer):
        raise UserError(
            f"{student.folder}/tokenizer.json: same tokens as the teacher's, but text is cut into them in another way; "
            "use the policy transfer"
        )
    rows = min(teacher.rows, student.rows)
    facts = {"counts": {"same": len(student.tokens)}, "checks": ["strings", "special tokens", "merges", "probe text"]}
    return Match(_resize(student.model, rows), student.tokenizer, rows, facts)


def _pieces(tokenizer):
    """What decides how text is cut: the merges, and the ids of the probe text."""
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    return model.get("merges"), plain_ids(tokenizer, [PROBE])


@policy("shared")
def shared(teacher, student, asked):
    """The teacher's vocabulary extends the student's: ids 0 .. V - 1 agree by string, V the student's tokens."""
    _check_end(student)
    count = len(student.tokens)
    if sorted(student.tokens) != list(range(count)):
        gap = next(index for index in range(count) if index not in student.tokens)
        raise UserError(f"{student.folder}: its token ids have a gap at {gap}; use the policy transfer")
    different = _differences(teacher, student, range(count))
    if different:
        raise UserError(
            f"{teacher.folder}: vocabulary does not extend the student's, {len(different)} of its {count} ids differ "
            f"(teacher / student: {_shown(teacher, student, different)}); use the policy transfer"
        )
    facts = {
        "counts": {"shared": count, "teacher_only": len(teacher.tokens) - count},
        "examples": {"teacher_only": [teacher.tokens[index] for index in sorted(teacher.tokens)[count : count + 10]]},
        "checks": ["strings"],
        "note": "texts are cut by the student's tokenizer and ended by its end token: fine-tune the teacher on them",
    }
    # Rows beyond the tokens would meet logits of the teacher's that mean something else.
    return Match(_resize(student.model, count), student.tokenizer, count, facts)


@policy("transfer")
def transfer(teacher, student, asked):
    """The student takes the teacher's tokenizer; its rows by fast vocabulary transfer, or the teacher's own rows.

    Gee, Zugarini, Rigutini & Torroni, Fast Vocabulary Transfer for Language Model Compression, EMNLP 2022 (industry).
    """
    from codestill.models import vocabulary_transfer as rows_of

    _check_end(teacher)
    if asked.embeddings == "teacher":
        facts = rows_of.take_teacher_rows(teacher, student)
    else:
        check_spelling(student.tokenizer, student.folder)
        facts = rows_of.transfer_rows(teacher, student)
    facts["checks"] = ["every teacher row has a student row", "end token row"]
    return Match(student.model, teacher.tokenizer, teacher.rows, facts)
