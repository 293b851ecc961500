"""What the programs of a rule find around them, and what Snakemake itself is spared."""

import os
import sys
from pathlib import Path


def prepare():
    """Set the environment that every job inherits.

    `python` is the one that runs Snakemake, activated or not (a conda environment still comes before it), and the
    hub's libraries are offline: only the download rules lift that.
    """
    folder = str(Path(sys.executable).parent)
    search = os.environ.get("PATH", "").split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join([folder, *(part for part in search if part != folder)])
    os.environ["HF_HUB_OFFLINE"] = "1"


def look_once(scheduler):
    """Lift Snakemake's default limit of 100 new jobs a second; one that the user gave stays.

    With a limit, Snakemake 9.27 looks at its whole queue again once a second for each job that has ended, until it ends
    (github.com/snakemake/snakemake/pull/3744): after 170 jobs a quarter of a core, in a long run a whole one.
    """
    limit = scheduler.job_rate_limiter
    if limit and (limit.max_jobs, limit.timespan) == (100, 1):
        scheduler.job_rate_limiter = None
