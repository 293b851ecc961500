"""What a study meets on a cluster: SLURM, its partitions and accounts, the disk. Each check names a remedy."""

import getpass
import math
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml

from codestill.kit.program import UserError
from codestill.plan.partition_limits import minutes

OK, NOTE, BAD = "ok", "note", "FAIL"
GIB = 2**30
LEAST_AGE = 190  # seconds: the executor's longest wait between two questions, and a margin
LEAST_FREE = 20 * GIB  # where there is no plan
SPARE = 1.2  # of what a plan reckons: drafts lie beside what they will replace
LEAST_CACHE, LEAST_TEMPORARY = 10 * GIB, GIB


@dataclass(frozen=True)
class Finding:
    """What one check found: ok, note or FAIL, in a line, and the remedy."""

    mark: str
    text: str
    remedy: str = ""

    def __str__(self):
        return f"{self.mark:<4}  {self.text}" + (f"\n      -> {self.remedy}" if self.remedy else "")


def ask(*command, timeout=30):
    """(exit code, output) of a command; code 127 where there is no such command."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except FileNotFoundError:
        return 127, f"{command[0]}: not installed"
    except subprocess.TimeoutExpired:
        return 124, f"{command[0]}: no answer within {timeout} s"
    return done.returncode, (done.stdout + done.stderr).strip()


def read_profile(path):
    """A function of a profile: the resources that it gives the jobs of a rule."""
    try:
        profile = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        defaults, own = profile.get("default-resources", {}), profile.get("set-resources", {})
    except (OSError, yaml.YAMLError, AttributeError) as error:
        raise UserError(f"{path}: not a profile that can be read ({error}); see profiles/slurm/profile.yaml") from None
    return lambda rule: {**defaults, **own.get(rule, {})}


def number_of(path, key):
    """A whole number that a profile gives under `key`; None where it does not say."""
    found = yaml.safe_load(Path(path).read_text(encoding="utf-8")).get(key)
    return found if isinstance(found, int) else None


def attempts(rule, needed, retries):
    """Whether a training that outlasts what a partition grants is tried often enough; it goes on from a checkpoint."""
    allowed = 1 + (retries or 0)
    if needed <= allowed:
        return Finding(OK, f"{rule}: {needed} of {allowed} attempts, by the estimate's upper end")
    text = f"{rule}: may take {needed} attempts of the time that the partition grants, the profile allows {allowed}"
    remedy = f"set retries: {needed - 1} in profiles/slurm/profile.yaml, or name a partition that grants more time"
    return Finding(BAD, text, remedy)


def controller():
    """Whether SLURM's commands are here and its controller answers, and how long it remembers a finished job."""
    for name in ("sbatch", "squeue", "scancel", "scontrol", "srun"):
        if not shutil.which(name):
            yield Finding(BAD, f"SLURM: no {name} here", "log in to the cluster's login node, or load its module")
            return
    code, text = ask("scontrol", "show", "config")
    if code:
        yield Finding(
            BAD, f"SLURM: the controller does not answer ({_last(text)})", "ask the site; is this a login node?"
        )
        return
    settings = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    settings = {name.strip(): value.strip() for name, value in settings.items()}
    yield Finding(OK, f"SLURM {settings.get('SLURM_VERSION', '?')}, cluster {settings.get('ClusterName', '?')}")
    age = int(settings.get("MinJobAge", "0").split()[0])
    if age < LEAST_AGE:
        yield Finding(
            BAD, f"SLURM forgets a finished job after {age} s (MinJobAge): squeue may be asked too late",
            "set slurm-status-command: sacct in profiles/slurm/profile.yaml (needs accounting)",
        )  # fmt: skip
    if settings.get("AccountingStorageType", "").endswith("none"):
        yield Finding(NOTE, "SLURM keeps no accounts: GPU-hours lost are known for MinJobAge only")


def _last(text):
    return text.splitlines()[-1] if text else "no message"


def sbatch_flags(resources):
    """The flags of sbatch that the executor makes of a job's resources, less memory and time."""
    value = resources.get
    flags = [("--partition", value("slurm_partition")), ("--account", value("slurm_account")), ("--qos", value("qos"))]
    flags += [("--constraint", value("constraint")), ("--gres", value("gres"))]
    gpus = value("gpu")
    flags.append(("--gpus", f"{value('gpu_model')}:{gpus}" if gpus and value("gpu_model") else gpus))
    flags.append(("--nodes", value("nodes")))
    found = [f"{name}={text}" for name, text in flags if text]
    return found + shlex.split(str(value("slurm_extra") or "").strip("'\""))


def gpu_type(resources):
    """What is wrong with the type of GPU that a rule asks for; None where the executor takes it."""
    gres, model = str(resources.get("gres") or ""), str(resources.get("gpu_model") or "")
    kind = model or gres.removeprefix("gpu:").rpartition(":")[0]
    if not re.search(r"[^\w.]", kind):
        return None
    count = resources.get("gpu") or gres.rpartition(":")[2] or 1
    remedy = f"gpu: 0 and slurm_extra: \"'--gpus-per-node={kind}:{count}'\" under gpu-job in the profile"
    return Finding(BAD, f"GPU type {kind}: the executor takes letters, digits, dots and _ alone", f"write {remedy}")


def granted(partition):
    """The minutes that a partition grants a job; infinite where it sets no limit or is not known."""
    _, text = ask("scontrol", "show", "partition", str(partition))
    found = re.search(r"MaxTime=([\d:-]+)", text)
    return minutes(found[1]) if found else math.inf


