"""The teacher cache: what it stores, what it costs, and every way in which it can be broken."""

import os
import shutil

import numpy as np
import pytest
import torch
from datasets import Dataset

import tiny_models as tiny
from codestill.data.batches import Examples, collate
from codestill.distill import teacher_cache, teacher_pass
from codestill.distill.objective import Objective
from codestill.distill.teacher import OnlineTeacher
from codestill.distill.trainer import student_forward
from codestill.kit.files import read_json
from codestill.kit.program import UserError
from codestill.models.heads import target_rows


@pytest.fixture(scope="module")
def teacher():
    return OnlineTeacher(tiny.model("codegen", width=32, tied=False), tiny.VOCABULARY)


@pytest.fixture
def examples():
    return Examples(Dataset.from_list(tiny.rows(17)), source="rows")


def build(folder, teacher, examples, **how):
    teacher_cache.build(folder, teacher, examples, "sha", batch_size=3, **how)
    return teacher_cache.CachedTeacher(folder, folder, tiny.VOCABULARY)


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_shuffled_rows_come_back_as_the_teacher_gave_them(tmp_path, teacher, examples, kind):
    cached = build(tmp_path / "c", teacher, examples, kind=kind, shard_bytes=2000)
    assert len(cached.manifest["shards"]) > 3
    batch = collate([examples[row] for row in (11, 0, 16, 5)])
    expected = teacher.hidden(batch)
    found = cached.hidden(batch)
    assert found.dtype == teacher_cache.KINDS[kind] and found.shape == expected.shape
    assert torch.allclose(found.float(), expected, rtol=2e-3 if kind == "float16" else 1e-2, atol=1e-3)
    assert torch.equal(cached.head_on("cpu").weight, teacher.head_on("cpu").weight)
    assert torch.equal(cached.head_on("cpu").bias, teacher.head_on("cpu").bias)


def test_in_half_precision_the_teachers_head_is_in_the_type_of_its_states(tmp_path, teacher, examples):
    cached = build(tmp_path / "c", teacher, examples)
    half = teacher_cache.CachedTeacher(tmp_path / "c", tmp_path / "c", tiny.VOCABULARY, torch.bfloat16)
    assert cached.head_on("cpu").weight.dtype == torch.float32 and half.head_on("cpu").weight.dtype == torch.float16
    states = half.hidden(collate([examples[3]]))
    assert torch.allclose(half.head.logits(states), cached.head.logits(states), rtol=0, atol=2e-2)


def test_loss_and_gradient_hardly_differ_from_the_online_teachers(tmp_path, teacher, examples):
    cached, student = build(tmp_path / "c", teacher, examples), tiny.model(seed=3)
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
    coarse = build(tmp_path / "b", teacher, examples, kind="bfloat16").manifest["kl_error"]
    assert 0 < fine["mean"] <= fine["largest"] < 1e-4
    assert coarse["mean"] > 5 * fine["mean"]
    assert fine["positions"] >= examples.all_targets()


def test_an_interrupted_pass_goes_on_after_its_last_shard(tmp_path, teacher, examples):
    whole = build(tmp_path / "whole", teacher, examples, shard_bytes=2000).manifest
    calls = []

    class Dying(OnlineTeacher):
        def hidden(self, batch, training=True):
            calls.extend(batch["example"].tolist())
            if 9 in calls and len(calls) < 16:
                raise KeyboardInterrupt
            return super().hidden(batch)

    dying = Dying(tiny.model("codegen", width=32, tied=False), tiny.VOCABULARY)
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "c", dying, examples, shard_bytes=2000)
    assert not teacher_cache.is_complete(tmp_path / "c", 1)
    done = len(list((tmp_path / "c").glob("states-*.json")))
    assert done > 0
    calls.clear()
    calls.extend([0] * 16)
    assert build(tmp_path / "c", dying, examples, shard_bytes=2000).manifest["shards"] == whole["shards"]
    assert 0 not in calls[16:22]


@pytest.mark.parametrize(
    ("damage", "said"), [("truncate", "bytes in place of"), ("flip", "checksum"), ("remove", "0 bytes")]
)
def test_a_broken_shard_is_an_error_that_names_it(tmp_path, teacher, examples, damage, said):
    build(tmp_path / "c", teacher, examples, shard_bytes=2000)
    victim = tmp_path / "c" / "states-00001.bin"
    data = bytearray(victim.read_bytes())
    data[100] ^= 1
    if damage == "remove":
        victim.unlink()
    else:
        victim.write_bytes(data if damage == "flip" else data[:-2])
    with pytest.raises(UserError, match=said) as error:
        teacher_cache.CachedTeacher(tmp_path / "c", tmp_path / "c", tiny.VOCABULARY)
    assert str(victim) in str(error.value) and "\n" not in str(error.value)


