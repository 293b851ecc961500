"""Models in GGUF files, of a folder and of a Python package."""

import json
import sys

import pytest
import torch

from codestill.kit.program import UserError
from codestill.models.downloads import bring_model
from codestill.models.gguf import gguf_file, load_gguf, path_in_package
from codestill.models.loading import load_model
from codestill.models.tokenizers import load_tokenizer, plain_ids
from made_models import made_model, made_tokenizer


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """(folder of a GGUF file, the Llama in it, its tokenizer), written by the reference writer."""
    gguf = pytest.importorskip("gguf", reason="needs the optional package gguf (pip install -e '.[gguf]')")
    folder = tmp_path_factory.mktemp("gguf") / "shipped"
    folder.mkdir()
    tokenizer = made_tokenizer(vocab_size=300)
    model = made_model(tokenizer, "llama", num_key_value_heads=2, tie_word_embeddings=False)
    config = model.config
    writer = gguf.GGUFWriter(str(folder / "tiny.F32.gguf"), "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(tokenizer))
    tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if index in tokenizer.all_special_ids else 1 for index in range(len(tokens))])
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_bos_token_id(tokenizer.eos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, weight in model.state_dict().items():
        data = weight.float()
        if name.endswith(("q_proj.weight", "k_proj.weight")):  # the format turns rotary halves into neighbours
            data = data.reshape(config.num_attention_heads, 2, -1, data.shape[1]).swapaxes(1, 2).reshape(data.shape)
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight",)), data.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return folder, model, tokenizer


def test_a_gguf_folder_becomes_a_plain_model_folder(written, tmp_path):
    folder, model, tokenizer = written
    facts = bring_model(str(folder), None, tmp_path / "out")
    assert facts["parameters"] == sum(one.numel() for one in model.parameters()) and facts["origin_sha256"]
    again, read = load_model(tmp_path / "out"), load_tokenizer(tmp_path / "out")
    ids = plain_ids(tokenizer, ["def f(x):\n    return x + 12"])
    assert plain_ids(read, ["def f(x):\n    return x + 12"]) == ids and read.eos_token == tokenizer.eos_token
    with torch.no_grad():
        torch.testing.assert_close(
            again(torch.tensor(ids)).logits, model(torch.tensor(ids)).logits, rtol=1e-4, atol=1e-5
        )
    assert not hasattr(again.config, "quantization_config")


def test_a_file_within_a_package(written, tmp_path, monkeypatch):
    folder, *_ = written
    (folder / "__init__.py").write_text("raise SystemExit('a package is looked into and never run')")
    monkeypatch.setattr(sys, "path", [str(folder.parent), *sys.path])
    assert path_in_package("package:shipped/tiny.F32.gguf") == folder / "tiny.F32.gguf"
    about = folder.parent / "things-1.5.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Name: things\nVersion: 1.5\nLicense-Expression: Apache-2.0\n")
    (about / "top_level.txt").write_text("shipped\n")
    facts = bring_model("package:shipped/tiny.F32.gguf", None, tmp_path / "out")
    assert (facts["revision"], facts["license"]) == ("v1.5", "Apache-2.0")
    load_model(tmp_path / "out")
    with pytest.raises(UserError, match=r"shipped has no 'other\.gguf'; it has .*tiny\.F32\.gguf"):
        path_in_package("package:shipped/other.gguf")
    with pytest.raises(UserError, match="no package 'absent_here' is installed"):
        path_in_package("package:absent_here/x.gguf")


def test_what_is_no_gguf_file_or_one_of_several_is_told(tmp_path):
    pytest.importorskip("gguf", reason="needs the optional package gguf (pip install -e '.[gguf]')")
    (tmp_path / "a.gguf").write_bytes(b"<html>")
    with pytest.raises(UserError, match="not a GGUF file"):
        load_gguf(gguf_file(tmp_path))
    (tmp_path / "a.gguf").write_bytes(b"GGUF" + bytes(8))
    with pytest.raises(UserError, match="cannot be read as a model"):
        load_gguf(gguf_file(tmp_path))
    (tmp_path / "b.gguf").touch()
    with pytest.raises(UserError, match=r"2 GGUF files; name one of them \(a\.gguf"):
        gguf_file(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    assert gguf_file(tmp_path) is None
