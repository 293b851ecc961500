"""Is this cluster ready for a study? A line for each thing that goes wrong in the first hours, with a remedy.

    python scripts/doctor.py --configfile config/config.yaml          on the login node, a minute
    python scripts/doctor.py --configfile config/config.yaml --job    the same, then within a job on a GPU

Checked: the Python packages, SLURM's controller, partitions, account and GPU requests of the profile (nothing is
submitted without --job), room and rights on disk, the hub or its offline cache, the isolation that graded programs
get, and where there is a GPU: driver against torch, bf16. Exit code 1 where something would fail.
"""

import importlib.metadata
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

from codestill.cluster import slurm
from codestill.cluster.slurm import BAD, NOTE, OK, Finding
from codestill.kit.program import UserError, parser, run

ROOT = Path(__file__).resolve().parent.parent


def packages():
    """Whether what requirements.txt pins is what is installed."""
    wrong = []
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        pinned = re.match(r"([\w.-]+)==([^\s;+]+)", line)
        if not pinned:
            continue
        try:
            found = importlib.metadata.version(pinned[1]).split("+")[0]
        except importlib.metadata.PackageNotFoundError:
            found = "missing"
        if found != pinned[2]:
            wrong.append(f"{pinned[1]} {found} (pinned: {pinned[2]})")
    remedy = f"{sys.executable} -m pip install -r requirements.txt"
    return (
        Finding(BAD, "packages: " + ", ".join(wrong), remedy)
        if wrong
        else Finding(OK, f"packages as pinned, {sys.executable}")
    )


def gpu(wanted):
    """Driver, torch's build and bf16; `wanted`: a GPU is expected here."""
    code, driver = slurm.ask("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader")
    import torch

    if code:
        there = Finding(BAD, "no GPU in this job", "ask for one: gpu or gres in profiles/slurm/profile.yaml")
        return [there if wanted else Finding(NOTE, "no GPU here: --job looks within a job")]
    found = [Finding(OK, f"GPU: {line}") for line in driver.splitlines()]
    if torch.version.cuda is None:
        return [*found, Finding(BAD, f"torch {torch.__version__} is a CPU build", "install torch's CUDA build")]
    if not torch.cuda.is_available():
        remedy = f"the driver is older than torch's CUDA {torch.version.cuda}: install torch for an older CUDA"
        return [*found, Finding(BAD, f"torch {torch.__version__} does not see the GPU", remedy)]
    found.append(Finding(OK, f"torch {torch.__version__}, CUDA {torch.version.cuda}"))
    if not torch.cuda.is_bf16_supported(including_emulation=False):
        found.append(Finding(NOTE, "this GPU has no bf16", "keep precision: float32 or fp16 in the config"))
    return found


def hub(study):
    """Whether the study's models and corpora can be brought: none needed, in the cache, or the hub within reach."""
    from huggingface_hub import constants, scan_cache_dir

    models = [one.name for one in study.bases.values() if one.name and not Path(one.name).is_dir()]
    corpora = [one.name for one in study.sources.values() if one.kind == "hub" and not Path(one.name).is_dir()]
    wanted = [*models, *corpora]
    if not wanted:
        return Finding(OK, "hub: the study needs nothing from it")
    try:
        cached = {repo.repo_id for repo in scan_cache_dir().repos}
    except Exception:  # no cache folder yet
        cached = set()
    missing = [name for name in wanted if name not in cached]
    if not missing:
        return Finding(OK, f"hub: {', '.join(wanted)} are in the cache")
    try:
        with urllib.request.urlopen(constants.ENDPOINT, timeout=10):
            pass
    except OSError as error:
        first = f"--repo-type dataset {missing[0]}" if missing[0] in corpora else missing[0]
        remedy = f"fill HF_HOME where there is a network (hf download {first}), or name a local folder"
        reason = getattr(error, "reason", error)
        return Finding(BAD, f"hub: out of reach ({reason}), and not cached: {', '.join(missing)}", remedy)
    return Finding(OK, f"hub: within reach, for {', '.join(missing)}")


