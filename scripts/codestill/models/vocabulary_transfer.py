"""Fast vocabulary transfer: a student's embedding rows for the teacher's tokens, from its rows for its own.

Gee, Zugarini, Rigutini & Torroni, Fast Vocabulary Transfer for Language Model Compression, EMNLP 2022 (industry): a
token that both vocabularies have keeps its row; another gets the mean of the rows of the pieces into which the old
tokenizer cuts it. Tokens are compared by the bytes they stand for, so that spellings of two kinds of tokenizer meet.
"""

from codestill.kit.program import UserError
from codestill.models.token_bytes import byte_level_string, is_byte_level, token_bytes
from codestill.models.tokenizers import plain_ids


def sources(teacher, student):
    """For each teacher row the student ids whose rows make it, and why: ([[id, ...] per row], [kind per row]).

    Kinds: `special` (the token's part in a text: end, start or pad, taken from the student's token of that part),
    `exact` (one token of the student's with the same bytes), `mean` (of the pieces' rows), `average` (of all the
    student's tokens: a row without a token, or a special token that has no counterpart).
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
            pieces = [index for index in pieces if index < student.rows]
            found, kind = (pieces, "mean") if pieces else (everything, "average")
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
    if ours.bos_token_id is not None:
        start = theirs.bos_token_id
        parts[ours.bos_token_id] = start if start is not None and start < student.rows else end
    parts[ours.eos_token_id] = end  # last: where one token plays several parts, it is the end
    return {index: source for index, source in parts.items() if index < teacher.rows}


def _cutter(student):
    """A function from bytes to the ids of the student's pieces for them."""
    if is_byte_level(student.tokenizer):
        # On the byte-level string itself: tokens may start with blanks or hold a part of a character.
        model = student.tokenizer.backend_tokenizer.model
        return lambda data: [token.id for token in model.tokenize(byte_level_string(data))]
    return lambda data: plain_ids(student.tokenizer, [data.decode(errors="replace")])[0]


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
    values = {part: means(matrix.detach(), chosen) for part, matrix in _matrices(student.model).items()}
    _write(student.model, values, teacher.rows)
    end = teacher.tokenizer.eos_token_id
    new, old = student.model.get_input_embeddings().weight[end], values["embedding"][end]
    if not bool((new == old).all()) or kinds[end] != "special":
        raise AssertionError("the end token's row was not transferred")
    counts = {kind: kinds.count(kind) for kind in ("special", "exact", "mean", "average")}
    return {"embeddings": "pieces", "counts": counts, "examples": _examples(teacher, student, chosen, kinds)}


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
