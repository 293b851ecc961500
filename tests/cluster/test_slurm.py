"""What the doctor asks SLURM for, from a profile; the rest of it is tested on a real SLURM (tests/slurm)."""

from pathlib import Path

import pytest
import yaml

from codestill.cluster.slurm import BAD, read_profile, room, sbatch_flags
from codestill.kit.program import UserError
from codestill.plan.costs import HEAVY

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
    rules = "".join(path.read_text() for path in (PROFILE.parents[2] / "rules").glob("*.smk"))
    for section in ("set-resources", "set-threads"):
        assert all(f"\nrule {rule}:" in rules for rule in yaml.safe_load(PROFILE.read_text())[section])


def test_the_rules_that_the_profile_gives_a_gpu_are_those_whose_requests_stop_at_its_partition():
    assert set(yaml.safe_load(PROFILE.read_text())["set-resources"]) == set(HEAVY)


def test_a_folder_that_takes_no_file_is_told():
    assert room("/proc/self").mark == BAD
