"""The pins of the environments are the pins of requirements.txt, and each holds what its rules' scripts import."""

import ast
import re
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from running import ROOT

from codestill.kit.imports import imports_of

OPTIONAL = {"vllm"}  # an engine that users install themselves

PINS = dict(line.strip().split("==") for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line)


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda path: path.stem)
def test_pins_agree(path):
    dependencies = yaml.safe_load(path.read_text())["dependencies"]
    (packages,) = [one["pip"] for one in dependencies if isinstance(one, dict)]
    assert packages
    for package in packages:
        name, version = package.split("==")
        assert PINS[name] == version


def closure(names):
    """The packages of `names` and all that they require, as installed here."""
    found, waiting = set(), [canonicalize_name(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for line in metadata.requires(name) or []:
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                waiting.append(canonicalize_name(need.name))
    return found


def third_party(script):
    """Top-level modules that a script and its closure of the library import, beyond Python's own."""
    files = [ROOT / "scripts" / f"{script}.py"]
    files += [Path(name) for name in imports_of(files[0])]
    found = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
            found |= {name.split(".")[0] for name in names}
    return found - set(sys.stdlib_module_names) - {"codestill", *OPTIONAL}


def rules_of_scripts():
    """(script, environment) of every rule that has both."""
    text = "\n".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))
    for rule in re.split(r"^(?:rule|checkpoint) ", text, flags=re.M)[1:]:
        script, environment = re.search(r'program\("(\w+)"\)', rule), re.search(r"envs/(\w+)\.yaml", rule)
        if script and environment:
            yield script[1], environment[1]


@pytest.mark.parametrize(("script", "environment"), sorted(set(rules_of_scripts())))
def test_an_environment_holds_what_its_scripts_import(script, environment):
    dependencies = yaml.safe_load((ROOT / f"envs/{environment}.yaml").read_text())["dependencies"]
    (packages,) = [one["pip"] for one in dependencies if isinstance(one, dict)]
    held = closure(package.split("==")[0] for package in packages)
    providers = metadata.packages_distributions()
    missing = [
        module
        for module in third_party(script)
        if not held & {canonicalize_name(name) for name in providers.get(module, [module])}
    ]
    assert not missing
