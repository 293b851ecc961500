"""What a training that runs alone makes of a file of functions: in its own process, a share held out."""

import json
import subprocess
from types import SimpleNamespace

import pytest

from codestill.distill.sources import locate, open_examples
from codestill.kit.files import read_json, read_jsonl
from codestill.kit.program import UserError
from made_models import made_tokenizer, model_folder, record


@pytest.fixture
def options(tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a program started another"))
    (tmp_path / "functions.jsonl").write_text("".join(json.dumps(record(number)) + "\n" for number in range(60)))
    values = {"train_data": str(tmp_path / "functions.jsonl"), "validation_data": None, "work_dir": tmp_path / "work"}
    values |= {"validation_fraction": 0.2, "seed": 42, "max_seq_length": 90}
    return SimpleNamespace(**values, max_train_samples=None, max_eval_samples=None)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return model_folder(tmp_path_factory.mktemp("model"), made_tokenizer())


def test_a_share_of_one_file_is_held_out(options, tokenizer):
    train, validation = open_examples(options, locate(options, tokenizer))
    kept = read_json(options.work_dir / "corpus/accounting.json")["kept"]
    accounts = read_json(options.work_dir / "tokens/accounting.json")["splits"]
    assert kept["train"] > kept["validation"] > 0 == kept["test"]
    assert {split: one["functions"] for split, one in accounts.items()} == {
        split: kept[split] for split in ("train", "validation")
    }
    assert (len(train), len(validation)) == (accounts["train"]["rows"], accounts["validation"]["rows"])
    splits = [{row["code"] for row in read_jsonl(options.work_dir / f"corpus/{one}.jsonl")} for one in accounts]
    assert not splits[0] & splits[1]


def test_two_files_are_taken_as_they_are(options, tokenizer, tmp_path):
    options.validation_data = str(tmp_path / "held.jsonl")
    (tmp_path / "held.jsonl").write_text(json.dumps(record(99)) + "\n")
    locate(options, tokenizer)
    accounts = read_json(options.work_dir / "tokens/accounting.json")["splits"]
    assert (accounts["train"]["functions"], accounts["validation"]["functions"]) == (60, 1)
    assert not (options.work_dir / "corpus").exists()


@pytest.mark.parametrize(("fraction", "said"), [(0.5, "must be above 0"), (1e-9, "none was held out")])
def test_a_share_that_holds_nothing_out_is_refused(options, tokenizer, fraction, said):
    options.validation_fraction = fraction
    with pytest.raises(UserError, match=said):
        locate(options, tokenizer)
