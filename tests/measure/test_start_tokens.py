"""A start token that the tokenizer puts first leads in the audit, in prompts and in what language measures read."""

import math

import numpy as np
import pytest
import torch

import made_tokenizers
from codestill.data import packing
from codestill.data.batches import Examples
from codestill.data.encoding import TextEncoder
from codestill.measure.audit import bits_per_byte
from codestill.measure.bits_per_byte import measure
from codestill.measure.function_parts import FunctionParts
from codestill.models.token_bytes import text_pieces
from codestill.models.tokenizers import plain_ids, without_start
from codestill.sampling.prompts import read_tasks
from codestill.sampling.settings import Settings
from made_models import dataset_of, made_model

TEXTS = [text.strip("\n") for text in made_tokenizers.TEXTS[:4]]


@pytest.fixture(scope="module")
def tokenizer():
    return made_tokenizers.sentencepiece()


@pytest.fixture(scope="module")
def model(tokenizer):
    return made_model(tokenizer, "llama", max_position_embeddings=512)


def nats(model, ids):
    """The model's own summed loss of all tokens but the first."""
    ids = torch.tensor([ids])
    with torch.no_grad():
        return model(input_ids=ids, labels=ids, use_cache=False).loss.item() * (ids.shape[1] - 1)


@pytest.mark.parametrize("led", [True, False])
def test_the_audit_counts_the_first_token_behind_a_start_token_only(tokenizer, model, led):
    used = tokenizer if led else without_start(tokenizer)
    ids = plain_ids(used, TEXTS)
    first = [0 if led else len(text[: used(text).token_to_chars(0).end].encode()) for text in TEXTS]
    expected = sum(nats(model, [1] * led + one) for one in ids) / math.log(2)
    size = sum(len(text.encode()) - cut for text, cut in zip(TEXTS, first, strict=True))
    found, counted = bits_per_byte(model, used, TEXTS, 512, torch.device("cpu"), batch_size=3)
    assert counted == size and found == pytest.approx(expected / size, rel=1e-5)


def test_rows_and_measures_agree_with_the_model(tokenizer, model):
    functions = TextEncoder(tokenizer, 400).encode(TEXTS)
    columns = packing.columns_of(functions, packing.rows_of(functions.lengths, "packed", 400))
    data = Examples(dataset_of(columns), source="rows")
    size = int(columns["bytes"].sum())
    assert size == sum(len(text.encode()) for text in TEXTS)
    parts = FunctionParts(data, text_pieces(tokenizer, len(tokenizer)), size)
    found = measure(model, data, parts, np.zeros(len(tokenizer), bool), np.ones(len(tokenizer), bool))
    ids = [[1, *one, tokenizer.eos_token_id] for one in plain_ids(tokenizer, TEXTS)]
    assert found["tokens"] == sum(len(one) - 1 for one in ids) and found["lines"] == len(TEXTS)
    assert found["ce"] * found["tokens"] == pytest.approx(sum(nats(model, one) for one in ids), rel=1e-5)


def test_prompts_open_with_it_and_have_one_token_less_room(tokenizer):
    rows = [{"task_id": "a", "prompt": "def f(x):\n"}]
    (task,) = read_tasks(rows, tokenizer, 20, Settings(max_new_tokens=100), "here")
    (bare,) = read_tasks(rows, without_start(tokenizer), 20, Settings(max_new_tokens=100), "here")
    assert task.ids == [1, *bare.ids] and task.room == bare.room - 1 == 20 - len(task.ids)
