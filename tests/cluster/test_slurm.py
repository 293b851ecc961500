"""What the doctor asks SLURM for, from a profile; the rest of it is tested on a real SLURM (tests/slurm)."""

import math
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from snakemake_executor_plugin_slurm.utils import set_gres_string
from snakemake_executor_plugin_slurm.validation import validate_slurm_extra
from snakemake_interface_common.exceptions import WorkflowError

from codestill.cluster.slurm import (
    BAD,
    OK,
    attempts,
    gpu_type,
    number_of,
    places,
    read_profile,
    room,
    sbatch_flags,
    submit_limit,
)
from codestill.cluster.snakemake_view import _gpus
from codestill.kit.program import UserError
from codestill.plan.costs import HEAVY
from codestill.plan.estimates import Requests
from codestill.study.config import known_rules
from codestill.study.reading import open_study

PROFILE = Path(__file__).resolve().parents[2] / "profiles/slurm/profile.yaml"


@pytest.mark.parametrize(
    ("resources", "flags"),
    [
        ({"slurm_partition": "gpu", "gpu": 2, "nodes": 1}, ["--partition=gpu", "--gpus=2", "--nodes=1"]),
        ({"gpu": 1, "gpu_model": "h100"}, ["--gpus=h100:1"]),
        ({"gpu": 0, "gres": "gpu:h100:1"}, ["--gres=gpu:h100:1"]),
        ({"slurm_account": "me", "qos": "night"}, ["--account=me", "--qos=night"]),
        ({"slurm_extra": "'--nice=100 --exclude=a'"}, ["--nice=100", "--exclude=a"]),
    ],
)
def test_flags_are_those_that_the_executor_would_give(resources, flags):
    assert sbatch_flags(resources) == flags


@pytest.mark.parametrize(
    ("resources", "way"),
    [
        ({"gpu": 0, "gres": "gpu:a100-sxm4-80gb:1"}, "--gpus-per-node=a100-sxm4-80gb:1"),
        ({"gpu": 2, "gpu_model": "a100-sxm4-80gb"}, "--gpus-per-node=a100-sxm4-80gb:2"),
        ({"gpu": 0, "gres": "gpu:a100_1g.10gb:1"}, None),
        ({"gpu": 0, "gres": "gpu:1"}, None),
        ({"gpu": 1, "gpu_model": "h100"}, None),
        ({"gpu": 0, "slurm_extra": "'--gpus-per-node=a100-sxm4-80gb:1'"}, None),
        ({"gpu": 4}, None),
    ],
)
def test_a_type_of_gpu_that_the_executor_refuses_is_told_with_the_way(resources, way):
    """The executor's own word on it is the reference."""
    job = SimpleNamespace(resources=Resources(resources))
    found = gpu_type(resources)
    if way is None:
        assert found is None
        set_gres_string(job)
        validate_slurm_extra(job)
    else:
        assert found.mark == BAD and way in found.remedy
        with pytest.raises(WorkflowError):
            set_gres_string(job)


class Resources(dict):
    """Resources as a job of Snakemake holds them."""

    __getattr__ = dict.get


@pytest.mark.parametrize(
    ("resources", "count"),
    [({"gpu": 2}, 2), ({"gres": "gpu:h100:3", "gpu": 0}, 3), ({"gres": "gpu"}, 1), ({}, 0),
     ({"gpu": 0, "slurm_extra": "'--nice=5 --gpus-per-node=a100-sxm4-80gb:4'"}, 4),
     ({"gpu": 0, "slurm_extra": "--gpus-per-node=2"}, 2)],
)  # fmt: skip
def test_gpus_are_counted_in_each_way_of_asking_for_them(resources, count):
    assert _gpus(resources) == count


def test_a_rule_gets_the_defaults_and_its_own():
    found = read_profile(PROFILE)
    assert sbatch_flags(found("choose")) == ["--partition=cpu", "--nodes=1"]
    assert sbatch_flags(found("generate")) == ["--partition=gpu", "--gpus=1", "--nodes=1"]


