"""A licence is what the source names, never what lies beside a file by chance."""

import importlib.metadata
import sys

import pytest

from codestill.kit.licences import licence_named, licence_of, package_origin


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


@pytest.mark.parametrize("package, owner", [("yaml", "PyYAML"), ("jinja2", "Jinja2"), ("numpy", "numpy")])
def test_an_installed_package_names_its_own(package, owner):
    """Against the distribution's own METADATA, line by line."""
    lines = importlib.metadata.distribution(owner).read_text("METADATA").split("\n\n")[0].splitlines()
    version, licence = package_origin(package)
    assert f"Version: {version.removeprefix('v')}" in lines and licence
    stated = [line for line in lines if line.startswith(("License-Expression:", "Classifier: License ::", "License:"))]
    assert any(line.endswith(licence) for line in stated)


@pytest.mark.parametrize(
    "lines, said",
    [
        (["License-Expression: MIT OR Apache-2.0", "License: the text"], "MIT OR Apache-2.0"),
        (["Classifier: License :: OSI Approved", "License: UNKNOWN"], None),
        (["Classifier: License :: OSI Approved :: MIT License", "Classifier: License :: Public Domain"],
         "MIT License, Public Domain"),
        (["License: Apache License", "        of the year 2004" + " and so on" * 99], "Apache License"),
        (["Classifier: Topic :: Text"], None),
    ],
)  # fmt: skip
def test_a_package_s_licence_is_what_its_metadata_states(tmp_path, monkeypatch, lines, said):
    (tmp_path / "shipped").mkdir()
    (tmp_path / "shipped/__init__.py").touch()
    about = tmp_path / "shipped_things-1.5.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(
        "\n".join(["Metadata-Version: 2.4", "Name: shipped-things", "Version: 1.5", *lines, ""])
    )
    (about / "top_level.txt").write_text("shipped\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert package_origin("shipped") == ("v1.5", said)
    assert package_origin("absent_here") == (None, None)
