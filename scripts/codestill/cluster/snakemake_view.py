"""What we read of Snakemake's insides, and nothing else does: its workflow, its graph, its records, its scheduler.

They are promised by no version. Each reading stands in one function, and where a version has its insides otherwise,
the function says once what is lost (`guarded`) and gives a fall-back: an explanation may be missing, never a run.
"""

import contextlib
import functools
import inspect
import os
import re
import sys
from collections import namedtuple
from pathlib import Path

from codestill.cluster.param_changes import changed_params
from codestill.kit.files import sha256
from codestill.kit.program import UserError
from codestill.plan.causes import CODE, FORCED, INCOMPLETE, INPUT, MISSING, SOFTWARE, UPSTREAM, Cause
from codestill.plan.planned_job import PlannedJob

OTHERWISE = (AttributeError, ImportError, LookupError, TypeError, ValueError)  # what foreign insides raise
_told = set()

FailedJob = namedtuple("FailedJob", "rule name log target command attempts number")  # number: None in a group


def guarded(lost, fallback):
    """Decorate a reader: where it fails, say once which words are `lost` and return `fallback` (or what it returns)."""

    def decorate(read):
        @functools.wraps(read)
        def reader(*arguments, **options):
            try:
                return read(*arguments, **options)
            except OTHERWISE as error:
                if lost not in _told:
                    _told.add(lost)
                    reason = f"{type(error).__name__}: {error}"
                    print(f"note: this Snakemake is not known here ({reason}): {lost}", file=sys.stderr, flush=True)
                return fallback(*arguments) if callable(fallback) else fallback

        return reader

    return decorate


@guarded("a job on a node may be told of its end too late to save its work", False)
def on_a_node(workflow):
    """Whether this process runs one job of a cluster."""
    return workflow.remote_exec


@guarded("hopeless jobs are tried again", True)
def is_driver(workflow):
    """Whether this process is the call that the user made, and not one of its jobs."""
    return workflow.is_main_process


def locked_here():
    """Whether a plain `snakemake` holds this folder, or has left its lock."""
    locks = Path(".snakemake/locks")
    return locks.is_dir() and any(locks.iterdir())


@guarded("mistakes in a config are told without its file's name", ())
def config_files(workflow):
    """The files that --configfile names."""
    return workflow.configfiles


@guarded("mistakes of --config are told as of the config file", {})
def command_line_config(workflow):
    """What the call's --config lays over the config files."""
    return dict(workflow.config_settings.config or {})


@guarded("what is estimated of a module's study looks in another folder", "")
def prefix(workflow):
    """What a workflow that uses this one as a module puts before every path. Raises UserError where not before all."""
    found = set()
    for path in ("results/x", "logs/x", "benchmarks/x"):
        moved = workflow.modifier.path_modifier.replace_prefix(path)
        found.add(moved.removesuffix(path) if moved.endswith(path) else None)
    if len(found) > 1 or None in found:
        raise UserError("module: replace_prefix moves some paths and leaves others; use prefix, which moves them all")
    return found.pop()


@guarded("a module's limit of GPU-hours may not act, unsaid", True)
def hooks_act(workflow, name):
    """Whether this workflow's onstart, onsuccess and onerror are run: those of a module `name` where they are called.

    Snakemake runs the main Snakefile's alone, and gives it those of its modules as functions.
    """
    return workflow.modifier.is_main_snakefile() or f"{name}.onstart(" in Path(workflow.main_snakefile).read_text()


@guarded("of a module, the jobs of the whole workflow are planned", None)
def own_rules(rules):
    """{a rule's name in the whole workflow: its name here} of a Snakefile's `rules`."""
    return {proxy.rule.name: name for name, proxy in rules._rules.items()}


@guarded("efficiency is measured on the threads of generation", None)
def cores(workflow):
    """The cores that --cores gives; None on a cluster."""
    return workflow.resource_settings.cores


@guarded("a large graph takes longer to build", None)
def remember_signatures(workflow):
    """Spare Snakemake from reading a function's signature anew for each job (a tenth of a large dry run)."""
    for rule in workflow.rules:
        resources = [one._evaluator for one in rule.resources.values()]
        for function in filter(inspect.isfunction, [*rule.input, *rule.params, *resources]):
            function.__signature__ = inspect.signature(function)


@guarded("--touch is held against the plan's limit, too", False)
def only_touches(workflow):
    """Whether the call is of --touch."""
    return workflow.touch


