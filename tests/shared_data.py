"""Real data for tests, where it is at hand: `$CODESTILL_SHARED`, else the folder `shared` beside the checkout."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def shared(name):
    """The folder `data/<name>` of the shared data; skips the test, with the reason, where it is absent."""
    folder = Path(os.environ.get("CODESTILL_SHARED", ROOT.parent / "shared")) / "data" / name
    if not folder.exists():
        pytest.skip(f"needs shared test data: {folder.name} is absent (set CODESTILL_SHARED)")
    return folder
