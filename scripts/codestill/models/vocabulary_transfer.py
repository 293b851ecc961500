"""Fast vocabulary transfer: a student's embedding rows for the teacher's tokens, from its rows for its own.

Gee, Zugarini, Rigutini & Torroni, Fast Vocabulary Transfer for Language Model Compression, EMNLP 2022 (industry): a
token that both vocabularies have keeps its row; another gets the mean of the rows of the pieces into which the old
tokenizer cuts it. Tokens are compared by the bytes they stand for, so that spellings of two kinds of tokenizer meet.
"""

import math
from collections import Counter

from codestill.kit.program import UserError
from codestill.models.token_bytes import byte_level_string, is_byte_level, token_bytes
from codestill.models.tokenizers import start_ids

KINDS = ("special", "exact", "mean", "average")
APART = 0.05  # of the rows' standard deviation: rows that come out alike are told apart by noise of this size


def sources(teacher, student):
    """For each teacher row the student ids whose rows make it, and why: ([[id, ...] per row], [kind per row]).

    Kinds: `special` (the token's part in a text: end, start or pad, taken from the student's token of that part),
    `exact` (one token of the student's with the same bytes), `mean` (of the rows of pieces that spell it), `average`
    (of all the student's tokens: a row without a token, or a token that the student's pieces cannot spell).
    """
    teacher_bytes, student_bytes = token_bytes(teacher.tokenizer), token_bytes(student.tokenizer)
    special = set(teacher.tokenizer.all_special_ids)
    student_special = set(student.tokenizer.all_special_ids)
    exact = {}
    cut = _cutter(student)
    for index in sorted(student.tokens):
        # A special token is no text: it may only stand for a special token of the same string.
        key = index in student_special, student_bytes[index]
        # Two tokens of the same bytes (a blank and its byte-fallback): the one that texts are cut into.
        if key not in exact or cut(student_bytes[index]) == [index]:
            exact[key] = index
    parts = _special_parts(teacher, student)
    everything = sorted(student.tokens)
    chosen, kinds = [], []
    for row in range(teacher.rows):
        text = teacher_bytes.get(row)
        if row in parts:
            found, kind = [parts[row]], "special"
        elif text is not None and (row in special, text) in exact:
            found, kind = [exact[row in special, text]], "exact"
        else:
            pieces = cut(text) if text is not None and row not in special else []
            spelt = pieces and b"".join(student_bytes.get(piece, b"") for piece in pieces) == text
            spelt = spelt and all(piece < student.rows for piece in pieces)
            found, kind = (pieces, "mean") if spelt else (everything, "average")
        chosen.append(found)
        kinds.append(kind)
    return chosen, kinds


def _special_parts(teacher, student):
    """{teacher id: student id} of end, start and pad token; a student without a start token starts after its end."""
    ours, theirs = teacher.tokenizer, student.tokenizer
    end = theirs.eos_token_id
    if end >= student.rows:
        raise UserError(f"{student.folder}: its end token {theirs.eos_token!r} has no embedding row; name its real one")
    parts = {}
    if ours.pad_token_id is not None and theirs.pad_token_id is not None and theirs.pad_token_id < student.rows:
        parts[ours.pad_token_id] = theirs.pad_token_id
    starts = [*start_ids(theirs), theirs.bos_token_id]
    start = next((index for index in starts if index is not None and index < student.rows), end)
    parts |= {index: start for index in (*start_ids(ours), ours.bos_token_id) if index is not None}
    parts[ours.eos_token_id] = end  # last: where one token plays several parts, it is the end
    return {index: source for index, source in parts.items() if index < teacher.rows}


def _cutter(student):
    """A function from bytes to the ids of the student's pieces for them.

    By the tokenizer's model alone: what stands before it is for texts (a blank that is put first, changed letters, cuts
    between words), and a token may begin with blanks or hold a part of a character.
    """
    backend = student.tokenizer.backend_tokenizer
    model, vocabulary = backend.model, student.tokenizer.get_vocab()
    if is_byte_level(student.tokenizer):
        return lambda data: [token.id for token in model.tokenize(byte_level_string(data))]
    blank = "\u2581" if "\u2581" in backend.to_str() else " "

    def cut(data):
        ids, run = [], ""
        # A byte that belongs to no character comes as a lone surrogate, U+DC00 and the byte.
        for character in [*data.decode("utf-8", errors="surrogateescape"), None]:
            if character is not None and not "\udc80" <= character <= "\udcff":
                run += blank if character == " " else character
                continue
            ids += [token.id for token in model.tokenize(run)] if run else []
            run = ""
            if character is not None:
                ids.append(vocabulary.get(f"<0x{ord(character) - 0xDC00:02X}>", -1))
        return ids

    return cut


def means(matrix, chosen):
    """[len(chosen), ...]: for each list of ids the mean of those rows of `matrix`, summed in float32, in its dtype."""
    import torch

    # Rows that average over everything share one list: each distinct list is summed once.
    known = {}
    result = torch.empty((len(chosen), *matrix.shape[1:]), dtype=matrix.dtype)
    for row, ids in enumerate(chosen):
        if len(ids) == 1:
            result[row] = matrix[ids[0]]
            continue
        if id(ids) not in known:
            known[id(ids)] = matrix[ids].float().mean(0).to(matrix.dtype)
        result[row] = known[id(ids)]
    return result


