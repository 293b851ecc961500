"""scripts/match_vocabulary.py as a user runs it."""

import json

from codestill.kit.files import read_json, sha256
from codestill.models.loading import load_model
from codestill.models.tokenizers import PROBE, load_tokenizer, plain_ids
from made_models import alphabet, byte_tokenizer, made_tokenizer, model_folder, run_script

FILES = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


def command(teacher, student, policy, output, *more):
    where = ("--output", output, "--report", output.parent / "report" / f"{output.name}.json")
    return run_script("match_vocabulary", "--teacher", teacher, "--student", student, "--policy", policy, *where, *more)


def test_transfer_writes_a_whole_model_that_loads_with_the_teachers_tokenizer(tmp_path):
    tokenizer = made_tokenizer()
    teacher = model_folder(tmp_path / "teacher", tokenizer)
    # The student's architecture would have transformers pick a tokenizer class of its own.
    other = byte_tokenizer([*alphabet(), "<|end|>"], end="<|end|>", pad=None)
    student = model_folder(tmp_path / "student", other, kind="qwen2")
    for name in ("one", "two"):
        done = command(teacher, student, "transfer", tmp_path / name)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == sorted(FILES)
    assert [sha256(tmp_path / "one" / name) for name in FILES] == [sha256(tmp_path / "two" / name) for name in FILES]
    matched, again = load_model(tmp_path / "one"), load_tokenizer(tmp_path / "one")
    assert plain_ids(again, [PROBE]) == plain_ids(tokenizer, [PROBE])
    assert matched.get_input_embeddings().weight.shape[0] == matched.config.vocab_size == len(tokenizer)
    assert matched.get_output_embeddings().weight is matched.get_input_embeddings().weight
    assert matched.config.eos_token_id == matched.generation_config.eos_token_id == tokenizer.eos_token_id
    assert matched.config.pad_token_id == tokenizer.pad_token_id
    report = read_json(tmp_path / "report" / "one.json")
    assert report["policy"] == "transfer" and sum(report["counts"].values()) == len(tokenizer)
    # What was written shares the teacher's vocabulary in the strictest sense.
    assert command(teacher, tmp_path / "one", "same", tmp_path / "checked").returncode == 0


def test_a_mismatch_ends_in_one_line_and_writes_nothing(tmp_path):
    teacher = model_folder(tmp_path / "teacher", made_tokenizer())
    student = model_folder(tmp_path / "student", made_tokenizer(["other words, other merges"] * 5))
    done = command(teacher, student, "same", tmp_path / "out")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "policy transfer" in done.stderr and not (tmp_path / "out").exists()
    done = command(teacher, student, "keep", tmp_path / "out")
    assert done.returncode == 2 and "invalid choice: 'keep'" in done.stderr
    done = command(teacher, tmp_path / "nowhere", "same", tmp_path / "out")
    assert done.returncode == 2 and "no such folder" in done.stderr


def test_a_student_without_a_pad_token_is_filled_with_its_end_token_and_it_is_said(tmp_path):
    tokens = [*alphabet(), "<|end|>"]
    teacher = model_folder(tmp_path / "teacher", byte_tokenizer([*tokens, "<pad>"], end="<|end|>"))
    student = model_folder(tmp_path / "student", byte_tokenizer(tokens, end="<|end|>", pad=None))
    done = command(teacher, student, "shared", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "masked by position" in done.stdout
    assert read_json(tmp_path / "report" / "out.json")["pad_is_end"] is True
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["pad_token_id"] == config["eos_token_id"] == 256
