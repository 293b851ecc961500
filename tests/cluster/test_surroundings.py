"""What Snakemake is spared."""

from types import SimpleNamespace

import pytest
from snakemake.scheduling.job_scheduler import JobRateLimiter
from snakemake.settings.types import MaxJobsPerTimespan

from codestill.cluster.surroundings import look_once


@pytest.mark.parametrize(("limit", "stays"), [("100/1s", False), ("60/1m", True), ("100/1m", True)])
def test_the_default_limit_of_new_jobs_is_lifted_and_a_given_one_stays(limit, stays):
    limiter = JobRateLimiter(MaxJobsPerTimespan.parse_choice(limit))
    scheduler = SimpleNamespace(job_rate_limiter=limiter)
    look_once(scheduler)
    assert scheduler.job_rate_limiter is (limiter if stays else None)