def submission(kind, resources, runtime, megabytes):
    """Whether SLURM would run a job of these resources; nothing is submitted (`sbatch --test-only`)."""
    flags = [*sbatch_flags(resources), f"--time={runtime}", f"--mem={megabytes}"]
    code, text = ask("sbatch", "--test-only", *flags, "--wrap=true")
    shown = " ".join(flags)
    # Most sites let such a job in, to wait for ever.
    if code == 0 and runtime > granted(resources.get("slurm_partition")):
        code, text = 1, "time limit: the partition grants less"
    if code == 0:
        return Finding(OK, f"a job with{'' if kind == 'GPU' else 'out'} a GPU would be taken: {shown}")
    remedies = {  # the first that is named in what SLURM says: a time limit's message names the partition too
        "time limit": "lower max_runtime in profiles/slurm/partitions.yaml to the partition's limit (sinfo -o '%P %l')",
        "partition": "name the site's partition in profiles/slurm/profile.yaml (sinfo -s lists them)",
        "account": "set slurm_account under default-resources (sacctmgr show user $USER withassoc lists yours)",
        "memory": "lower max_mem_mb in profiles/slurm/partitions.yaml to what a node has (sinfo -o '%P %m')",
        "configuration": "ask for what a node has (sinfo -o '%P %G %m'): GPUs by the profile and the config, "
        "memory by max_mem_mb in profiles/slurm/partitions.yaml",
        "qos": "set qos under default-resources (sacctmgr show qos)",
    }
    remedy = next((remedies[word] for word in remedies if word in text.lower()), "correct profiles/slurm/profile.yaml")
    return Finding(BAD, f"a job with{'' if kind == 'GPU' else 'out'} a GPU is refused: {shown}: {_last(text)}", remedy)


def accounts(resources):
    """Whether the profile's account is among the user's; which there are, where it names none."""
    code, text = ask(
        "sacctmgr", "--noheader", "--parsable2", "show", "user", getpass.getuser(), "withassoc", "format=account"
    )
    known = sorted(set(text.split())) if code == 0 else []
    chosen = resources.get("slurm_account")
    if chosen and known and chosen not in known:
        return Finding(BAD, f"account {chosen} is not yours", f"use one of: {', '.join(known)}")
    if not chosen and len(known) > 1:
        return Finding(NOTE, f"no account chosen, you have {', '.join(known)}", "set slurm_account in the profile")
    return Finding(OK, f"account: {chosen or ', '.join(known) or 'none needed'}")


def submit_limit(jobs, qos=None):
    """Whether the profile's `jobs` stay within what the user may have submitted, by association and QOS."""
    found = {}
    asked = (
        (("user", getpass.getuser(), "withassoc"), "account,maxsubmitjobs", None),
        (("qos",), "name,maxsubmitjobsperuser", qos or "normal"),
    )
    for what, shown, only in asked:
        code, text = ask("sacctmgr", "--noheader", "--parsable2", "show", *what, f"format={shown}")
        for line in text.splitlines() if code == 0 else ():
            name, _, most = line.partition("|")
            if most.isdigit() and only in (None, name):
                found[f"{what[0]} {name}"] = int(most)
    where = min(found, key=found.get, default=None)
    if where is None or jobs is None:
        return Finding(OK, "submitted jobs: no limit known")
    if jobs > found[where]:
        remedy = f"set jobs: {found[where]} or less in profiles/slurm/profile.yaml"
        return Finding(BAD, f"submitted jobs: {where} may have {found[where]}, the profile's jobs are {jobs}", remedy)
    return Finding(OK, f"submitted jobs: {jobs} of {found[where]} ({where})")


def places():
    """How much is free where libraries put what they bring and what they unpack: HF_HOME and TMPDIR."""
    for name, folder in (
        ("HF_HOME", os.environ.get("HF_HOME") or Path.home() / ".cache/huggingface"),
        ("TMPDIR", tempfile.gettempdir()),
    ):
        existing = next(one for one in [Path(folder), *Path(folder).absolute().parents] if one.exists())
        free = shutil.disk_usage(existing).free
        least = LEAST_CACHE if name == "HF_HOME" else LEAST_TEMPORARY
        text = f"{name}: {folder}, {free / GIB:,.1f} GiB free"
        remedy = f"export {name}=FOLDER where there is room, before the run"
        if not os.access(existing, os.W_OK):
            yield Finding(BAD, f"{text}, and not writable", remedy)
        else:
            yield Finding(NOTE, text, remedy) if free < least else Finding(OK, text)


def room(folder, needed=None):
    """Whether `folder` can be written to, with names of 200 bytes and hard links, and how much is free there.

    needed: bytes that a study's plan reckons with; None where there is no plan.
    """
    existing = next(one for one in [Path(folder), *Path(folder).absolute().parents] if one.exists())
    try:
        with tempfile.TemporaryDirectory(dir=existing, prefix=".doctor-") as inner:
            file = Path(inner) / ("n" * 200)
            file.write_bytes(b"x" * 2**20)
            os.link(file, Path(inner) / "link")
    except OSError as error:
        return Finding(
            BAD, f"{existing}: {error.strerror}", "work in a folder that you may write to, with hard links"
        )  # fmt: skip
    free = shutil.disk_usage(existing).free
    code, text = ask("quota", "--show-mntpoint", "--no-wrap", timeout=10)
    quota = f"; quota: {_last(text)}" if code == 0 and text else ""
    least = LEAST_FREE if needed is None else SPARE * needed
    wanted = "" if needed is None else f", the plan needs {needed / GIB:,.1f}"
    if free < least:
        remedy = (
            "make room, or work elsewhere: `make plan` says what needs it, `make clean` frees what can be made again"
        )
        return Finding(BAD, f"{existing}: only {free / GIB:,.1f} GiB free{wanted}{quota}", remedy)
    return Finding(OK, f"{existing}: writable, {free / GIB:,.0f} GiB free{wanted}{quota}")
