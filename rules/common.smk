"""The study, read once, and the names that every rule speaks in. The logic lives in codestill.study."""

import json
import os
import shutil
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

ROOT = Path(workflow.current_basedir).parent
sys.path.insert(0, str(ROOT / "scripts"))

from codestill.cluster import failures, snakemake_view
from codestill.cluster.surroundings import prepare
from codestill.kit import attempts
from codestill.kit.files import from_here
from codestill.kit.imports import code_digests
from codestill.kit.program import UserError
from codestill.kit.shards import PATTERN as SHARD
from codestill.kit.signals import relay_signals
from codestill.plan import budget
from codestill.plan.estimates import Requests
from codestill.plan.partition_limits import read_limits
from codestill.plan.teacher_pass import TeacherPass
from codestill.study.commands import Commands
from codestill.study.config import science_of
from codestill.study.config_files import ConfigFiles, read_config
from codestill.study.flags import flags
from codestill.study.layout import SPLITS
from codestill.study.model_graph import CELL_PATTERN, CHOSEN
from codestill.study.reading import checked
from codestill.study.remarks import remarks
from codestill.study.recipe_names import RECIPES


def stop(error):
    """End with the one line of a user's mistake, without Snakemake's frames around it, as the programs do."""
    print(f"error: {error}", file=sys.stderr, flush=True)
    sys.exit(2)


# Without --configfile the home study runs, with --config laid over it; a config given there, or by a workflow that uses
# this one as a module, stands alone and inherits nothing from it.
ALONE = {"study", "teacher", "student", "corpus", "benchmarks"} <= config.keys()
if not ALONE and not snakemake_view.config_files(workflow):
    HOME = str(ROOT / "config/config.yaml")
    # Snakemake would tell a broken one by a traceback, and not where it is broken.
    try:
        read_config(HOME)
    except UserError as error:
        stop(error)

    configfile: HOME


prepare()
if snakemake_view.on_a_node(workflow):
    relay_signals()


try:
    FILES = ConfigFiles(
        snakemake_view.config_files(workflow),
        snakemake_view.command_line_config(workflow),
    )
    # Only the user's own call tries shapes: a job's process would find them tried.
    STUDY, GRID, PLACE = checked(
        config, FILES, trial=snakemake_view.is_driver(workflow)
    )
    COMMANDS = Commands(STUDY, PLACE)
    TEACHER_PASS = TeacherPass(STUDY, PLACE)
    # Its files as they lie here: where this is a module with a prefix, Snakemake puts that before the rules' paths.
    HERE = PLACE.below(snakemake_view.prefix(workflow))
    REQUESTS = Requests(
        STUDY, HERE, read_limits(ROOT / "profiles/slurm/partitions.yaml")
    )
    if snakemake_view.is_driver(workflow):
        student = HERE.inputs("models/student")
        here = snakemake_view.cores(workflow) is not None
        for line in remarks(STUDY, GRID, student, here):
            print(f"note: {FILES}: {line}", file=sys.stderr, flush=True)
        if not snakemake_view.hooks_act(workflow, __name__):
            print(
                f"note: {FILES}: plan.max_gpu_hours and the summary at the end act where the Snakefile has `onstart: "
                f"{__name__}.onstart()`, and likewise onsuccess and onerror",
                file=sys.stderr,
                flush=True,
            )
except UserError as error:
    stop(error)


# The jobs of one call share a memory of what is hopeless; a job on a node inherits it with the environment.
if snakemake_view.is_driver(workflow):
    os.environ[attempts.VARIABLE] = attempts.new_run(f"{HERE.results}/work")


# Once a call, when the graph stands and before any job starts; the processes of single jobs have no hooks. Of a module
# they are functions, which the main Snakefile's own hooks may call.
onstart:
    snakemake_view.look_once(workflow)
    try:
        if not snakemake_view.only_touches(workflow):
            own = snakemake_view.own_rules(rules)
            jobs = snakemake_view.jobs_of(workflow, own=own)
            budget.before_run(jobs, STUDY, HERE)
    except UserError as error:
        raise WorkflowError(str(error)) from None


onsuccess:
    shutil.rmtree(f"{HERE.results}/work/attempts", ignore_errors=True)
    print(*budget.summary(HERE), sep="\n", file=sys.stderr)


