"""What is read of Snakemake's insides: on the pinned version, and where a version has them otherwise."""

import re
from types import SimpleNamespace

import pytest
from snakemake.scheduling.job_scheduler import JobRateLimiter
from snakemake.settings.types import MaxJobsPerTimespan

from codestill.cluster import snakemake_view as view
from codestill.kit.imports import SCRIPTS
from codestill.plan.causes import INPUT, Cause

READERS = {
    view.on_a_node: False,
    view.is_driver: True,
    view.config_files: (),
    view.command_line_config: {},
    view.cores: None,
    view.remember_signatures: None,
    view.only_touches: False,
    view.look_once: None,
    view.targets: (),
    view.failed_jobs: (),
    view.jobs_of: (),
}


@pytest.mark.parametrize(("limit", "stays"), [("100/1s", False), ("60/1m", True), ("100/1m", True)])
def test_the_default_limit_of_new_jobs_is_lifted_and_a_given_one_stays(limit, stays):
    limiter = JobRateLimiter(MaxJobsPerTimespan.parse_choice(limit))
    workflow = SimpleNamespace(scheduler=SimpleNamespace(job_rate_limiter=limiter))
    view.look_once(workflow)
    assert workflow.scheduler.job_rate_limiter is (limiter if stays else None)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_insides_that_a_version_does_not_have_cost_words_and_no_run(reader, capsys):
    view._told.clear()
    assert reader(SimpleNamespace()) == reader(SimpleNamespace()) == READERS[reader]
    (line,) = capsys.readouterr().err.splitlines()  # said once
    assert line.startswith("note: this Snakemake is not known here (AttributeError: ")


def test_a_cause_that_cannot_be_looked_into_is_told_in_snakemakes_own_words():
    class Dag:
        workflow = SimpleNamespace(persistence=None, dag_settings=SimpleNamespace(max_checksum_file_size=1))

        def needrun_jobs(self):
            return []

        def reason(self, job):
            return "Input files updated by another job"

    assert view.Explainer(Dag()).causes(None) == [Cause(INPUT, "Input files updated by another job")]


def test_nothing_else_reads_snakemakes_insides():
    """Snakefiles may use what its manual names: the path of a file of the workflow, and the workflow's place."""
    insides = re.compile(
        r"(?<!snakemake )\bworkflow\.(?!source_path|current_basedir|rst)\w+|\.(persistence|scheduler)\b|\bdag\.\w"
    )
    files = [SCRIPTS.parent / "Snakefile", *SCRIPTS.parent.glob("rules/*.smk"), *SCRIPTS.glob("**/*.py")]
    found = [path for path in files if insides.search(path.read_text())]
    assert [path.name for path in found] == ["snakemake_view.py"]
