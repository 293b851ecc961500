"""The pins of the environments are the pins of requirements.txt."""

import pytest
import yaml
from running import ROOT

PINS = dict(line.strip().split("==") for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line)


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda path: path.stem)
def test_pins_agree(path):
    dependencies = yaml.safe_load(path.read_text())["dependencies"]
    (packages,) = [one["pip"] for one in dependencies if isinstance(one, dict)]
    assert packages
    for package in packages:
        name, version = package.split("==")
        assert PINS[name] == version
