"""The workflow's jobs as plain data: from a dry run of the real graph, or from the graph of a run about to start."""

import contextlib
import logging
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from codestill.kit.program import UserError


@dataclass
class Job:
    """One job. `needs` holds the numbers of the jobs whose files it reads; `run` says whether it will run."""

    number: int
    rule: str
    name: str  # of its benchmark file: wildcards joined by slashes, else the rule's name
    wildcards: dict
    threads: int
    gpus: int  # as its resources ask for them; 0 where they say nothing
    input: list
    output: list
    work: str | None  # its undeclared folder
    code: dict  # {file, from the scripts' folder: digest} of what it runs
    run: bool
    needs: set = field(default_factory=set)
    causes: list = field(default_factory=list)

    @property
    def key(self):
        return f"{self.rule}/{self.name}"

    @property
    def model(self):
        """The model that the job makes or judges; None for jobs of the whole study."""
        return self.wildcards.get("cell") or self.wildcards.get("model") or self.wildcards.get("chosen")


def jobs_of(dag, explain=lambda job: []):
    """The graph's jobs in an order in which each follows what it needs; targets without output are left out.

    `explain(job)` gives the `Cause`s of a Snakemake job that will run.
    """
    order = [job for level in dag.toposorted() for job in level if not job.rule.norun]
    numbers = {job: number for number, job in enumerate(order)}
    found, held = [], {}
    for job, number in numbers.items():
        run = dag.needrun(job)
        if job.rule.name not in held:  # alike for all jobs of a rule, and slow to ask each job for
            held[job.rule.name] = job.threads, _gpus(job.resources)
        wildcards = {name: str(value) for name, value in job.wildcards_dict.items()}
        found.append(
            Job(
                number,
                job.rule.name,
                _name(job, wildcards),
                wildcards,
                *held[job.rule.name],
                [str(path) for path in job.input],
                [str(path) for path in job.output],
                job.params.get("work"),
                job.params.get("code") or {},
                run,
                {numbers[need] for need in dag.dependencies[job] if need in numbers},
                explain(job) if run else [],
            )
        )
    return found


def _name(job, wildcards):
    """The part of its benchmark file's path below the rule's folder."""
    if job.benchmark is None:
        return "/".join(wildcards.values()) or job.rule.name
    parts = Path(str(job.benchmark)).with_suffix("").parts
    return "/".join(parts[parts.index(job.rule.name) + 1 :]) if job.rule.name in parts else parts[-1]


def _gpus(resources):
    """GPUs in a job's resources, as the SLURM executor's fields `gpu` and `gres` ask for them."""
    gres = str(resources.get("gres", ""))
    if gres.startswith("gpu"):
        last = gres.split(":")[-1]
        return int(last) if last.isdigit() else 1
    count = resources.get("gpu", 0)
    return count if isinstance(count, int) else 0


def command_line_config(workflow):
    """What the call's --config lays over the config files, {} where Snakemake does not tell."""
    return dict(getattr(getattr(workflow, "config_settings", None), "config", None) or {})


@contextlib.contextmanager
def _records_beside(home, folder):
    """Snakemake keeps its books in `folder`, where its records of finished jobs (below `home`) are but linked.

    So a plan neither leaves anything in a working copy nor needs the right to write there, and takes nothing away
    from a run that starts meanwhile.
    """
    from snakemake import workflow

    for name in ("metadata", "incomplete"):
        if (Path(home) / name).is_dir():
            (Path(folder) / name).symlink_to(Path(home) / name)
    usual = workflow.FilePersistence

    def beside(path=None, **options):
        return usual(path=Path(folder), **options)

    workflow.FilePersistence = beside
    try:
        yield
    finally:
        workflow.FilePersistence = usual


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
        _records_beside(os.path.abspath(".snakemake"), books),
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
                yield flow._workflow
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
