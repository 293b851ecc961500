"""A shard has one name and one reader."""

import re

import pytest

from codestill.kit.program import UserError
from codestill.kit.shards import PATTERN, read_shard, shard_names


def test_names_and_what_people_write_are_read_alike():
    assert [read_shard(name) for name in shard_names(3)] == [(1, 3), (2, 3), (3, 3)]
    assert all(re.fullmatch(PATTERN, name) for name in shard_names(12))
    assert read_shard("2/4") == read_shard("2-of-4") == (2, 4)


@pytest.mark.parametrize("text", ["", "2", "0/4", "5/4", "1/x", "-1/4", "1-of-", "1/4/2"])
def test_what_is_no_shard_is_one_line(text):
    with pytest.raises(UserError, match="--shard"):
        read_shard(text)
