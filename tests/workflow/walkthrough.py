"""docs/extending.md as a test follows it: its fenced blocks, by language."""

import re

import yaml
from running import ROOT

BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", (ROOT / "docs/extending.md").read_text(), re.M | re.S)


def blocks(language):
    """The texts of the blocks in one language, in the page's order."""
    return [text for found, text in BLOCKS if found == language]


def entries():
    """The config entries that the page shows, as one mapping."""
    return {key: value for text in blocks("yaml") for key, value in yaml.safe_load(text).items()}
