"""Vocabulary policies: what they match, the rows they write, and that no mismatch passes unnoticed."""

import json

import pytest
import torch

from codestill.kit.program import UserError
from codestill.models import vocabularies, vocabulary_transfer
from codestill.models.token_bytes import token_bytes
from codestill.models.tokenizers import PROBE, load_tokenizer, pad_token_id, plain_ids, start_ids
from codestill.models.vocabularies import Asked, match
from made_models import SHAPES, alphabet, byte_tokenizer, made_model, made_tokenizer, model_folder

BYTES = alphabet()
PLAIN = [*BYTES, "</s>", "<pad>"]


def folder(path, tokens=PLAIN, kind="gpt2", rows=None, seed=0, fields=None, **special):
    return model_folder(path, byte_tokenizer(tokens, **special), kind=kind, rows=rows, seed=seed, **(fields or {}))


def rows_of(model):
    return model.get_input_embeddings().weight.detach(), model.get_output_embeddings().weight.detach()


# same


def test_same_keeps_the_student_as_it_is(tmp_path):
    teacher, student = folder(tmp_path / "t"), folder(tmp_path / "s", seed=5)
    matched, report = match(teacher, student, "same")
    assert report["counts"] == {"same": 258} and not report["pad_is_end"]
    assert (report["end_token"], report["end_token_id"], report["pad_token_id"]) == ("</s>", 256, 257)
    torch.testing.assert_close(rows_of(matched.model)[0], rows_of(made_model(byte_tokenizer(PLAIN), seed=5))[0])


def swapped(tokens, one, other):
    tokens = list(tokens)
    tokens[one], tokens[other] = tokens[other], tokens[one]
    return tokens


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tokens": swapped(PLAIN, 65, 66)}, "differs from the teacher's in 2 ids"),
        ({"tokens": swapped(PLAIN, 256, 257)}, r"id 256: '</s>' / '<pad>'"),
        ({"tokens": [*BYTES, "<end>", "<pad>"], "end": "<end>"}, r"id 256: '</s>' / '<end>'"),
        ({"end": "<pad>", "pad": None}, '"eos_token" is'),
        ({"pad": "</s>"}, '"pad_token" is'),
        ({"tokens": [*PLAIN, "ab"]}, "differs from the teacher's in 1 ids"),
    ],
)
def test_same_finds_a_mismatch(tmp_path, changes, message):
    teacher, student = folder(tmp_path / "t"), folder(tmp_path / "s", **changes)
    with pytest.raises(UserError, match=message):
        match(teacher, student, "same")


def test_same_finds_tokens_that_are_cut_in_another_way(tmp_path):
    tokens = [*PLAIN, "ab", "bc"]
    merges = [("a", "b"), ("b", "c")]
    one, other = byte_tokenizer(tokens, merges=merges), byte_tokenizer(tokens, merges=merges[::-1])
    assert one.get_vocab() == other.get_vocab()
    teacher, student = model_folder(tmp_path / "t", one), model_folder(tmp_path / "s", other)
    with pytest.raises(UserError, match="cut into them in another way"):
        match(teacher, student, "same")


def test_same_finds_another_splitting_of_text(tmp_path):
    from tokenizers import pre_tokenizers

    other = byte_tokenizer(PLAIN)
    other.backend_tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    teacher, student = folder(tmp_path / "t"), model_folder(tmp_path / "s", other)
    with pytest.raises(UserError, match="cut into them in another way"):
        match(teacher, student, "same")


def test_padded_rows_are_cut_to_the_smaller_model(tmp_path):
    teacher, student = folder(tmp_path / "t", rows=264), folder(tmp_path / "s", rows=280)
    matched, report = match(teacher, student, "same")
    assert matched.rows == matched.model.config.vocab_size == len(rows_of(matched.model)[0]) == 264
    assert report["student"]["rows_without_token"] == 22
    matched, _ = match(student, teacher, "same")
    assert len(rows_of(matched.model)[0]) == 264


# shared


