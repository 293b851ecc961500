"""scripts/tokenize_corpus.py as a user runs it, on made functions and on the real ones where they are at hand."""

import ast
import gzip
import json

import pytest
from datasets import load_from_disk

from codestill.data.text import function_text
from codestill.kit.files import read_json, read_jsonl, sha256
from codestill.models.tokenizers import load_tokenizer
from made_models import made_tokenizer, model_folder, record, run_script, write_corpus
from shared_data import shared

SPLITS = ("train", "validation", "test")
FILES = ("data-00000-of-00001.arrow", "dataset_info.json", "state.json")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return model_folder(tmp_path_factory.mktemp("model"), made_tokenizer())


def tokenise(model, sources, output, *more):
    outputs = [output / split for split in SPLITS[: len(sources)]]
    accounting = output / "accounting.json"
    done = run_script(
        "tokenize_corpus",
        *("--tokenizer", model, "--inputs", *sources, "--outputs", *outputs, "--accounting", accounting, *more),
    )
    return done, outputs, accounting


def test_every_split_is_written_and_accounted_for_and_again_the_same(model, tmp_path):
    sources = [
        write_corpus(tmp_path / f"{split}.jsonl", count) for split, count in zip(SPLITS, (50, 9, 7), strict=True)
    ]
    with sources[1].open("a") as handle:
        handle.write(json.dumps({"code": "\n  \n", "docstring": ""}) + "\n")
    with sources[2].open("a") as handle:
        handle.write("\n" + json.dumps({"code": "b = '\ud83d'"}) + "\n")
    done, outputs, accounting = tokenise(model, sources, tmp_path / "one", "--max_seq_length", 90)
    assert (done.returncode, done.stderr) == (0, "")
    facts = read_json(accounting)
    assert (facts["layout"], facts["max_seq_length"], list(facts["splits"])) == ("packed", 90, list(SPLITS))
    assert facts["tokenizer"]["sha256"] == sha256(model / "tokenizer.json")
    assert facts["tokenizer"]["end_token"] == "</s>"
    assert [facts["splits"][split]["functions"] for split in SPLITS] == [50, 9, 7]
    assert [facts["splits"][split]["dropped"] for split in SPLITS] == [0, 1, 1]
    assert "test.jsonl: 1 records dropped that hold half a surrogate pair, the first in line 9" in done.stdout
    for split, output in zip(SPLITS, outputs, strict=True):
        assert sorted(path.name for path in output.iterdir()) == sorted(FILES)
        rows = load_from_disk(str(output))
        assert rows.column_names == ["input_ids", "position_ids", "labels", "bytes", "sources"]
        assert facts["splits"][split]["tokens"] == sum(map(len, rows["input_ids"]))
        assert facts["splits"][split]["bytes"] == sum(rows["bytes"])
    _, again, _ = tokenise(model, sources, tmp_path / "two", "--max_seq_length", 90)
    for one, two in zip(outputs, again, strict=True):
        assert [sha256(one / name) for name in FILES] == [sha256(two / name) for name in FILES]
    assert sha256(accounting) == sha256(tmp_path / "two" / "accounting.json")


def test_padded_rows_hold_one_function_each(model, tmp_path):
    source = write_corpus(tmp_path / "train.jsonl", 12)
    done, (output,), accounting = tokenise(model, [source], tmp_path, "--layout", "padded")
    assert done.returncode == 0, done.stderr
    tokenizer = load_tokenizer(model)
    texts = [tokenizer.decode(row["input_ids"][:-1]) for row in load_from_disk(str(output))]
    assert texts == [function_text(record(number)) for number in range(12)]
    assert read_json(accounting)["splits"]["train"]["rows"] == 12


@pytest.mark.parametrize(
    ("more", "content", "message"),
    [
        (("--max_seq_length", 1), None, "--max_seq_length: must be greater than or equal to 16, not 1"),
        (("--inputs", "a", "b"), None, "for 2 inputs"),
        ((), "", "no function in it"),
        ((), '{"docstring": "no code"}\n', '"code"'),
        ((), "not json\n", "train.jsonl:1: not a JSON line"),
    ],
)
def test_bad_input_ends_in_one_line(model, tmp_path, more, content, message):
    source = write_corpus(tmp_path / "train.jsonl", 3)
    if content is not None:
        source.write_text(content)
    done, (output,), accounting = tokenise(model, [source], tmp_path, *more)
    assert done.returncode == 2 and message in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1
    assert not output.exists() and not accounting.exists()


def test_a_token_without_an_embedding_row_is_found(model, tmp_path):
    folder = model_folder(tmp_path / "short", load_tokenizer(model), rows=300)
    done, (output,), _ = tokenise(folder, [write_corpus(tmp_path / "train.jsonl")], tmp_path / "out")
    assert done.returncode == 2 and '"vocab_size" is 300' in done.stderr and not output.exists()


@pytest.mark.filterwarnings("ignore:invalid escape")
def test_the_real_functions_go_through_and_come_back(tmp_path):
    """Real records: a tokenizer trained on them, every text decoded again from its row, every byte counted."""
    sources, records = [], {}
    for split, name in zip(SPLITS, ("train", "valid", "test"), strict=True):
        files = sorted(shared("codesearchnet").glob(f"python_{name}_*.jsonl.gz"))
        records[split] = [record for path in files for record in read_jsonl(path)]
        sources.append(tmp_path / f"{split}.jsonl.gz")
        with gzip.open(sources[-1], "wt") as handle:
            handle.writelines(json.dumps(record) + "\n" for record in records[split])
    texts = {split: [function_text(record) for record in rows] for split, rows in records.items()}
    model = model_folder(tmp_path / "model", made_tokenizer(texts["train"], 600))
    done, outputs, accounting = tokenise(model, sources, tmp_path / "tokens", "--max_seq_length", 2048)
    assert done.returncode == 0, done.stderr
    tokenizer, facts = load_tokenizer(model), read_json(accounting)["splits"]
    assert sum(facts[split]["functions"] for split in SPLITS) == 400
    for split, output in zip(SPLITS, outputs, strict=True):
        found = []
        for row in load_from_disk(str(output)):
            starts = [place for place, position in enumerate(row["position_ids"]) if position == 0]
            for start, end in zip(starts, [*starts[1:], len(row["input_ids"])], strict=True):
                ids = row["input_ids"][start:end]
                found.append((tokenizer.decode(ids[:-1]), ids[-1] == tokenizer.eos_token_id))
        whole = sorted(text for text, ended in found if ended)
        cut = [text for text, ended in found if not ended]
        assert len(cut) == facts[split]["truncated"] < 20
        assert set(whole) <= set(texts[split]) and len(whole) + len(cut) == len(texts[split])
        for text in cut:
            assert any(other.startswith(text.rstrip("\ufffd")) for other in texts[split])
        assert facts[split]["text_bytes"] == sum(len(text.encode()) for text in texts[split])
    for text in texts["validation"] + texts["test"]:  # the docstring once: at the head of the body
        (function,) = ast.parse(text).body
        assert ast.get_docstring(function)
        assert not any(isinstance(node, ast.Expr) and is_text(node.value) for node in function.body[1:2])


def is_text(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
