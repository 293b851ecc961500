"""Rows of tokens: packed without leaks, ended by the real end token, every position and byte accounted for."""

import random

import numpy as np
import pytest
import torch

from codestill.data import packing, tokens
from codestill.data.encoding import TextEncoder
from codestill.data.text import function_text
from codestill.kit.program import UserError
from codestill.models.tokenizers import plain_ids
from made_models import SHAPES, byte_tokenizer, dataset_of, made_model, made_tokenizer, record


@pytest.fixture(scope="module")
def tokenizer():
    return made_tokenizer()


@pytest.fixture(scope="module")
def texts():
    return [function_text(record(number, "Größe 日本 </s> <pad>.")) for number in range(12)]


def dataset(tokenizer, texts, length, layout="packed"):
    functions = TextEncoder(tokenizer, length).encode(texts)
    columns = packing.columns_of(functions, packing.rows_of(functions.lengths, layout, length))
    return functions, columns, dataset_of(columns)


def pieces(row):
    """The functions of a row, [(ids, labels), ...], cut where position_ids start again."""
    starts = [place for place, position in enumerate(row["position_ids"]) if position == 0]
    ends = [*starts[1:], len(row["input_ids"])]
    return [(row["input_ids"][a:b], row["labels"][a:b]) for a, b in zip(starts, ends, strict=True)]


@pytest.mark.parametrize("layout", tokens.LAYOUTS)
def test_rows_decode_to_the_functions_and_end_tokens_are_targets(tokenizer, texts, layout):
    _, _, rows = dataset(tokenizer, texts, 400, layout)
    found = []
    for row in rows:
        assert len(row["input_ids"]) <= 400
        for ids, labels in pieces(row):
            assert labels == [tokens.IGNORE, *ids[1:]]
            assert ids.count(tokenizer.eos_token_id) == 1 and labels[-1] == tokenizer.eos_token_id
            found.append(tokenizer.decode(ids[:-1]))
            assert plain_ids(tokenizer, [found[-1]])[0] == ids[:-1]
        assert layout == "packed" or len(pieces(row)) == 1
    assert sorted(found) == sorted(texts)
    assert layout == "padded" or len(rows) < len(texts)


@pytest.mark.parametrize("length", [1000, 60, 7])
def test_accounts_agree_with_an_independent_count(tokenizer, texts, length):
    functions, columns, rows = dataset(tokenizer, texts, length)
    facts = packing.account(functions, columns, tokenizer.eos_token_id, length)
    kept = [ids for row in rows for ids, _ in pieces(row)]
    # In this alphabet a character of a token's string is a byte.
    strings = [tokenizer.convert_ids_to_tokens(ids) for ids in kept]
    size = sum(len(token) for row in strings for token in row[1:] if token != "</s>")
    assert abs(facts["bytes"] - size) <= 3 * facts["truncated"]
    assert facts["truncated"] or facts["bytes"] == size
    assert facts["bytes"] == sum(rows["bytes"])
    assert facts["text_bytes"] == sum(len(text.encode()) for text in texts)
    assert facts["targets"] == sum(len(ids) - 1 for ids in kept) == facts["tokens"] - len(texts)
    assert facts["end_tokens"] == sum(ids[-1] == tokenizer.eos_token_id for ids in kept)
    assert facts["truncated"] == sum(len(ids) + 1 > length for ids in plain_ids(tokenizer, texts))
    assert facts["cut_tokens"] + facts["tokens"] == sum(len(ids) + 1 for ids in plain_ids(tokenizer, texts))
    assert facts["positions"] == len(rows) * length == facts["tokens"] + facts["padding"]
    assert facts["functions"] == len(texts)


def test_accounts_that_do_not_balance_are_refused(tokenizer, texts):
    functions, columns, _ = dataset(tokenizer, texts, 400)
    columns["labels"][5] = tokens.IGNORE
    with pytest.raises(AssertionError, match="do not balance"):
        packing.account(functions, columns, tokenizer.eos_token_id, 400)


def test_a_function_that_just_fits_keeps_its_end_token(tokenizer, texts):
    exact = len(plain_ids(tokenizer, texts[:1])[0]) + 1
    assert TextEncoder(tokenizer, exact).encode(texts[:1]).ids[-1] == tokenizer.eos_token_id
    assert TextEncoder(tokenizer, exact - 1).encode(texts[:1]).ids[-1] != tokenizer.eos_token_id


def test_first_fit_is_the_plain_algorithm():
    draw = random.Random(0)
    for count, capacity in ((0, 5), (1, 5), (7, 10), (200, 64), (333, 100)):
        lengths = [draw.randint(1, capacity) for _ in range(count)]
        room, expected = [], []
        for length in lengths:
            row = next((index for index, free in enumerate(room) if free >= length), len(room))
            if row == len(room):
                room.append(capacity)
            room[row] -= length
            expected.append(row)
        assert packing.first_fit(lengths, capacity) == expected