def test_shared_takes_a_teacher_that_extends_the_student(tmp_path):
    small = [*BYTES, "</s>"]
    teacher = folder(tmp_path / "t", [*small, "<pad>", "<s>", "<e>", "ĠĠ"], end="<e>", bos_token="<s>", rows=300)
    student = folder(tmp_path / "s", small, pad=None, rows=272, kind="codegen")
    before = rows_of(vocabularies.VocabularySide(student).model)
    matched, report = match(teacher, student, "shared")
    assert report["counts"] == {"shared": 257, "teacher_only": 4}
    # Padded rows of the student would stand beside other tokens of the teacher.
    for now, then in zip(rows_of(matched.model), before, strict=True):
        torch.testing.assert_close(now, then[:257], rtol=0, atol=0)
    assert report["end_token"] == "</s>" and report["teacher"]["end_token"] == "<e>"
    assert report["pad_is_end"] and report["pad_token_id"] == 256


@pytest.mark.parametrize(
    "tokens",
    [swapped(PLAIN, 65, 66), [*BYTES, "<end>", "<pad>"], BYTES, swapped([*PLAIN, "ab"], 256, 258)],
)
def test_shared_finds_a_teacher_that_does_not_extend_the_student(tmp_path, tokens):
    end = next((token for token in ("</s>", "<end>") if token in tokens), tokens[0])
    teacher = folder(tmp_path / "t", tokens, end=end, pad=None, rows=300)
    with pytest.raises(UserError, match="does not extend the student's"):
        match(teacher, folder(tmp_path / "s"), "shared")


def test_shared_does_not_count_tokens_for_which_the_teacher_has_no_row(tmp_path):
    teacher = folder(tmp_path / "t", rows=257)
    with pytest.raises(UserError, match=r"id 257: None / '<pad>'"):
        match(teacher, folder(tmp_path / "s"), "shared")


# transfer


def transfer_pair(tmp_path, kind="gpt2", fields=None, teacher_fields=None):
    """A teacher with other ids and longer tokens than the student, which ends texts by another token."""
    special = {"bos_token": "<s>", "unk_token": "<unk>"}
    tokens = ["<s>", "<pad>", "</s>", *reversed(BYTES), "ab", "Ġab", "abc", "ĠĠĠĠ", "<unk>"]
    merges = [("a", "b"), ("Ġ", "ab"), ("ab", "c"), ("Ġ", "Ġ")]
    teacher = model_folder(
        tmp_path / "t", byte_tokenizer([*tokens, "ĠĠ"], merges=merges, **special), **(teacher_fields or {})
    )
    student = model_folder(
        tmp_path / "s",
        byte_tokenizer([*BYTES, "ab", "<|end|>"], end="<|end|>", pad=None, merges=[("a", "b")]),
        kind=kind,
        seed=9,
        **(fields or {}),
    )
    return teacher, student


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("tied", [True, False])
def test_transfer_writes_the_rows_of_a_hand_computation(tmp_path, kind, tied):
    teacher, student = transfer_pair(tmp_path, kind, {"tie_word_embeddings": tied})
    side = vocabularies.VocabularySide(student)
    old = [matrix.clone() for matrix in rows_of(side.model)]
    a, b, c, blank, ab, end = (side.tokenizer.get_vocab()[token] for token in ("a", "b", "c", "Ġ", "ab", "<|end|>"))
    matched, report = match(teacher, student, "transfer")
    ids = matched.tokenizer.get_vocab()
    assert vocabularies.is_tied(matched.model) is tied is report["tied"]
    for now, then in zip(rows_of(matched.model), old, strict=True):
        assert len(now) == len(ids) == matched.model.config.vocab_size
        expected = {
            "a": then[a],
            "b": then[b],
            "ab": then[ab],
            "Ġab": (then[blank] + then[ab]) / 2,
            "abc": (then[ab] + then[c]) / 2,
            "</s>": then[end],
            "<s>": then[end],
            "<pad>": then.mean(0),
            "<unk>": then.mean(0),
        }
        for token, row in expected.items():
            assert (now[ids[token]] - row).abs().max() < 1e-6, token
    assert report["counts"] == {"special": 2, "exact": 257, "mean": 4, "average": 2}
    assert report["examples"]["mean"]["abc"] == ["ab", "c"]
    assert matched.model.config.eos_token_id == matched.model.generation_config.eos_token_id == ids["</s>"]
    assert matched.model.config.pad_token_id == ids["<pad>"] != ids["</s>"]


