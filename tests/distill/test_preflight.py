"""What would ruin a training silently is stopped before it, with its reason; and curves are read rightly after it."""

import json
import types

import pytest
import torch
from datasets import Dataset

import tiny_models as tiny
from codestill.data.batches import Examples
from codestill.distill.diagnosis import diagnose
from codestill.distill.objective import Objective
from codestill.distill.preflight import preflight, problems, vocabulary_problems
from codestill.distill.teacher import OnlineTeacher
from codestill.kit.program import UserError
from codestill.models.heads import split


@pytest.fixture
def run(tmp_path):
    """A run that passes: the teacher was trained a little, so that it knows more than the student."""
    teacher, student = tiny.model(width=32, seed=1), tiny.model(seed=2)
    data = Examples(Dataset.from_list(tiny.rows(40)))
    optimizer = torch.optim.AdamW(teacher.parameters(), lr=0.02)
    from codestill.data.batches import batches
    from codestill.distill.objective import PLAIN
    from codestill.distill.trainer import student_forward

    for batch in batches(data, 8):
        student_forward(teacher, batch, 300, PLAIN, None, torch.float32)[0].backward()
        optimizer.step()
        optimizer.zero_grad()
    for name in ("teacher", "student"):
        (tmp_path / name).mkdir()
        tiny.tokenizer().save_pretrained(tmp_path / name)
    return types.SimpleNamespace(
        model=student,
        head=split(student)[1],
        teacher=OnlineTeacher(teacher, tiny.VOCABULARY),
        train_data=data,
        validation_data=data,
        device=torch.device("cpu"),
        dtype=torch.float32,
        options=types.SimpleNamespace(eval_batch_size=4, preflight="stop"),
        job=types.SimpleNamespace(
            teacher_path=str(tmp_path / "teacher"),
            tokenizer_path=str(tmp_path / "student"),
            objective=Objective(2.0, 0.5),
        ),
    )


def test_a_sound_run_passes(run):
    assert list(problems(run)) == []
    preflight(run)


def test_other_token_strings_stop_it(run, tmp_path):
    path = tmp_path / "teacher" / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    words = tokenizer["model"]["vocab"]
    words["w5"], words["w6"] = words["w6"], words["w5"]
    path.write_text(json.dumps(tokenizer))
    with pytest.raises(UserError, match=r"2 of 96 ids .* first id 5: 'w6' and 'w5'"):
        preflight(run)
    run.options.preflight = "warn"
    preflight(run)


def test_more_tokens_of_the_teacher_are_no_mismatch(tmp_path, run):
    more = tiny.tokenizer()
    more.add_tokens(["extra"])
    more.save_pretrained(tmp_path / "teacher")
    assert list(vocabulary_problems(tmp_path / "teacher", tmp_path / "student", 96)) == []


def test_a_missing_tokenizer_stops_it(run, tmp_path):
    for path in (tmp_path / "teacher").iterdir():
        path.unlink()
    with pytest.raises(UserError, match="no tokenizer beside"):
        preflight(run)


def test_an_end_token_that_is_never_a_target_stops_it(run):
    rows = tiny.rows(10)
    for row in rows:
        row["labels"] = [-100 if label == 0 else label for label in row["labels"]]
    run.train_data = Examples(Dataset.from_list(rows))
    with pytest.raises(UserError, match=r"end token '<end>' \(id 0\) is no target"):
        preflight(run)


def test_a_tokenizer_without_an_end_token_stops_it(run, tmp_path):
    path = tmp_path / "student" / "tokenizer_config.json"
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "eos_token"}))
    with pytest.raises(UserError, match="no end token"):
        preflight(run)


def test_ids_beyond_the_embeddings_stop_it(run):
    run.model = tiny.model(vocabulary=90)
    with pytest.raises(UserError, match="no row among the model's 90 embeddings"):
        preflight(run)


def test_ids_beyond_the_teachers_embeddings_stop_it(run):
    run.teacher = OnlineTeacher(tiny.model(vocabulary=90), 96)
    with pytest.raises(UserError, match="no row among the teacher's 90 embeddings"):
        preflight(run)


def test_a_tokenizer_larger_than_the_teachers_embedding_stops_it(run, tmp_path):
    """Although no token of the data is one of those without a row; a special token without one is harmless."""
    path = tmp_path / "teacher"
    more = tiny.tokenizer()
    more.add_special_tokens({"unk_token": "<|UNKNOWN|>"})
    more.save_pretrained(path)
    preflight(run)
    more.add_tokens(["extra"])
    more.save_pretrained(path)
    with pytest.raises(UserError, match=r"98 tokens and its embedding 96 rows: none for 'extra' \(id 97\)"):
        preflight(run)


@pytest.mark.parametrize("who", ["model", "teacher"])
def test_functions_beyond_the_positions_stop_it(run, who):
    (run.model if who == "model" else run.teacher.model).config.n_positions = 5
    with pytest.raises(UserError, match=rf"a function has \d+ tokens, but the {who} has 5 positions; cut them"):
        preflight(run)


def test_a_teacher_that_knows_no_more_than_the_student_stops_it(run):
    run.teacher = OnlineTeacher(tiny.model(width=32, seed=9), 96)
    with pytest.raises(UserError, match=r"not better than the untrained student's.*fine-tune the teacher first"):
        preflight(run)


@pytest.mark.parametrize("who", ["student", "teacher"])
def test_values_that_are_not_finite_stop_it(run, who):
    broken = run.model if who == "student" else run.teacher.model
    with torch.no_grad():
        broken.transformer.ln_f.bias[0] = float("nan")
    with pytest.raises(UserError, match=f"{who}'s CE .* nan"):
        preflight(run)


def curves(training, validation, steps=100):
    """A log_history of evenly spaced figures."""
    rows = [{"step": (i + 1) * steps // len(training), "loss_ce": ce} for i, ce in enumerate(training)]
    return rows + [{"step": (i + 1) * steps // len(validation), "eval_loss": ce} for i, ce in enumerate(validation)]


@pytest.mark.parametrize(
    ("training", "validation", "said"),
    [
        ([3.0, 2.5, 2.2, 2.0, 1.5, 1.0], [2.4, 2.0, 2.2], "overfitting: validation loss rose"),
        ([3.0, 2.5, 2.0, 1.8, 1.5, 1.2], [2.4, 2.01, 2.0], "overfitting begins"),
        ([4.0, 3.6, 3.2, 2.9, 2.6, 2.3], [3.5, 2.9, 2.4], "underfitting"),
        ([3.0, 2.6, 2.4, 2.3, 2.2, 2.1, 2.0, 1.95, 1.85, 1.8], [1.9], "underfitting"),
        ([3.0, 2.1, 2.02, 2.01, 2.0, 2.0], [2.1, 2.02, 2.01], "no sign"),
        ([6.02, 6.01, 6.0, 6.0], [6.0], "underfitting: the training hardly moved the loss from 6.02"),
        ([], [2.0], "too few figures"),
    ],
)
def test_the_curves_are_read(training, validation, said):
    text = diagnose(curves(training, validation), 100)
    assert text.startswith(said)
    assert "\n" not in text
