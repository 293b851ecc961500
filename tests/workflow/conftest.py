"""One finished tiny study for all tests of the workflow; who changes it takes a copy."""

import shutil

import pytest
from tiny_study import begin, run


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A folder in which the tiny study was run to its report, undisturbed (unlike test_kills.py's): to read only."""
    folder = begin(tmp_path_factory.mktemp("study"))
    run(folder, "--cores", 2)
    return folder


@pytest.fixture
def edited(finished, tmp_path):
    """A copy of the finished study whose files a test may edit; times and Snakemake's records come along."""
    shutil.copytree(finished, tmp_path / "study", symlinks=True, copy_function=shutil.copy2)
    return tmp_path / "study"
