"""A dry run of the real graph, for a plan of it."""

import contextlib
import logging
import os
import tempfile
from pathlib import Path

from codestill.cluster.snakemake_view import records_beside, workflow_of
from codestill.kit.program import UserError


@contextlib.contextmanager
def dry_run(snakefile, configfiles=(), values=None, targets=(), cores=1, forceall=False):
    """The Snakemake workflow with its graph built and nothing run, printed or left in the working directory.

    Raises UserError with Snakemake's own words where the graph cannot be built.
    """
    from snakemake.api import SnakemakeApi
    from snakemake.exceptions import RuleException, WorkflowError
    from snakemake.settings.enums import Quietness
    from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings

    # With just these two kept quiet a dry run ends once the graph stands, before jobs are walked one by one.
    quiet = {Quietness.RULES, Quietness.PROGRESS}
    output = OutputSettings(dryrun=True, quiet=quiet, log_level_override=logging.ERROR, enable_file_logging=False)
    with (
        tempfile.TemporaryDirectory() as cache,
        tempfile.TemporaryDirectory() as books,
        _environment(XDG_CACHE_HOME=cache),
        records_beside(os.path.abspath(".snakemake"), books),
    ):
        try:
            with SnakemakeApi(output) as api:
                flow = api.workflow(
                    resource_settings=ResourceSettings(cores=cores),
                    config_settings=ConfigSettings(configfiles=[Path(one) for one in configfiles], config=values or {}),
                    snakefile=Path(snakefile),
                )
                graph = flow.dag(DAGSettings(targets=frozenset(targets), forceall=forceall))
                graph.execute_workflow(executor="dryrun")
                yield workflow_of(flow)
        except (WorkflowError, RuleException) as error:
            raise UserError(" ".join(str(error).split()) or repr(error)) from error


@contextlib.contextmanager
def _environment(**values):
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