@guarded("the queue is looked at more often than it need be", None)
def look_once(workflow):
    """Lift Snakemake's default limit of 100 new jobs a second; one that the user gave stays.

    With a limit, Snakemake 9.27 looks at its whole queue again once a second for each job that has ended, until it ends
    (github.com/snakemake/snakemake/pull/3744): after 170 jobs a quarter of a core, in a long run a whole one.
    """
    limit = workflow.scheduler.job_rate_limiter
    if limit and (limit.max_jobs, limit.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


@guarded("the command to run what failed again names all targets", ())
def targets(workflow):
    """The targets that the user named."""
    return tuple(map(str, workflow.dag_settings.targets or ()))


@guarded("the summary does not tell what was not run", (True, 0))
def left_over(workflow):
    """(whether the call goes on where a job fails, how many jobs have neither been done nor failed)."""
    done = {str(path) for job in workflow.scheduler.failed for part in _parts(job) for path in part.output}
    waiting = [job for job in workflow.dag.needrun_jobs() if job.output and not workflow.dag.finished(job)]
    waiting = [job for job in waiting if not any(str(path) in done for path in job.output)]
    return workflow.execution_settings.keep_going, len(waiting)


def _parts(job):
    return job.jobs if job.is_group() else [job]


@guarded("the summary names no job that failed", ())
def failed_jobs(workflow, own=None):
    """The jobs that Snakemake gave up, as `FailedJob`s; of a group those whose outputs are missing.

    own: of own_rules, to leave out the jobs of other rules; None: all are told.
    """
    found = []
    for job in workflow.scheduler.failed:
        for part in _parts(job):
            if own is not None and part.rule.name not in own:
                continue
            if job.is_group() and all(os.path.exists(path) for path in part.output):
                continue
            found.append(
                FailedJob(
                    rule=part.rule.name,
                    name=" ".join(map(str, part.wildcards)),
                    log=str(part.log[0]) if part.log else None,
                    target=str(part.output[0]) if part.output else part.rule.name,
                    command=part.shellcmd or "",
                    attempts=job.attempt,
                    number=None if job.is_group() else workflow.dag.jobid(job),
                )
            )
    return found


@guarded("there is no plan, and its limit holds no run back", ())
def jobs_of(workflow, explain=False, own=None):
    """The graph's jobs in an order in which each follows what it needs; targets without output are left out.

    `explain` gives the jobs that will run their causes. own: of own_rules; jobs of other rules are left out.
    """
    dag = workflow.dag
    causes = Explainer(dag).causes if explain else lambda job: []
    names = {rule.name: rule.name for rule in workflow.rules} if own is None else own
    order = [job for level in dag.toposorted() for job in level if not job.rule.norun and job.rule.name in names]
    numbers = {job: number for number, job in enumerate(order)}
    found, held = [], {}
    for job, number in numbers.items():
        run = dag.needrun(job)
        if job.rule.name not in held:  # alike for all jobs of a rule, and slow to ask each job for
            held[job.rule.name] = job.threads, _gpus(job.resources)
        wildcards = {name: str(value) for name, value in job.wildcards_dict.items()}
        found.append(
            PlannedJob(
                number,
                names[job.rule.name],
                _name(job, names[job.rule.name], wildcards),
                wildcards,
                *held[job.rule.name],
                [str(path) for path in job.input],
                [str(path) for path in job.output],
                job.params.get("work"),
                job.params.get("code") or {},
                run,
                {numbers[need] for need in dag.dependencies[job] if need in numbers},
                causes(job) if run else [],
            )
        )
    return found


def _name(job, rule, wildcards):
    """The part of its benchmark file's path below the rule's folder."""
    if job.benchmark is None:
        return "/".join(wildcards.values()) or rule
    parts = Path(str(job.benchmark)).with_suffix("").parts
    return "/".join(parts[parts.index(rule) + 1 :]) if rule in parts else parts[-1]


def _gpus(resources):
    """GPUs in a job's resources, as the SLURM executor's fields `gpu`, `gres` and `slurm_extra` ask for them."""
    extra = re.search(r"--gpus-per-node=(?:[^\s:']+:)?(\d+)", str(resources.get("slurm_extra", "")))
    if extra:
        return int(extra[1])
    gres = str(resources.get("gres", ""))
    if gres.startswith("gpu"):
        last = gres.split(":")[-1]
        return int(last) if last.isdigit() else 1
    count = resources.get("gpu", 0)
    return count if isinstance(count, int) else 0


class Explainer:
    """Why the jobs of one graph run.

    Snakemake names the first kind of reason that it meets and stops there, and asks nothing of a job that follows one
    that runs. A plan wants all of them, so that "only code changed" can be told from "code changed too".
    """

    def __init__(self, dag):
        self.dag = dag
        self.records = dag.workflow.persistence
        self.checksum_limit = dag.workflow.dag_settings.max_checksum_file_size
        self.made = {str(path) for job in dag.needrun_jobs() for path in job.output}

    def causes(self, job):
        """The `Cause`s of a job that will run; the upstream one stands last and alone says least."""
        return self._causes(job) or [Cause(INPUT, str(self.dag.reason(job)))]

    @guarded("why a job runs is told in Snakemake's own words", ())
    def _causes(self, job):
        reason = self.dag.reason(job)
        if reason.forced:
            return [Cause(FORCED)]
        absent = [str(path) for path in job.output if not os.path.exists(path)]
        causes = []
        if absent:
            causes.append(Cause(MISSING, "" if len(absent) == len(job.output) else ", ".join(absent[:3])))
        else:
            causes += self._changes(job)
        if reason.incomplete_output:
            causes.append(Cause(INCOMPLETE, "an earlier run was cut off"))
        if reason.updated_input_run:
            rules = sorted({need.rule.name for need in self.dag.dependencies[job] if self.dag.needrun(need)})
            causes.append(Cause(UPSTREAM, ", ".join(rules)))
        return causes

    def _changes(self, job):
        """What differs from the record of a job whose outputs all exist."""
        recorded = self.records.has_metadata(job)
        causes = [Cause(INPUT, f"{path} changed") for path in self._updated(job, recorded)]
        if not recorded:
            return causes
        if any(self.records.code_changed(job)):
            causes.append(Cause(CODE, f"the command of rule {job.rule.name}"))
        before, now = set(self.records.input(job.output[0]) or ()), {str(path) for path in job.input}
        causes += [Cause(INPUT, f"{path} read now") for path in sorted(now - before)]
        causes += [Cause(INPUT, f"{path} read no more") for path in sorted(before - now)]
        changes = self.records.params_changed(job)
        causes += changed_params(sorted(changes.only_old), sorted(changes.only_new)) if changes else []
        if any(self.records.software_stack_changed(job)):
            causes.append(Cause(SOFTWARE, f"the environment of rule {job.rule.name}"))
        return causes

    def _updated(self, job, recorded):
        """Inputs newer than the outputs and, where that can be told, of other content."""
        oldest = min(os.stat(path).st_mtime for path in job.output)
        for path in map(str, job.input):
            size, time = _size_and_time(path)
            if time is None or time <= oldest or path in self.made:
                continue
            known = self.records.input_checksums(job, path) if recorded and size <= self.checksum_limit else None
            if known != {_digest(path)}:
                yield path


@functools.cache
def _size_and_time(path):
    try:
        entry = os.stat(path)
    except OSError:
        return 0, None
    return entry.st_size, entry.st_mtime


@functools.cache
def _digest(path):
    return f"sha256:{sha256(path)}"


@contextlib.contextmanager
def records_beside(home, folder):
    """Snakemake keeps its books in `folder`, where its records of finished jobs (below `home`) are but linked.

    So a plan neither leaves anything in a working copy nor needs the right to write there, and takes nothing away
    from a run that starts meanwhile. The fall-back is Snakemake's own: books in the working directory.
    """
    from snakemake import workflow

    for name in ("metadata", "incomplete"):
        if (Path(home) / name).is_dir():
            (Path(folder) / name).symlink_to(Path(home) / name)
    name = next((name for name in ("FilePersistence", "Persistence") if hasattr(workflow, name)), None)
    usual = getattr(workflow, name) if name else None

    def beside(path=None, **options):
        return usual(path=Path(folder), **options)

    if name:
        setattr(workflow, name, beside)
    try:
        yield
    finally:
        if name:
            setattr(workflow, name, usual)


def workflow_of(handle):
    """The workflow behind the handle that Snakemake's API gives."""
    return handle._workflow


def names_of(workflow):
    """{name: value} of what the Snakefile defines."""
    return workflow.globals