@pytest.mark.parametrize("tied", [True, False])
def test_rows_that_come_out_alike_are_told_apart_and_reported(tmp_path, tied):
    teacher, student = transfer_pair(tmp_path, "llama", {"tie_word_embeddings": tied})
    side = vocabularies.VocabularySide(student)
    blank = side.tokenizer.get_vocab()["Ġ"]
    old = [matrix.clone() for matrix in rows_of(side.model)]
    matched, report = match(teacher, student, "transfer")
    again, _ = match(teacher, student, "transfer")
    ids = matched.tokenizer.get_vocab()
    assert report["alike"] == {"rows": 2, "examples": ["ĠĠĠĠ", "ĠĠ"]}
    for now, then, later in zip(rows_of(matched.model), old, rows_of(again.model), strict=True):
        rows = torch.stack([now[ids[token]] for token in ("Ġ", "ĠĠ", "ĠĠĠĠ")])
        assert torch.equal(rows[0], then[blank]) and torch.equal(now, later)
        gaps = torch.cdist(rows, rows)[[0, 0, 1], [1, 2, 2]] / then.std(0).norm()
        assert ((gaps > 0.02) & (gaps < 0.2)).all()
    assert report["ids"]["alike"] == sorted([ids["ĠĠ"], ids["ĠĠĠĠ"]])
    assert report["ids"]["mean"] == sorted(ids[token] for token in ("ĠĠ", "ĠĠĠĠ", "abc", "Ġab"))


def test_transfer_carries_the_heads_bias_over(tmp_path):
    teacher, student = transfer_pair(tmp_path, "codegen")
    side = vocabularies.VocabularySide(student)
    head = side.model.get_output_embeddings()
    with torch.no_grad():
        head.bias.copy_(torch.arange(len(head.bias)))
    side.model.save_pretrained(student)
    matched, _ = match(teacher, student, "transfer")
    ours, theirs = matched.tokenizer.get_vocab(), side.tokenizer.get_vocab()
    bias = matched.model.get_output_embeddings().bias
    assert bias[ours["</s>"]] == theirs["<|end|>"] and bias[ours["abc"]] == (theirs["ab"] + theirs["c"]) / 2


def test_the_same_text_gives_near_the_same_states_before_and_after(tmp_path):
    """Where all pieces are shared the student computes what it did: ids change, rows follow."""
    teacher, student = transfer_pair(tmp_path)
    side = vocabularies.VocabularySide(student)
    matched, _ = match(teacher, student, "transfer")
    text = "def f(x): return x"
    before = side.model(torch.tensor(plain_ids(side.tokenizer, [text]))).logits
    after = matched.model(torch.tensor(plain_ids(matched.tokenizer, [text]))).logits
    ours, theirs = matched.tokenizer.get_vocab(), side.tokenizer.get_vocab()
    for token in ("a", "Ġ", "ab"):
        torch.testing.assert_close(after[..., ours[token]], before[..., theirs[token]])
    torch.testing.assert_close(after[..., ours["</s>"]], before[..., theirs["<|end|>"]])


def test_a_special_token_of_the_teacher_is_no_text_of_the_students(tmp_path):
    """The student has `</s>` as a word of its own and ends by another token: the end row is its end's."""
    teacher = folder(tmp_path / "t", [*PLAIN, "<|end|>"])
    plain = byte_tokenizer([*BYTES, "</s>", "<|end|>"], end="<|end|>", pad=None)
    student = model_folder(tmp_path / "s", plain, seed=3)
    old = rows_of(vocabularies.VocabularySide(student).model)[0].clone()
    matched, report = match(teacher, student, "transfer")
    torch.testing.assert_close(rows_of(matched.model)[0][256], old[257])
    # ... and the teacher's word `<|end|>` is not the student's end, but its pieces.
    pieces = [plain.get_vocab()[character] for character in "<|end|>"]
    assert report["examples"]["mean"]["<|end|>"] == list("<|end|>")
    torch.testing.assert_close(rows_of(matched.model)[0][258], old[pieces].mean(0))


def test_a_teacher_with_a_token_beyond_its_rows_and_padded_rows(tmp_path):
    tokens = [*PLAIN, "<unk>"]
    short = folder(tmp_path / "t", tokens, unk_token="<unk>", rows=258)
    long = folder(tmp_path / "u", tokens, unk_token="<unk>", rows=272)
    student = folder(tmp_path / "s", [*BYTES, "<|end|>"], end="<|end|>", pad=None)
    matched, report = match(short, student, "transfer")
    assert matched.rows == len(rows_of(matched.model)[0]) == 258 < len(matched.tokenizer)
    assert report["teacher"]["tokens_without_row"] == ["<unk>"]
    matched, report = match(long, student, "transfer")
    assert matched.rows == len(rows_of(matched.model)[0]) == 272
    assert report["counts"]["average"] == 15 and report["teacher"]["rows_without_token"] == 13


