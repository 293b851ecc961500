"""One finished tiny study for all tests of the workflow; who changes it takes a copy."""

import shutil

import pytest
from tiny_study import begin, kill_when, run


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A folder in which the tiny study was killed in mid-training, resumed, and run to its report: to read only."""
    folder = begin(tmp_path_factory.mktemp("study"))
    kill_when(folder, "results/tiny/work/distill/*/lease.json")
    run(folder, "--cores", 2, "--nolock", "--rerun-incomplete")
    return folder


@pytest.fixture
def edited(finished, tmp_path):
    """A copy of the finished study whose files a test may edit; times and Snakemake's records come along."""
    shutil.copytree(finished, tmp_path / "study", symlinks=True, copy_function=shutil.copy2)
    return tmp_path / "study"
