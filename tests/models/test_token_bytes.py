"""Whatever kind a tokenizer is of: its tokens' bytes are the text, what it writes is read back alike."""

import json
from functools import cache

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

import made_tokenizers as made
from codestill.kit.files import read_jsonl
from codestill.kit.program import UserError
from codestill.models.token_bytes import check_spelling, spells, text_pieces, token_bytes
from codestill.models.tokenizers import PROBE, load_tokenizer, plain_ids, save_tokenizer, start_ids, without_start
from codestill.sampling.stop_rules import GrowingText, StopRules
from made_models import made_model
from shared_data import shared

STARTS = {"codet5": ["<s>"], "sentencepiece": ["<s>"], "gemma_like": ["<s>"]}


@pytest.fixture(scope="module", params=made.KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def tokenizer(kind):
    return made.KINDS[kind]()


@cache
def real_functions():
    rows = [row for path in sorted(shared("codesearchnet").glob("*.jsonl.gz")) for row in read_jsonl(path)]
    return [row["code"] for row in rows]


def test_a_probe_is_its_tokens_bytes(tokenizer):
    table = token_bytes(tokenizer)
    for text in (PROBE, *made.TEXTS[:3], "    x = 12345\n\t\ty\n", "\u00e9 </s> <0x41>"):
        assert spells(table, plain_ids(tokenizer, [text])[0], text)
    check_spelling(tokenizer, "here")


def test_real_functions_come_back_byte_for_byte(tokenizer):
    texts = real_functions()
    table = token_bytes(tokenizer)
    assert len(texts) == 400
    assert sum(spells(table, ids, text) for text, ids in zip(texts, plain_ids(tokenizer, texts), strict=True)) == 400


def test_tokens_are_what_the_decoder_makes_of_them(tokenizer):
    """An independent reading: tokens decoded within a text, wherever they are whole characters."""
    backend, pieces = tokenizer.backend_tokenizer, text_pieces(tokenizer, len(tokenizer))
    anchor = plain_ids(tokenizer, ["x"])[0]
    before = backend.decode(anchor)
    compared = 0
    for index in list(range(0, len(pieces), max(1, len(pieces) // 500))) + list(range(len(pieces) - 40, len(pieces))):
        text = backend.decode([*anchor, index], skip_special_tokens=True)
        if "\ufffd" not in text:
            assert text.removeprefix(before).encode() == pieces[index], tokenizer.convert_ids_to_tokens(index)
            compared += 1
    assert compared > 200


def test_the_start_is_the_tokenizers_own(kind, tokenizer):
    assert tokenizer.convert_ids_to_tokens(start_ids(tokenizer)) == STARTS.get(kind, [])
    assert start_ids(without_start(tokenizer)) == []
    assert plain_ids(without_start(tokenizer), [PROBE]) == plain_ids(tokenizer, [PROBE])


def test_completions_keep_their_first_blank(tokenizer):
    """Decoding behind the prompt's last token is the reference; a completion alone may lose its blank."""
    rules = StopRules(tokenizer, ("\nclass",), len(tokenizer))
    prompt = plain_ids(tokenizer, ["def f(x):\n"])[0]
    for completion in ("    return x\n", " # a note", "\n\n  y", "return"):
        whole = "def f(x):\n" + completion
        ids = plain_ids(tokenizer, [whole])[0]
        shared_ids = next((n for n, (a, b) in enumerate(zip(ids, prompt, strict=False)) if a != b), len(prompt))
        text = GrowingText(rules)
        for token in ids[shared_ids:]:
            text.add(token)
        decode = tokenizer.backend_tokenizer.decode
        assert text.text() == decode(ids).removeprefix(decode(ids[:shared_ids])) and whole.endswith(text.text())


def test_a_written_tokenizer_gives_any_reader_the_same_ids(tokenizer, tmp_path):
    save_tokenizer(tokenizer, tmp_path)
    texts = [PROBE, *made.TEXTS[:3]]
    for again in (load_tokenizer(tmp_path), AutoTokenizer.from_pretrained(tmp_path)):
        assert plain_ids(again, texts) == plain_ids(tokenizer, texts)
        assert again("x = 1")["input_ids"] == tokenizer("x = 1")["input_ids"]


@pytest.mark.parametrize("family", ["GPT2Tokenizer", "CodeGenTokenizer", "GPTNeoXTokenizerFast", "Qwen2Tokenizer"])
def test_the_file_is_the_truth_where_transformers_rebuilds_another(family, tmp_path, capsys):
    own = made.single_digits()
    own.save_pretrained(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"tokenizer_class": family}))
    texts = ["x = 12345\n", *made.TEXTS]
    rebuilt = AutoTokenizer.from_pretrained(tmp_path)
    assert plain_ids(rebuilt, texts) != plain_ids(own, texts), "transformers has mended this: the check may go"
    found = load_tokenizer(tmp_path)
    assert plain_ids(found, texts) == plain_ids(own, texts)
    assert "the file is taken" in capsys.readouterr().out
    save_tokenizer(found, tmp_path / "written")
    made_model(found, "gpt2").save_pretrained(tmp_path / "written")
    assert plain_ids(AutoTokenizer.from_pretrained(tmp_path / "written"), texts) == plain_ids(own, texts)


@pytest.mark.parametrize("family", ["PreTrainedTokenizerFast", "GPT2Tokenizer"])
def test_a_text_has_one_reading_whatever_the_file_leaves_to_chance(family, tmp_path, capsys):
    own = made.single_digits()
    own.save_pretrained(tmp_path)
    path = tmp_path / "tokenizer.json"
    described = json.loads(path.read_text())
    described["model"]["dropout"] = 0.5
    path.write_text(json.dumps(described))
    path = tmp_path / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"tokenizer_class": family}))
    found = load_tokenizer(tmp_path)
    assert plain_ids(found, made.TEXTS) == plain_ids(own, made.TEXTS)
    assert "dropout 0.5" in capsys.readouterr().out
    save_tokenizer(found, tmp_path / "written")
    again = PreTrainedTokenizerFast.from_pretrained(tmp_path / "written")
    assert plain_ids(again, made.TEXTS) == plain_ids(own, made.TEXTS)


def test_a_tokenizer_that_loses_code_is_refused():
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"<end>": 0, "<unk>": 1}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    lossy = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<end>", unk_token="<unk>")
    with pytest.raises(UserError, match="does not give code back"):
        check_spelling(lossy, "here")