@pytest.mark.parametrize("policy", ["same", "transfer"])
def test_an_end_token_without_a_row_is_refused(tmp_path, policy):
    tokens = [*BYTES, "<pad>", "</s>"]
    teacher, student = folder(tmp_path / "t", tokens, rows=257), folder(tmp_path / "s", tokens, rows=257)
    with pytest.raises(UserError, match=r"end token '</s>' has id 257 but the model has 257 rows"):
        match(teacher, student, policy)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("teacher_tied", [True, False])
def test_the_ablation_takes_the_teachers_rows(tmp_path, tied, teacher_tied):
    teacher, student = transfer_pair(
        tmp_path, "llama", {"tie_word_embeddings": tied}, {"kind": "qwen2", "tie_word_embeddings": teacher_tied}
    )
    embedding, head = rows_of(vocabularies.VocabularySide(teacher).model)
    matched, report = match(teacher, student, "transfer", Asked("teacher"))
    torch.testing.assert_close(rows_of(matched.model)[0], embedding, rtol=0, atol=0)
    torch.testing.assert_close(rows_of(matched.model)[1], embedding if tied else head, rtol=0, atol=0)
    assert report["embeddings"] == "teacher" and vocabularies.is_tied(matched.model) is tied


def test_the_ablation_needs_equal_widths_and_the_policy_transfer(tmp_path):
    teacher, student = transfer_pair(tmp_path, fields={"n_embd": 16})
    with pytest.raises(UserError, match="16 wide and the teacher's 32"):
        match(teacher, student, "transfer", Asked("teacher"))
    with pytest.raises(UserError, match="transfer only"):
        match(teacher, student, "same", Asked("teacher"))


def test_unknown_names_are_refused_and_a_policy_can_be_added(tmp_path, monkeypatch):
    teacher, student = transfer_pair(tmp_path)
    with pytest.raises(UserError, match="choose one of same, shared, transfer"):
        match(teacher, student, "keep")
    with pytest.raises(UserError, match="choose one of pieces, teacher"):
        match(teacher, student, "transfer", Asked("both"))
    monkeypatch.setattr(vocabularies, "POLICIES", dict(vocabularies.POLICIES))

    @vocabularies.policy("keep")
    def keep(teacher, student, asked):
        return vocabularies.Match(student.model, student.tokenizer, student.rows, {"counts": {"kept": student.rows}})

    matched, report = match(teacher, student, "keep")
    assert report["counts"] == {"kept": 258} and matched.tokenizer.eos_token == "<|end|>"


# what policies are built from


def test_a_pad_token_that_is_not_the_end_is_found():
    tokens = [*BYTES, "</s>", "<|fim_pad|>", "<|vision_pad|>"]
    named = byte_tokenizer(tokens, pad="</s>", fim="<|fim_pad|>", vision="<|vision_pad|>")
    assert pad_token_id(named, 259) == 257
    assert pad_token_id(named, 257) == 256  # no row for the others
    assert pad_token_id(byte_tokenizer(PLAIN), 258) == 257


def test_tokens_stand_for_their_bytes():
    tokenizer = made_tokenizer(["def grüße(日本): return '½ </s>'"] * 3, 300)
    table = token_bytes(tokenizer)
    (ids,) = plain_ids(tokenizer, [PROBE])
    assert b"".join(table[index] for index in ids) == PROBE.encode()
    assert table[tokenizer.eos_token_id] == b"</s>"


