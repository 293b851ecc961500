"""Into how many jobs a model's samples are cut, from the config and local files alone."""

import gzip

import pytest

from codestill.study.config import Benchmark
from codestill.study.sampling_jobs import jobs_of, known_problems


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ({"kind": "humaneval"}, 164),
        ({"kind": "humaneval", "problems": 10}, 10),
        ({"kind": "pocket", "problems": 500}, 320),
        ({"kind": "file", "path": "plain.jsonl"}, 7),
        ({"kind": "file", "path": "packed.jsonl.gz"}, 7),
        ({"kind": "file", "path": "torn.jsonl.gz"}, 200),
        ({"kind": "file", "path": "absent.jsonl"}, 200),
        ({"kind": "mbpp", "path": "google.jsonl"}, 500),
        ({"kind": "mbpp", "path": "plain.jsonl"}, 7),
    ],
)
def test_problems_are_counted_without_what_a_run_brings(fields, problems, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain.jsonl").write_text("{}\n" * 7)
    (tmp_path / "google.jsonl").write_text("{}\n" * 974)
    (tmp_path / "packed.jsonl.gz").write_bytes(gzip.compress(b"{}\n" * 7))
    (tmp_path / "torn.jsonl.gz").write_bytes(gzip.compress(b"{}\n" * 7)[:-9])
    assert known_problems(Benchmark(**fields)) == problems


def test_jobs_hold_at_most_so_many_samples():
    benchmark = Benchmark(kind="humaneval", n=20)
    assert [jobs_of(benchmark, limit) for limit in (None, 5000, 3280, 3279, 1000, 1)] == [1, 1, 1, 2, 4, 3280]