onerror:
    print(*budget.summary(HERE), sep="\n", file=sys.stderr)
    print(
        failures.report(
            workflow,
            log,
            os.environ[attempts.VARIABLE],
            snakemake_view.own_rules(rules),
        ),
        file=sys.stderr,
    )


MODEL = rf"{PLACE.one_of([*GRID.graph.bases, *CHOSEN, *GRID.graph.derived, *GRID.graph.later])}|{CELL_PATTERN}"


wildcard_constraints:
    base=PLACE.one_of(GRID.graph.bases),
    source=PLACE.one_of(STUDY.sources),
    task=PLACE.one_of(STUDY.tasks),
    benchmark=PLACE.one_of(STUDY.drawn),
    cell=CELL_PATTERN,
    variant=PLACE.one_of(GRID.graph.variants),
    later=PLACE.one_of(GRID.graph.later),
    model=MODEL,


def program(name):
    """The path of a rule's script. Snakemake remembers no param that is a function of `input`, and so no such path."""
    return lambda wildcards, input: from_here(ROOT / "scripts" / f"{name}.py")


def machine_of(name):
    """The flags that change how a program runs and no result. They take `input`, so that Snakemake forgets them."""
    return lambda wildcards, input: getattr(COMMANDS.machine, name)


def code_of(name, templates="", part=""):
    """Digests of the script and of the library files that it imports, so that an edit of them reruns the rule.

    part: the function of a script that does several things, of which the rule asks one.
    """
    return lambda wildcards: code_digests(name, templates, part)


def code_of_training(cells):
    """The same of the training that one of these cells asks for: of the sampler too where a student writes text."""
    late = (
        code_digests("codestill/distill/on_policy")
        if any(cell.on_policy for cell in cells)
        else {}
    )
    return code_digests("distill") | late


# Imports do not show them: the report and the cards are rendered from these.
TEMPLATES = "codestill/report/templates/*"


def cell_of(wildcards):
    """The cell that a wildcard names, in the study's grid or not."""
    try:
        return PLACE.cell(wildcards.cell)
    except UserError as error:
        stop(error)


def workers_of_task(wildcards):
    """The processes that clean and tokenise a task's corpus."""
    return STUDY.tasks[wildcards.task].corpus.workers


def text_of(wildcards):
    """The name of the text that a cell learns from, None for the corpus."""
    return GRID.graph.text_of(cell_of(wildcards))


def benchmarks_held_out(task=None):
    """The benchmarks that a corpus is kept free of: the study's, or a task's."""
    return [PLACE.inputs("benchmarks", f"{name}.jsonl") for name in HERE.held_out(task)]


def kept_or_temp(path):
    """An output that is kept or removed once it was read, as the study asks."""
    return path if STUDY.distillation.stored_states == "kept" else temp(path)


def states_of(wildcards):
    """The teacher's stored states that a cell reads, if any.

    Not `ancient`: Snakemake passes over a job's own reasons to run where what it needs by such a file runs, too.
    """
    return TEACHER_PASS.states_of(cell_of(wildcards))


def folder_of(files):
    """The folder of an input or output: of the file, or of the first of its files."""
    return os.path.dirname(files if isinstance(files, str) else files[0])


def prefix_of(files):
    """What a workflow that uses this one as a module puts before every path of a job."""
    return (files if isinstance(files, str) else files[0]).partition(PLACE.results)[0]


def beside(path):
    """A path of the study that is no output, below the same prefix as the job's outputs; wildcards are filled in."""
    return lambda wildcards, output: prefix_of(output) + path.format(**wildcards)


def folders_of(files):
    """The folders of several models' files, each once."""
    return list(dict.fromkeys(map(os.path.dirname, files)))


def log_of(rule, name=""):
    """Where a rule logs."""
    return f"{PLACE.logs}/{rule}/{name or rule}.log"


def benchmark_of(rule, name=""):
    """Where Snakemake writes a rule's seconds and memory."""
    return f"{PLACE.benchmarks}/{rule}/{name or rule}.tsv"


def minutes_of(rule):
    """The time that a job asks a cluster for, from the plan's estimate, doubled with each attempt."""
    return lambda wildcards, attempt: REQUESTS.minutes(rule, wildcards, attempt)


def megabytes_of(rule):
    """The memory that a job of the rule asks a cluster for, likewise."""
    return lambda wildcards, attempt: REQUESTS.megabytes(rule, wildcards, attempt)
