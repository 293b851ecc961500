"""The limits of partitions, and requests that stop growing there."""

import math
from pathlib import Path

import pytest

from codestill.kit.program import UserError
from codestill.plan.estimates import Requests
from codestill.plan.partition_limits import VARIABLE, read_limits
from codestill.study.config import load_study
from codestill.study.grid import build_grid
from codestill.study.layout import Layout

SHIPPED = Path(__file__).parents[2] / "profiles/slurm/partitions.yaml"
SHAPE = {"model_type": "gpt2", "n_layer": 2, "n_embd": 32, "n_head": 2, "n_positions": 256}


@pytest.fixture(autouse=True)
def no_other_file(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


def write(path, text):
    path.write_text(text)
    return path


def test_the_largest_partition_of_each_kind_counts(tmp_path):
    file = write(
        tmp_path / "partitions.yaml",
        "partitions:\n  short: {max_runtime: 30, max_mem_mb: 4000}\n"
        "  long: {max_runtime: 2-12:30:00, max_mem_mb: 2000}\n"
        "  gpus: {max_gpu: 4, max_runtime: '04:00:00'}\n",
    )
    assert read_limits(file) == {"cpu": (2 * 1440 + 12 * 60 + 30, 4000), "gpu": (240, math.inf)}


def test_the_shipped_file_is_read_and_a_missing_one_sets_no_limit(tmp_path):
    assert read_limits(SHIPPED)["gpu"] == (1440, 256000)
    assert read_limits(tmp_path / "none.yaml")["cpu"] == (math.inf, math.inf)


def test_a_file_kept_elsewhere_takes_its_place(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(write(tmp_path / "own.yaml", "partitions: {all: {max_runtime: 7}}")))
    assert read_limits(SHIPPED)["cpu"] == (7, math.inf)


@pytest.mark.parametrize("text", ["partitions: [gpu]", "{}", "partitions: {gpu: {max_runtime: soon}}", "a: b: c"])
def test_a_file_that_is_none_is_named(tmp_path, text):
    with pytest.raises(UserError, match=r"own\.yaml: not a file of partitions"):
        read_limits(write(tmp_path / "own.yaml", text))


def test_requests_double_until_the_limit():
    study = load_study(
        {
            "study": "small",
            "teacher": {"shape": SHAPE},
            "student": {"shape": SHAPE},
            "corpus": {"sources": {"pocket": {"kind": "pocket"}}},
            "benchmarks": {"pocket": {"kind": "pocket"}},
        }
    )
    layout = Layout(study, build_grid(study, "small"))
    free = Requests(study, layout)
    bound = Requests(study, layout, {"gpu": (free.minutes("teach", {}) + 1, 3500), "cpu": (math.inf, math.inf)})
    assert [free.minutes("teach", {}, n) // free.minutes("teach", {}) for n in (1, 2, 3)] == [1, 2, 4]
    assert [bound.minutes("teach", {}, n) - free.minutes("teach", {}) for n in (1, 2, 3)] == [0, 1, 1]
    assert bound.megabytes("teach", {}, 3) == 3500
    assert bound.megabytes("prepare_corpus", {}, 2) == 2 * free.megabytes("prepare_corpus", {})
