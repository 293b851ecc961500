"""The teacher cache: what it stores, what it costs, and every way in which it can be broken."""

import os
import shutil

import pytest
import torch
from datasets import Dataset

import tiny_models as tiny
from codestill.data.batches import Examples, collate
from codestill.distill import teacher_cache
from codestill.distill.objective import Objective
from codestill.distill.teacher import STATE_TYPES, OnlineTeacher
from codestill.distill.trainer import student_forward
from codestill.kit.files import sha256
from codestill.kit.program import UserError
from codestill.models.heads import target_rows
from codestill.study.teacher_states import STATES_FILES


@pytest.fixture(scope="module")
def teacher():
    return OnlineTeacher(tiny.model("codegen", width=32, tied=False), tiny.VOCABULARY)


@pytest.fixture
def examples():
    return Examples(Dataset.from_list(tiny.rows(17)), source="rows")


def data_of(examples, validation=None):
    return {"train": examples, "validation": validation or Examples(Dataset.from_list(tiny.rows(5, seed=8)))}


def build(folder, teacher, examples, data=None, **how):
    data = data or data_of(examples)
    teacher_cache.store_states(folder, f"{folder}.work", teacher, data, "sha", batch_size=3, **how)
    return teacher_cache.CachedTeacher(folder, data, tiny.VOCABULARY)


@pytest.mark.parametrize(("dtype", "near"), [("float16", 2e-3), ("bfloat16", 1e-2), ("float32", 1e-6)])
def test_shuffled_rows_come_back_as_the_teacher_gave_them(tmp_path, teacher, examples, dtype, near):
    data = data_of(examples)
    cached = build(tmp_path / "c", teacher, examples, data, dtype=dtype)
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == sorted(STATES_FILES)
    assert not list((tmp_path / "c.work").iterdir())
    for split, rows in (("train", (11, 0, 16, 5)), ("validation", (4, 0))):
        batch = collate([data[split][row] for row in rows])
        expected = teacher.hidden(batch)
        found = cached.hidden(batch, training=split == "train")
        assert found.dtype == STATE_TYPES[dtype] and found.shape == expected.shape
        assert torch.allclose(found.float(), expected, rtol=near, atol=min(near, 1e-3))
    assert torch.equal(cached.head_on("cpu").weight, teacher.head_on("cpu").weight)
    assert torch.equal(cached.head_on("cpu").bias, teacher.head_on("cpu").bias)


def test_a_teacher_that_is_run_rounds_its_states_as_one_that_is_stored(tmp_path, teacher, examples):
    cached = build(tmp_path / "c", teacher, examples)
    batch = collate([examples[row] for row in (0, 1, 2)])  # in the company in which they were stored
    online = OnlineTeacher(teacher.model, tiny.VOCABULARY, states="float16")
    assert torch.equal(online.hidden(batch), cached.hidden(batch))


def test_fewer_rows_and_shorter_ones_read_a_prefix(tmp_path, teacher, examples):
    build(tmp_path / "c", teacher, examples)
    part = Examples(Dataset.from_list(tiny.rows(17)), max_seq_length=9, limit=6)
    data = data_of(part)
    assert teacher_cache.fault(tmp_path / "c", data, "sha", "float16") is None
    cached = teacher_cache.CachedTeacher(tmp_path / "c", data, tiny.VOCABULARY)
    batch = collate([part[row] for row in (5, 2)])
    assert batch["input_ids"].shape[1] == 9
    assert torch.allclose(cached.hidden(batch).float(), teacher.hidden(batch), rtol=2e-3, atol=1e-3)


def test_in_half_precision_the_teachers_head_is_in_the_type_of_its_states(tmp_path, teacher, examples):
    cached = build(tmp_path / "c", teacher, examples)
    half = teacher_cache.CachedTeacher(tmp_path / "c", data_of(examples), tiny.VOCABULARY, torch.bfloat16)
    assert cached.head_on("cpu").weight.dtype == torch.float32 and half.head_on("cpu").weight.dtype == torch.float16
    states = half.hidden(collate([examples[3]]))
    assert torch.allclose(half.head.logits(states), cached.head.logits(states), rtol=0, atol=2e-2)


def test_loss_and_gradient_hardly_differ_from_the_online_teachers(tmp_path, teacher, examples):
    # The student stands in evaluation mode, and so the states of the validation split are read.
    cached, student = build(tmp_path / "c", teacher, examples, data_of(examples, examples)), tiny.model(seed=3)
    batch = collate([examples[row] for row in (3, 1)])
    count = int(target_rows(batch["labels"]).sum())
    found = []
    for one in (teacher, cached):
        student.zero_grad()
        loss = student_forward(student, batch, count, Objective(2.0, 0.2), one, torch.float32)[0]
        loss.backward()
        found.append((loss.item(), student.transformer.wte.weight.grad.clone()))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-3)
    assert ((found[0][1] - found[1][1]).norm() / found[0][1].norm()).item() < 5e-3


def test_the_error_of_the_storage_type_is_measured(tmp_path, teacher, examples):
    fine = build(tmp_path / "a", teacher, examples).manifest["kl_error"]
    coarse = build(tmp_path / "b", teacher, examples, dtype="bfloat16").manifest["kl_error"]
    assert 0 < fine["mean"] <= fine["largest"] < 1e-4
    assert coarse["mean"] > 5 * fine["mean"]
    assert fine["positions"] >= examples.all_targets()


