"""A licence is what the source names, never what lies beside a file by chance."""

import pytest

from codestill.kit.licences import licence_named, licence_of


@pytest.mark.parametrize(
    "card, said",
    [
        ({"license": "mit"}, "mit"),
        ({"license": ["mit", "apache-2.0"]}, "mit, apache-2.0"),
        ({"license": "other", "license_name": "c-uda"}, "c-uda"),
        ({"license": "other"}, "other"),
        ({}, None),
        (None, None),
    ],
)
def test_a_card_names_it(card, said):
    assert licence_named(card) == said


def test_a_folder_names_it_in_its_card_or_its_licence_s_first_line(tmp_path):
    assert licence_of(tmp_path) is None and licence_of(tmp_path / "absent") is None
    (tmp_path / "LICENSE").write_text("\n  MIT License  \n\nCopyright\n")
    assert licence_of(tmp_path) == "MIT License"
    (tmp_path / "README.md").write_text("---\nlicense: bsd-3-clause\n---\n# Data\n")
    assert licence_of(tmp_path) == "bsd-3-clause"
    for odd in ("no metadata", "---\nlicense: [\n---\n", "---\njust text\n---\n", "---\nlicense: x"):
        (tmp_path / "README.md").write_text(odd)
        assert licence_of(tmp_path) == "MIT License"
    (tmp_path / "rows.jsonl").write_text("{}")
    assert licence_of(tmp_path / "rows.jsonl") is None  # the licence beside it may be another's