def token_losses(model, row):
    """{(function's ids so far): loss of the next token} of a batch, summed over its functions, float64."""
    with torch.no_grad():
        logits = model(input_ids=row["input_ids"], position_ids=row["position_ids"], use_cache=False).logits.double()
    losses = torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), row["labels"][:, 1:].flatten(), ignore_index=tokens.IGNORE, reduction="none"
    )
    return losses[row["labels"][:, 1:].flatten() != tokens.IGNORE]


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_packed_functions_have_the_losses_that_they_have_alone(tokenizer, texts, kind, attention):
    model = made_model(tokenizer, kind)
    if attention == "sdpa" and not model._supports_sdpa:
        pytest.skip(f"{kind} has no SDPA in transformers")
    model.set_attn_implementation(attention)
    with torch.no_grad():  # weights large enough for a leak to show
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    _, _, packed = dataset(tokenizer, texts, 120)
    assert max(len(pieces(row)) for row in packed) > 1
    order = [ids for row in packed for ids, _ in pieces(row)]
    alone = torch.cat([token_losses(model, tokens.collate([row])) for row in map(function_row, order)])
    together = token_losses(model, tokens.collate(list(packed)))
    torch.testing.assert_close(together, alone, rtol=0, atol=2e-5)
    # The same rows with positions that run on do leak: the check above can fail.
    batch = tokens.collate(list(packed))
    batch["position_ids"] = torch.arange(batch["input_ids"].shape[1]).expand_as(batch["input_ids"])
    assert (token_losses(model, batch) - alone).abs().max() > 1e-3


def function_row(ids):
    return {"input_ids": ids, "position_ids": list(range(len(ids))), "labels": [tokens.IGNORE, *ids[1:]]}


def test_collate_fills_to_the_longest_row():
    batch = tokens.collate([function_row([3, 4, 5]), function_row(np.array([6, 7]).tolist())])
    assert batch["input_ids"].tolist() == [[3, 4, 5], [6, 7, 0]]
    assert batch["position_ids"].tolist() == [[0, 1, 2], [0, 1, 0]]
    assert batch["labels"].tolist() == [[-100, 4, 5], [-100, 7, -100]]
    assert {value.dtype for value in batch.values()} == {torch.int64}


def test_load_tokens_gives_rows_back_or_says_what_is_wrong(tokenizer, texts, tmp_path):
    _, _, rows = dataset(tokenizer, texts, 100)
    rows.save_to_disk(str(tmp_path / "train"))
    assert tokens.load_tokens(tmp_path / "train")[:] == rows[:]
    assert tokens.load_tokens(tmp_path / "train", 2)[:] == rows[:2]
    assert len(tokens.load_tokens(tmp_path / "train", 10**6)) == len(rows)
    with pytest.raises(UserError, match="no tokens there"):
        tokens.load_tokens(tmp_path / "nothing")
    with pytest.raises(UserError, match="at least 1"):
        tokens.load_tokens(tmp_path / "train", 0)
    rows.remove_columns("bytes").save_to_disk(str(tmp_path / "less"))
    with pytest.raises(UserError, match="column 'bytes' is missing"):
        tokens.load_tokens(tmp_path / "less")
    arrow = tmp_path / "train" / "data-00000-of-00001.arrow"
    arrow.write_bytes(arrow.read_bytes()[:100])
    with pytest.raises(UserError, match="cannot be read"):
        tokens.load_tokens(tmp_path / "train")


@pytest.mark.parametrize("count", [1, 2])
def test_the_start_tokens_that_the_tokenizer_puts_first_lead_and_are_no_targets(texts, count):
    from tokenizers.processors import TemplateProcessing

    from codestill.models.tokenizers import start_ids, without_start
    from made_models import alphabet

    adding = byte_tokenizer([*alphabet(), "</s>", "<pad>", "<s>", "<t>"], bos_token="<s>", unk_token="<t>")
    single = " ".join([*("<s>", "<t>")[:count], "$A"])
    adding.backend_tokenizer.post_processor = TemplateProcessing(
        single=single, special_tokens=[("<s>", 258), ("<t>", 259)]
    )
    start = adding(texts[0]).input_ids[:count]
    assert start == [258, 259][:count] == start_ids(adding)
    functions, columns, rows = dataset(adding, texts, 300)
    seen = [piece for row in rows for piece in pieces(row)]
    for ids, labels in seen:
        assert ids[:count] == start and labels[:count] == [tokens.IGNORE] * count and labels[count:] == ids[count:]
    facts = packing.account(functions, columns, 256, 300)
    assert facts["first_token_bytes"] == 0 and facts["first_tokens"] == count * len(texts)
    # One byte is one token here: targets are bytes, and the end tokens of what is whole.
    assert facts["bytes"] == facts["targets"] - facts["end_tokens"]
    bare = TextEncoder(without_start(adding), 300).encode(texts)
    assert not {258, 259} & set(bare.ids.tolist()) and start_ids(without_start(adding)) == []


def test_a_text_that_its_tokens_do_not_give_back_is_counted(texts):
    from tokenizers import normalizers

    from made_models import alphabet

    changing = byte_tokenizer([*alphabet(), "</s>", "<pad>"])
    assert TextEncoder(changing, 300).encode(texts).unspelt.sum() == 0
    changing.backend_tokenizer.normalizer = normalizers.NFC()
    assert TextEncoder(changing, 300).encode(["x = 'e\u0301'", *texts]).unspelt.tolist() == [
        True,
        *[False] * len(texts),
    ]