def test_spellings_of_two_kinds_of_tokenizer_meet(tmp_path):
    """A student with a SentencePiece-like vocabulary: blanks are `▁`, bytes `<0x0A>`."""
    from tokenizers import Tokenizer, decoders, models, normalizers
    from transformers import PreTrainedTokenizerFast

    tokens = ["<unk>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "a", "b", "▁a", "ab"]
    plain = Tokenizer(
        models.BPE(
            {token: index for index, token in enumerate(tokens)},
            [("▁", "a"), ("a", "b")],
            byte_fallback=True,
            unk_token="<unk>",
        )
    )
    plain.normalizer = normalizers.Replace(" ", "▁")
    plain.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    kept = PreTrainedTokenizerFast(tokenizer_object=plain, eos_token="</s>", unk_token="<unk>")
    student = model_folder(tmp_path / "s", kept, kind="llama", seed=2)
    teacher = folder(tmp_path / "t", [*PLAIN, "Ġa", "ab", "Ġab"])
    old = rows_of(vocabularies.VocabularySide(student).model)[0].clone()
    matched, report = match(teacher, student, "transfer")
    now, ids, theirs = rows_of(matched.model)[0], matched.tokenizer.get_vocab(), kept.get_vocab()
    for token, pieces in {"Ġ": ["▁"], "Ċ": ["<0x0A>"], "a": ["a"], "Ġa": ["▁a"], "Ġab": ["▁a", "b"]}.items():
        expected = old[[theirs[piece] for piece in pieces]].mean(0)
        assert (now[ids[token]] - expected).abs().max() < 1e-6, token
    assert report["counts"]["exact"] >= 258


def test_a_blank_that_a_tokenizer_puts_before_texts_is_put_before_no_token(tmp_path):
    """Llama 2's kind as the student: the reference cuts with the same tokenizer, but for that blank."""
    from tokenizers import normalizers

    import made_tokenizers

    own = made_tokenizers.sentencepiece()
    student = model_folder(tmp_path / "s", own, kind="llama", seed=2)
    teacher = model_folder(tmp_path / "t", made_tokenizers.single_digits())
    ours, theirs = vocabularies.VocabularySide(teacher), vocabularies.VocabularySide(student)
    chosen, kinds = vocabulary_transfer.sources(ours, theirs)
    reference = made_tokenizers.sentencepiece()
    reference.backend_tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    compared = 0
    for index, data in token_bytes(ours.tokenizer).items():
        text = data.decode(errors="replace")
        if kinds[index] == "mean" and "\ufffd" not in text:
            assert chosen[index] == plain_ids(reference, [text])[0], text
            compared += 1
        elif len(data) == 1 and data[0] >= 128:
            assert chosen[index] == [own.convert_tokens_to_ids(f"<0x{data[0]:02X}>")]
    assert compared > 50 and "average" not in kinds


def test_the_start_token_is_the_teachers_or_left_out(tmp_path):
    import made_tokenizers

    teacher = model_folder(tmp_path / "t", made_tokenizers.sentencepiece(), kind="llama")
    student = folder(tmp_path / "s", [*BYTES, "<|end|>"], end="<|end|>", pad=None)
    end = rows_of(vocabularies.VocabularySide(student).model)[0][256].clone()
    matched, report = match(teacher, student, "transfer")
    assert report["start_tokens"] == ["<s>"] and start_ids(matched.tokenizer) == [1]
    assert torch.equal(rows_of(matched.model)[0][1], end)  # a student without a start token starts after its end
    matched, report = match(teacher, student, "transfer", Asked(start="none"))
    assert report["start_tokens"] == [] and start_ids(matched.tokenizer) == []
    bare = made_tokenizers.sentencepiece()
    bare.backend_tokenizer.post_processor = made_tokenizers.processors.TemplateProcessing(single="$A")
    other = model_folder(tmp_path / "o", bare, kind="llama")
    with pytest.raises(UserError, match="opens a text otherwise"):
        match(teacher, other, "same")
    assert match(teacher, other, "same", Asked(start="none"))[1]["start_tokens"] == []


def test_files_of_the_old_kind_are_read_with_their_real_end_token(tmp_path):
    """vocab.json, merges.txt and a map of special tokens, as older hub models have them."""
    tokens = ["<s>", "<pad>", "</s>", *BYTES, "ab"]
    (tmp_path / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b\n")
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<|UNKNOWN|>"}
    (tmp_path / "special_tokens_map.json").write_text(json.dumps(names))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 1024}))
    made_model(byte_tokenizer(tokens)).save_pretrained(tmp_path)
    tokenizer = load_tokenizer(tmp_path)
    assert (tokenizer.bos_token_id, tokenizer.pad_token_id, tokenizer.eos_token_id) == (0, 1, 2)
    student = folder(tmp_path / "s", [*BYTES, "<|end|>"], end="<|end|>", pad=None)
    matched, report = match(tmp_path, student, "transfer")
    assert matched.rows == 260 and report["teacher"]["tokens_without_row"] == ["<|UNKNOWN|>"]
    assert report["end_token"] == "</s>" and not report["pad_is_end"]
