"""The same on a cluster that keeps no accounts: sacct knows nothing there, and squeue what was."""

import pytest

from cluster import Cluster

CELL = "T-2.0_alpha-0.5_seed-21"
DIVERGING = "T-2.0_alpha-0.5_lr-1e+30_seed-21"


@pytest.fixture
def bare(cluster, study, ready):
    cluster.stop()
    other = Cluster(accounting=False)
    other.start()
    yield other
    other.stop()
    cluster.start()


def test_jobs_are_followed_and_failures_told(bare, study):
    call = study.call("--retries", "1", "--", study.model(CELL), study.model(DIVERGING))
    assert call.wait() == 1
    assert (study.root / study.model(CELL)).exists()
    assert f"distill {DIVERGING}: training diverged, 2 attempts" in call.text
    assert "GPU-hours lost in attempts that failed: 0.0" in call.text
    assert bare.ask("sacct", check=False).strip() == ""