@pytest.mark.parametrize("text", [None, "- a list\n", "a: [\n"])
def test_a_profile_that_cannot_be_read_is_named(tmp_path, text):
    path = tmp_path / "profile.yaml"
    if text:
        path.write_text(text)
    with pytest.raises(UserError, match=r"profile\.yaml: not a profile that can be read"):
        read_profile(path)


def test_every_rule_of_the_profile_exists():
    """A name that no rule has would be passed over in silence, and its jobs miss their GPU."""
    for section in ("set-resources", "set-threads"):
        assert set(yaml.safe_load(PROFILE.read_text())[section]) <= known_rules()


def test_the_rules_that_the_profile_gives_a_gpu_are_those_whose_requests_stop_at_its_partition():
    assert set(yaml.safe_load(PROFILE.read_text())["set-resources"]) == set(HEAVY)


def test_a_folder_that_takes_no_file_is_told():
    assert room("/proc/self").mark == BAD


def command(folder, name, text):
    """Put a shell script called `name` before all others."""
    (folder / name).write_text(f"#!/bin/bash\n{text}\n")
    (folder / name).chmod(0o755)


def test_a_folder_must_have_room_for_the_plan(tmp_path):
    assert room(tmp_path, 1).mark == OK
    found = room(tmp_path, 2**60)
    assert found.mark == BAD and "the plan needs 1,073,741,824.0" in found.text


def test_the_places_of_downloads_and_of_unpacking_are_looked_at(monkeypatch):
    monkeypatch.setenv("HF_HOME", "/proc/self/nothing")
    assert "HF_HOME: /proc/self/nothing" in next(places()).text
    assert [found.text.split(":")[0] for found in places()] == ["HF_HOME", "TMPDIR"]


def test_the_profile_s_jobs_stay_below_what_may_be_submitted(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    command(tmp_path, "sacctmgr", 'case "$*" in *qos*) echo "normal|50"; echo "long|5";; *) echo "me|";; esac')
    assert number_of(PROFILE, "jobs") == 200 and number_of(PROFILE, "slots") is None
    found = submit_limit(200)
    assert found.mark == BAD and "qos normal may have 50" in found.text and "jobs: 50" in found.remedy
    assert submit_limit(50).mark == OK and submit_limit(50, "long").mark == BAD
    command(tmp_path, "sacctmgr", "exit 1")
    assert submit_limit(200).mark == OK


def test_a_driver_leaves_nothing_to_unlock_and_ends_as_snakemake_does(tmp_path):
    """A lock that a killed Snakemake left would stop the next one; that of another study's driver must stay."""
    command(tmp_path, "snakemake", 'echo "$*" >> calls; exit 3')
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_ID": "7"}
    done = subprocess.run(["bash", PROFILE.parent / "driver.sh", "x"], cwd=tmp_path, env=environment, check=False)
    assert (tmp_path / "calls").read_text().splitlines() == ["--profile slurm --nolock x"]
    assert done.returncode == 3


def test_a_training_that_outlasts_its_partition_is_told_how_often_it_must_be_tried():
    study, _, layout = open_study([PROFILE.parents[2] / "config/config.yaml"])
    cell = {"cell": layout.taught[0]}
    hours = Requests(study, layout).estimator.of("distill", cell).high / 3600
    for granted in (24 * 60, 50, 10):
        found = Requests(study, layout, {"gpu": (granted, 1e6), "cpu": (granted, 1e6)}).attempts("distill", cell)
        assert found == math.ceil(hours * 60 / granted)
    assert attempts("distill", 4, 3).mark == OK and attempts("distill", 1, None).mark == OK
    assert attempts("distill", 7, 3).mark == BAD and "retries: 6" in attempts("distill", 7, 3).remedy
