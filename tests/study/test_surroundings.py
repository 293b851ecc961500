"""What Snakemake is spared."""

from snakemake.settings.types import MaxJobsPerTimespan, SchedulingSettings

from codestill.study.surroundings import look_once


def settings(limit):
    return SchedulingSettings(max_jobs_per_timespan=limit and MaxJobsPerTimespan.parse_choice(limit))


def test_the_default_limit_of_new_jobs_is_lifted_and_a_given_one_stays():
    default, given, none = settings("100/1s"), settings("60/1m"), settings(None)
    for one in (default, given, none, None):
        look_once(one)
    assert default.max_jobs_per_timespan is None
    assert (given.max_jobs_per_timespan.max_jobs, given.max_jobs_per_timespan.timespan) == (60, 60)