def isolation(grading):
    """The level at which the study's programs would be graded here."""
    from codestill.grading.sandbox.pool import Pool

    try:
        with Pool(1, grading.memory << 20, grading.allow_weak_isolation, grading.isolation) as pool:
            return Finding(OK, f"grading: isolation {pool.level.name}")
    except UserError as error:
        return Finding(BAD, f"grading: {error}", "grade on a node that allows user namespaces or Landlock (Linux 5.13)")


def cluster(profile, study, layout):
    """SLURM, by the requests that the profile and the plan make of it."""
    found = list(slurm.controller())
    if any(one.mark == BAD for one in found):
        return found
    from codestill.plan.estimates import Requests
    from codestill.plan.partition_limits import read_limits

    requests = Requests(study, layout, read_limits(profile.parent / "partitions.yaml"))
    resources_of = slurm.read_profile(profile)
    found.append(slurm.accounts(resources_of("prepare_corpus")))
    found.append(slurm.submit_limit(slurm.number_of(profile, "jobs"), resources_of("prepare_corpus").get("qos")))
    processes = {"distill": study.training.processes, "teach": study.teacher.training.processes}
    largest = max(processes, key=processes.get)
    trained = {"gpu": processes[largest], **resources_of(largest)}
    kinds = [("CPU", "prepare_corpus", resources_of("prepare_corpus")), ("GPU", largest, trained)]
    if resources_of("generate") != trained:
        kinds.append(("GPU", largest, resources_of("generate")))
    found += filter(None, [slurm.gpu_type(trained)])
    one_of = {"teach": {}, "distill": {"cell": (layout.taught or list(layout.grid.cells))[0]}}
    for rule, one in one_of.items():
        found.append(slurm.attempts(rule, requests.attempts(rule, one), slurm.number_of(profile, "retries")))
    for kind, rule, resources in kinds:
        for attempt in (1, 4):  # the last one asks for eight times as much, as far as partitions.yaml lets it
            one = one_of.get(rule, {})
            asked = requests.minutes(rule, one, attempt), requests.megabytes(rule, one, attempt)
            found.append(slurm.submission(kind, resources, *asked))
    return found


def disk(options):
    """Bytes that the study will still write, by its plan; None within a job, which need not know."""
    if options.inside:
        return None
    from codestill.cluster.planned import planned

    return planned(ROOT / "Snakefile", options.configfile)[0].total().disk


def within_job(options):
    """Run this program's second half in a job on a GPU; its exit code."""
    resources = slurm.read_profile(options.profile)("generate")
    command = ["srun", *slurm.sbatch_flags(resources), "--time=10", "--mem=4000", "--ntasks=1"]
    command += [
        sys.executable,
        __file__,
        *(word for one in options.configfile for word in ("--configfile", one)),
        "--profile",
        str(options.profile),
        "--inside",
    ]
    print("within a job:", flush=True)
    return subprocess.run(command, check=False).returncode


def main():
    arguments = parser(__doc__)
    arguments.add_argument(
        "--configfile", action="append", help="the study; again: laid over it (default: the home study)"
    )
    arguments.add_argument("--profile", type=Path, default=ROOT / "profiles/slurm/profile.yaml", help="the profile")
    arguments.add_argument(
        "--job", action="store_true", help="also look within a job (submits one, ten minutes at most)"
    )
    arguments.add_argument("--inside", action="store_true", help="look as from within a job: a GPU is expected")
    options = arguments.parse_args()
    options.configfile = options.configfile or [str(ROOT / "config/config.yaml")]
    from codestill.study.reading import open_study

    study, _, layout = open_study(options.configfile)
    findings = [packages(), *gpu(options.inside), isolation(study.grading), slurm.room(layout.results, disk(options))]
    findings += slurm.places()
    if not options.inside:
        findings += [hub(study), *cluster(options.profile, study, layout)]
    print(*findings, sep="\n", flush=True)
    failed = sum(one.mark == BAD for one in findings)
    if options.job and not failed:
        failed += within_job(options) != 0
    if not options.inside:
        print(f"{failed} of these would stop a study" if failed else f"ready, on {os.uname().nodename}")
    return 1 if failed else 0


if __name__ == "__main__":
    run(main)
