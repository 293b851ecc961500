"""Shares of a corpus by how its tokens' rows were made, and its length by several tokenizers."""

import numpy as np

from codestill.data.token_shares import lengths_by_tokenizer, shares_by_kind
from made_models import alphabet, byte_tokenizer


def test_shares_are_weighted_by_the_corpus(capsys):
    vocabulary = {"rows": 8, "ids": {"special": [0], "mean": [4, 5], "average": [6], "alike": [5]}}
    ids = np.array([0, 1, 2, 4, 4, 5, 5, 5, 5, 6])
    found = shares_by_kind(np.bincount(ids), vocabulary)
    assert {kind: round(share, 9) for kind, share in found.items()} == {
        "special": 0.1, "exact": 0.2, "mean": 0.6, "average": 0.1, "alike": 0.4,
    }  # fmt: skip
    assert "warning: few tokens" in capsys.readouterr().out
    assert shares_by_kind(np.bincount([1, 2, 3]), vocabulary)["exact"] == 1.0
    assert "warning" not in capsys.readouterr().out
    assert shares_by_kind(np.bincount(ids), {"rows": 8}) is None


def test_lengths_by_several_tokenizers(tmp_path):
    texts = ["a" * 300, "ab" * 300, "ab"]
    byte_tokenizer([*alphabet(), "</s>", "<pad>"]).save_pretrained(tmp_path / "bytes")
    byte_tokenizer([*alphabet(), "</s>", "<pad>", "ab"], merges=[("a", "b")]).save_pretrained(tmp_path / "pairs")
    found = lengths_by_tokenizer([tmp_path / "bytes", tmp_path / "pairs"], texts, 301)
    one, other = (found[str(tmp_path / name)] for name in ("bytes", "pairs"))
    assert one["tokens_per_function"] == (301 + 601 + 3) / 3
    assert other["tokens_per_function"] == (301 + 301 + 2) / 3
    assert one["above"] == {"256": 2 / 3, "512": 1 / 3, "1024": 0.0, "2048": 0.0}
    assert other["above"]["512"] == 0.0 and (one["cut"], other["cut"]) == (1 / 3, 0.0)
