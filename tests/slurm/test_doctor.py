"""scripts/doctor.py on the cluster: what it accepts, and the remedies it names."""

import subprocess
import sys

import yaml
from conftest import ROOT


def doctor(study, *arguments):
    command = [sys.executable, "scripts/doctor.py", "--configfile", "config/config.yaml", *arguments]
    return subprocess.run(command, cwd=study.root, env=study.environment, capture_output=True, text=True, timeout=120)


def test_it_accepts_this_cluster(cluster, study):
    done = doctor(study)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "a job without a GPU would be taken: --partition=cpu" in done.stdout
    assert "a job with a GPU would be taken: --partition=gpu --gpus=1" in done.stdout
    assert "grading: isolation" in done.stdout


def test_it_looks_within_a_job(cluster, study):
    """This machine's GPUs are made up: SLURM gives one, and the driver knows none."""
    done = doctor(study, "--job")
    assert done.returncode == 1
    assert "no GPU in this job\n      -> ask for one" in done.stdout


def test_a_last_attempt_that_would_wait_for_ever_is_foreseen(cluster, study, tmp_path):
    """The partitions here grant an hour; by the file beside this profile they grant more than an attempt asks for."""
    (tmp_path / "profile.yaml").write_text((ROOT / "profiles/slurm/profile.yaml").read_text())
    limits = yaml.safe_load((study.root / "profiles/slurm/partitions.yaml").read_text())
    for partition in limits["partitions"].values():
        partition["max_runtime"] = 24 * 60
    (tmp_path / "partitions.yaml").write_text(yaml.safe_dump(limits))
    done = doctor(study, "--profile", str(tmp_path / "profile.yaml"))
    assert done.returncode == 1
    assert "time limit: the partition grants less\n      -> lower max_runtime" in done.stdout


def test_it_names_what_is_wrong_with_a_profile(cluster, study, tmp_path):
    profile = yaml.safe_load((study.root / "profiles/slurm/profile.yaml").read_text())
    profile["default-resources"] |= {"slurm_partition": "night", "slurm_account": "nobody"}
    profile["set-resources"]["generate"] = {"slurm_partition": "gpu", "gpu": 64}
    (tmp_path / "profile.yaml").write_text(yaml.safe_dump(profile))
    done = doctor(study, "--profile", str(tmp_path / "profile.yaml"))
    assert done.returncode == 1
    assert "account nobody is not yours\n      -> use one of: codestill" in done.stdout
    assert "--partition=night" in done.stdout and "-> name the site's partition" in done.stdout
    assert "--gpus=64" in done.stdout and "-> ask for what a node has" in done.stdout
