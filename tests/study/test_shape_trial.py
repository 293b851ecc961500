"""Shapes of models tried before any job: what no model can be is refused by its field, and each is asked once."""

import time
from pathlib import Path

import pytest
import yaml

from codestill.kit.program import UserError
from codestill.models.meta_trial import wrong_with
from codestill.study.config import load_study
from codestill.study.shape_trial import try_shapes

CONFIG = Path(__file__).resolve().parents[2] / "config"
GPT2 = {"model_type": "gpt2", "n_layer": 1, "n_embd": 32, "n_head": 2, "n_positions": 256}
LLAMA = {"model_type": "llama", "hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 1}


@pytest.mark.parametrize(
    ("shape", "field", "words"),
    [
        ({**GPT2, "n_layers_": 2}, "n_layers_", "did you mean 'n_layer'"),
        ({**GPT2, "n_layer": 0}, "n_layer", "from 1 on, not 0"),
        ({**GPT2, "n_embd": 30, "n_head": 4}, None, "divisible"),
        ({**GPT2, "n_positions": 64}, "n_positions", "64 positions are fewer than tokens.max_seq_length = 128"),
        ({"model_type": "gpt9"}, "model_type", "not one that transformers knows"),
        ({**GPT2, "n_embd": "wide"}, None, "n_embd"),
        ({**LLAMA, "num_key_value_heads": 3}, "num_key_value_heads", "do not divide"),
    ],
)
def test_a_shape_that_cannot_be_is_named_by_its_field(shape, field, words):
    where, message = wrong_with(shape, rows=400, tokens=128, base="student")
    assert where == (f"student.shape.{field}" if field else "student.shape")
    assert words in message and "\n" not in message


@pytest.mark.parametrize("shape", [GPT2, {**LLAMA, "num_key_value_heads": 2, "intermediate_size": 64}])
def test_a_shape_that_can_be_is_taken(shape):
    assert wrong_with(shape, rows=400, tokens=128, base="student") == []


def test_a_config_is_refused_and_the_answer_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("CODESTILL_CACHE", str(tmp_path))
    raw = yaml.safe_load((CONFIG / "demo.yaml").read_text())
    raw["teacher"]["shape"] = {**GPT2, "n_layer": 0}
    study = load_study(raw)
    for limit in (60, 0.5):  # torch is not imported twice
        began = time.monotonic()
        with pytest.raises(UserError, match=r"^config: teacher.shape.n_layer: must be a whole number from 1 on, not 0"):
            try_shapes(study, "config")
        assert time.monotonic() - began < limit
    for kept in (tmp_path / "shapes").glob("*.json"):
        kept.write_text("{")  # a torn answer is asked for again
    with pytest.raises(UserError, match="n_layer"):
        try_shapes(study, "config")
