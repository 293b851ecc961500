"""A tiny model and a benchmark for the sampler."""

import pytest

from small_models import make_benchmark, make_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("gpt2"))


@pytest.fixture
def benchmark(tmp_path):
    return make_benchmark(tmp_path / "bench.jsonl")