class Dying(OnlineTeacher):
    """A teacher whose process ends at the row `last`; `seen` are the rows that it was run on."""

    seen, last = (), None

    def hidden(self, batch, training=True):
        self.seen = (*self.seen, *batch["example"].tolist())
        if self.last in self.seen:
            raise KeyboardInterrupt
        return super().hidden(batch)


def test_an_interrupted_pass_goes_on_and_stores_the_same(tmp_path, teacher, examples):
    whole = build(tmp_path / "whole", teacher, examples).manifest
    dying = Dying(teacher.model, tiny.VOCABULARY)
    dying.last = 9
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "c", dying, examples, every=0)
    assert not (tmp_path / "c").exists()
    dying.seen, dying.last = (), None
    assert build(tmp_path / "c", dying, examples).manifest == whole
    assert dying.seen[:3] == (9, 10, 11)
    assert (
        sha256(tmp_path / "c/train.bin") == sha256(tmp_path / "whole/train.bin") == whole["splits"]["train"]["sha256"]
    )


@pytest.mark.parametrize("other", [{"batch_size": 4}, {"dtype": "bfloat16"}, {"model_sha": "other"}])
def test_what_another_pass_left_is_not_gone_on_with(tmp_path, teacher, examples, other):
    dying = Dying(teacher.model, tiny.VOCABULARY)
    dying.last = 9
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "c", dying, examples, every=0)
    dying.seen, dying.last = (), None
    how = {"model_sha": "sha", "batch_size": 3} | other
    teacher_cache.store_states(tmp_path / "c", tmp_path / "c.work", dying, data_of(examples), **how)
    assert dying.seen[0] == 0


@pytest.mark.parametrize(
    ("damage", "said"), [("truncate", "bytes in place of"), ("flip", "checksum"), ("remove", "0 bytes")]
)
def test_broken_states_are_an_error_that_names_the_file(tmp_path, teacher, examples, damage, said):
    build(tmp_path / "c", teacher, examples)
    victim = tmp_path / "c/train.bin"
    data = bytearray(victim.read_bytes())
    data[100] ^= 1
    if damage == "remove":
        victim.unlink()
    else:
        victim.write_bytes(data if damage == "flip" else data[:-2])
    with pytest.raises(UserError, match=said) as error:
        teacher_cache.CachedTeacher(tmp_path / "c", data_of(examples), tiny.VOCABULARY)
    assert str(victim) in str(error.value) and "\n" not in str(error.value)


def test_no_room_is_an_error_before_the_pass(tmp_path, teacher, examples, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**6, 10**6 - 100, 100))
    monkeypatch.setattr(teacher, "hidden", lambda *_: pytest.fail("the pass began"))
    with pytest.raises(UserError, match=r"no room for 0\.00 GiB of the teacher's states"):
        build(tmp_path / "c", teacher, examples)
    assert not list((tmp_path / "c.work").iterdir())


def test_a_quota_is_met_before_the_pass(tmp_path, teacher, examples, monkeypatch):
    def full(*_):
        raise OSError(122, "Disk quota exceeded")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(UserError, match="Disk quota exceeded"):
        build(tmp_path / "c", teacher, examples)


def test_states_that_do_not_fit_are_refused_stored_or_not(tmp_path, examples):
    loud = tiny.model()
    with torch.no_grad():
        loud.transformer.ln_f.weight.mul_(1e6)
    with pytest.raises(UserError, match="--cache_dtype"):
        build(tmp_path / "c", OnlineTeacher(loud, tiny.VOCABULARY), examples)
    with pytest.raises(UserError, match="--cache_dtype"):
        OnlineTeacher(loud, tiny.VOCABULARY, states="float16").hidden(collate([examples[0]]))


def test_states_of_something_else_are_a_fault_in_words(tmp_path, teacher):
    part = Examples(Dataset.from_list(tiny.rows(17)), max_seq_length=20, limit=9)
    build(tmp_path / "c", teacher, part, data_of(part))
    faults = {
        "no states there": teacher_cache.fault(tmp_path, data_of(part), "sha", "float16"),
        "another teacher": teacher_cache.fault(tmp_path / "c", data_of(part), "b", "float16"),
        "states in float16, where bfloat16": teacher_cache.fault(tmp_path / "c", data_of(part), "sha", "bfloat16"),
    }
    how = {
        "other tokens": {"dataset": Dataset.from_list(tiny.rows(17, seed=9)), "max_seq_length": 20, "limit": 9},
        "rows cut at 20": {"dataset": Dataset.from_list(tiny.rows(17)), "max_seq_length": 21, "limit": 9},
        "states of 9 rows": {"dataset": Dataset.from_list(tiny.rows(17)), "max_seq_length": 20},
    }
    how["cut at 20 tokens"] = how["rows cut at 20"] | {"max_seq_length": None}
    for said, one in how.items():
        faults[said] = teacher_cache.fault(tmp_path / "c", data_of(Examples(**one)), "sha", "float16")
    assert all(said in (found or "") for said, found in faults.items()), faults
    validation = data_of(part, Examples(Dataset.from_list(tiny.rows(5, seed=7))))
    assert "other tokens" in teacher_cache.fault(tmp_path / "c", validation, "sha", "float16")