def test_no_room_is_an_error_before_the_pass(tmp_path, teacher, examples, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**6, 10**6 - 100, 100))
    monkeypatch.setattr(teacher, "hidden", lambda *_: pytest.fail("the pass began"))
    with pytest.raises(UserError, match="no room for a teacher cache"):
        build(tmp_path / "c", teacher, examples)
    assert not (tmp_path / "c").exists()


def test_a_quota_is_met_before_the_pass(tmp_path, teacher, examples, monkeypatch):
    def full(*_):
        raise OSError(122, "Disk quota exceeded")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(UserError, match="Disk quota exceeded"):
        build(tmp_path / "c", teacher, examples)


def test_states_that_do_not_fit_are_refused(tmp_path, examples):
    loud = tiny.model()
    with torch.no_grad():
        loud.transformer.ln_f.weight.mul_(1e6)
    teacher = OnlineTeacher(loud, tiny.VOCABULARY)
    with pytest.raises(UserError, match="--cache_dtype bfloat16"):
        build(tmp_path / "c", teacher, examples)


def test_the_estimate_is_the_size(tmp_path, teacher, examples):
    build(tmp_path / "c", teacher, examples)
    size = sum(path.stat().st_size for path in (tmp_path / "c").glob("*.bin"))
    assert size == teacher_cache.estimated_bytes(examples, 32)


def test_another_model_token_set_or_type_is_another_cache(tmp_path, examples):
    other = Examples(Dataset.from_list(tiny.rows(17, seed=9)))
    cut = Examples(Dataset.from_list(tiny.rows(17)), max_seq_length=9)
    keys = [("a", examples, "float16"), ("b", examples, "float16"), ("a", other, "float16"), ("a", cut, "float16")]
    keys.append(("a", examples, "bfloat16"))
    assert len({teacher_cache.cache_folder(tmp_path, *key) for key in keys}) == 5


def test_a_limited_run_reads_the_cache_of_the_whole_set(tmp_path, teacher, examples):
    limited = Examples(Dataset.from_list(tiny.rows(17)), limit=4)
    assert teacher_cache.cache_folder(tmp_path, "a", limited, "float16") == teacher_cache.cache_folder(
        tmp_path, "a", examples, "float16"
    )
    build(tmp_path / "c", teacher, limited)
    assert teacher_cache.is_complete(tmp_path / "c", 4) and not teacher_cache.is_complete(tmp_path / "c", 17)
    whole = build(tmp_path / "c", teacher, examples)
    assert whole.manifest["rows"] == 17 and read_json(tmp_path / "c/manifest.json")["rows"] == 17
    batch = collate([examples[16]])
    assert torch.allclose(whole.hidden(batch).float(), teacher.hidden(batch), rtol=2e-3, atol=1e-3)


class _Run:
    """What the choice of the pass looks at."""

    def __init__(self, tmp_path, examples, **options):
        import types

        tiny.model_folder(tmp_path / "teacher", width=32)
        values = {"teacher_cache": tmp_path / "cache", "work_dir": tmp_path, "cache_dtype": "float16"}
        values |= {"teacher_pass": "auto", "epochs": 3, "eval_batch_size": 4} | options
        self.options = types.SimpleNamespace(**values)
        self.job = types.SimpleNamespace(teacher_path=str(tmp_path / "teacher"))
        self.facts = {"teacher": "sha"}
        self.train_data = self.validation_data = examples


def test_auto_takes_the_cheaper_by_the_measured_speeds(tmp_path, examples, monkeypatch):
    plan = teacher_pass._Plan(_Run(tmp_path, examples), torch.device("cpu"))
    assert plan.bandwidth() > 1e6 and 0 < plan.second_per_token() < 1e-2
    monkeypatch.setattr(plan, "bandwidth", lambda: 1e9)
    assert plan.way()["pass"] == "online"
    monkeypatch.setattr(plan, "second_per_token", lambda: 1.0)
    assert plan.way()["pass"] == "cache"
    monkeypatch.setattr(plan, "complete", lambda: True)
    assert plan.way()["pass"] == "cache"
    monkeypatch.setattr(plan, "bandwidth", lambda: 1.0)
    assert plan.way()["pass"] == "online"


def test_scattered_reads_are_timed(tmp_path):
    (tmp_path / "data").write_bytes(np.zeros(2**20, np.uint8).tobytes())
    assert teacher_pass._read_speed(tmp_path / "data") > 1e6