def _matrices(model):
    """{part: tensor} with a row for each token: the input embedding, the head where it is apart, and its bias."""
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    found = {"embedding": embedding.weight}
    if head is not None and head.weight is not embedding.weight:
        found["head"] = head.weight
    if getattr(head, "bias", None) is not None:
        found["bias"] = head.bias
    return found


def _write(model, values, rows):
    """Give `model` `rows` rows and write the new matrices {part: tensor} into them; a tied head stays tied."""
    import torch

    tied = "head" not in _matrices(model)
    model.resize_token_embeddings(rows, mean_resizing=False)
    with torch.no_grad():
        for part, matrix in _matrices(model).items():
            if part in values:
                matrix.copy_(values[part])
    if tied != ("head" not in _matrices(model)):
        raise AssertionError("resizing the embeddings changed whether the head is tied to them")


def transfer_rows(teacher, student):
    """Write the student's rows for the teacher's tokens into `student.model`; returns the facts for the report."""
    chosen, kinds = sources(teacher, student)
    alike = _alike(chosen, kinds)
    values = {part: means(matrix.detach(), chosen) for part, matrix in _matrices(student.model).items()}
    for part, matrix in _matrices(student.model).items():
        _tell_apart(values[part], matrix.detach(), alike)
    _write(student.model, values, teacher.rows)
    end = teacher.tokenizer.eos_token_id
    new, old = student.model.get_input_embeddings().weight[end], values["embedding"][end]
    if not bool((new == old).all()) or kinds[end] != "special":
        raise AssertionError("the end token's row was not transferred")
    facts = {"embeddings": "pieces", "counts": {kind: kinds.count(kind) for kind in KINDS}}
    facts["alike"] = {"rows": len(alike), "examples": [teacher.tokens[row] for row in alike[:10]]}
    # By these the corpus' tokens are told apart (codestill.data.token_shares); all others are exact.
    facts["ids"] = {kind: [row for row, one in enumerate(kinds) if one == kind] for kind in KINDS if kind != "exact"}
    facts["ids"]["alike"] = alike
    return facts | {"examples": _examples(teacher, student, chosen, kinds)}


def _alike(chosen, kinds):
    """The rows of kind `mean` that would be the same as another one: runs of blanks, mostly.

    A mean of pieces does not know how many there are; of several such rows the first stays as it is.
    """
    seen, found = {(ids[0], 1) for ids, kind in zip(chosen, kinds, strict=True) if kind == "exact"}, []
    for row, ids in enumerate(chosen):
        if kinds[row] != "mean":
            continue
        counts = Counter(ids)
        shared = math.gcd(*counts.values())
        key = tuple(sorted((index, count // shared) for index, count in counts.items()))
        key = key[0] if len(key) == 1 else key
        if key in seen:
            found.append(row)
        seen.add(key)
    return found


def _tell_apart(values, matrix, rows):
    """Add seeded noise to `rows` of the new matrix, APART of the standard deviation of the old one's columns."""
    import torch

    if rows:
        drawn = torch.randn((len(rows), *matrix.shape[1:]), generator=torch.Generator().manual_seed(0))
        values[rows] += (APART * matrix.float().std(0) * drawn).to(values.dtype)


def _examples(teacher, student, chosen, kinds):
    """Up to five tokens of each kind, longest first, with the student's pieces that made their rows."""
    examples = {}
    for kind in ("special", "mean"):
        rows = [row for row, other in enumerate(kinds) if other == kind]
        rows = sorted(rows, key=lambda row: -len(teacher.tokens.get(row, "")))[:5]
        examples[kind] = {
            teacher.tokens.get(row, str(row)): [student.tokens[index] for index in chosen[row]] for row in rows
        }
    examples["average"] = [teacher.tokens.get(row) for row, kind in enumerate(kinds) if kind == "average"][:5]
    return examples


def take_teacher_rows(teacher, student):
    """The ablation: the student's rows are the teacher's own. Raises UserError where the two are not equally wide."""
    ours, theirs = _matrices(student.model), _matrices(teacher.model)
    for part in ours:
        wide = ours[part].shape[1:]
        source = theirs.get(part, theirs["embedding"])
        if part != "bias" and source.shape[1:] != wide:
            raise UserError(
                f"{student.folder}: its {part} is {wide[0]} wide and the teacher's {source.shape[1]}; the teacher's "
                "rows fit only where the widths agree, so use embeddings pieces"
            )
    values = {"embedding": theirs["embedding"].detach(), "head": theirs.get("head", theirs["embedding"]).detach()}
    values["bias"] = theirs["bias"].detach() if "bias" in theirs else values["embedding"].new_zeros(teacher.rows)
    _write(student.model, values, teacher.rows)
    return {"embeddings": "teacher", "counts": {"teacher": teacher.rows}}
