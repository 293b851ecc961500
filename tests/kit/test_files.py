"""Files are written whole or not at all."""

import gzip

import pytest

from codestill.kit.files import atomic, count_jsonl, read_json, read_jsonl, sha256, write_json, write_jsonl
from codestill.kit.program import UserError


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})
    with pytest.raises(RuntimeError), atomic(path) as handle:
        handle.write("{half")
        raise RuntimeError
    assert read_json(path) == {"old": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_jsonl_round_trip_plain_and_packed(tmp_path):
    rows = [{"text": "a\nb\u2028"}, {"text": "\ud83d"}]
    for name in ("a.jsonl", "a.jsonl.gz"):
        assert write_jsonl(tmp_path / name, iter(rows)) == 2
        assert list(read_jsonl(tmp_path / name)) == rows
    assert gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes()) == (tmp_path / "a.jsonl").read_bytes()


def test_packed_bytes_do_not_depend_on_name_or_time(tmp_path):
    write_jsonl(tmp_path / "a.gz", [{"x": 1}])
    write_jsonl(tmp_path / "b.gz", [{"x": 1}])
    assert sha256(tmp_path / "a.gz") == sha256(tmp_path / "b.gz")


def test_a_torn_line_is_named(tmp_path):
    path = tmp_path / "torn.jsonl"
    path.write_text('{"a": 1}\n{"a":')
    with pytest.raises(UserError, match=r"torn\.jsonl:2"):
        list(read_jsonl(path))


def test_a_missing_file_is_named(tmp_path):
    for read in (read_json, lambda path: list(read_jsonl(path))):
        with pytest.raises(UserError, match=r"none\.json: no such file"):
            read(tmp_path / "none.json")


def test_rows_are_counted_plain_and_packed_and_an_absent_or_torn_file_has_none(tmp_path):
    for name in ("a.jsonl", "a.jsonl.gz"):
        write_jsonl(tmp_path / name, [{"a": 1}, {"a": 2}])
        assert count_jsonl(tmp_path / name) == 2
    (tmp_path / "torn.gz").write_bytes((tmp_path / "a.jsonl.gz").read_bytes()[:-9])
    assert [count_jsonl(path) for path in (None, tmp_path / "none", tmp_path / "torn.gz")] == [0, 0, 0]
