"""A field stands in one place: a made-up one is declared, and followed through everything that is made from it."""

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from codestill.kit.program import UserError, parser
from codestill.study.flags import add_flags, flags_of, names_of, section_of
from codestill.study.section import Section, field
from codestill.study.sections.corpus import Source
from codestill.study.sections.distillation import Distillation
from codestill.study.sections.generation import Generation
from codestill.study.sections.training import Training

ROOT = Path(__file__).resolve().parents[2]
FOLLOWED = """
import json, sys, yaml
sys.path.insert(0, "scripts")
from codestill.distill.training_job import cell_axes
from codestill.study.commands import Commands
from codestill.study.config import load_study, schema, science_of
from codestill.study.field_tables import fields
from codestill.study.flags import names_of
from codestill.study.grid import build_grid
from codestill.study.layout import Layout
from codestill.study.sections.training import Training

raw = yaml.safe_load(open("config/demo.yaml"))
raw["sweeps"] = {}
raw["experiments"] = {"made_up": {"grid": {"target_blur": [0.0, "0.1"]}, "seeds": [7]}}
raw["experiments"]["skewed"] = {"grid": {"objective": "skewed", "beta": [0.1, 0.5]}, "seeds": [7]}
study = load_study(raw)
grid = build_grid(study)
commands = Commands(study, Layout(study, grid))
print(json.dumps({
    "schema": "target_blur" in schema()["$defs"]["Training"]["properties"],
    "words": "| `target_blur` | number | `0.0` | of the labels |" in fields(),
    "cells": grid.experiments["made_up"],
    "skewed": grid.experiments["skewed"],
    "flags": [commands.cell(grid.cells[name]) for name in grid.experiments["made_up"]],
    "facts": "target_blur" in names_of(Training, machine=False),
    "science": science_of(study)["training"]["target_blur"],
}))
"""


def test_a_made_up_hyperparameter_and_a_divergence_with_beta_are_followed_through(tmp_path):
    for folder in ("scripts", "config", "rules"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "Snakefile", tmp_path)
    home = tmp_path / "scripts/codestill/study/sections/training.py"
    declared = '    target_blur: float = field(0.0, "of the labels", axis="blur", ge=0, lt=1)\n'
    text = home.read_text()
    home.write_text(text.replace("    max_eval_samples:", declared + "    max_eval_samples:", 1))
    with (tmp_path / "scripts/codestill/distill/divergences.py").open("a") as handle:
        handle.write('\n\nDIVERGENCES["skewed"] = Divergence(jsd, uses_beta=True)\n')
    done = subprocess.run([sys.executable, "-c", FOLLOWED], cwd=tmp_path, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["schema"] and found["words"] and found["facts"] and found["science"] == 0
    assert found["cells"] == ["T-2.5_alpha-0.5_seed-7", "T-2.5_alpha-0.5_blur-0.1_seed-7"]
    assert found["skewed"] == [f"T-2.5_alpha-0.5_objective-skewed{beta}_seed-7" for beta in ("_beta-0.1", "")]
    assert "--target_blur 0.0" in found["flags"][0] and "--target_blur 0.1" in found["flags"][1]
    shown = [sys.executable, tmp_path / "scripts/distill.py", "--help"]
    assert "--target_blur X" in subprocess.run(shown, capture_output=True, text=True, check=True).stdout


class Made(Section):
    """Every kind of field there is."""

    words: list[str] = field(["\nclass"], "stop strings", escaped=True)
    many: list[int] = field([1, 2], "numbers")
    switch: bool = field(False, "on or off")
    pairs: dict[str, str] = field({}, "ours: theirs")
    renamed: float | None = field(None, "null: nothing", flag="other_name", gt=0)
    hidden: int = field(3, "of the config alone", flag=False)
    device: str = field("auto", "where", machine=True)


VALUES = {"words": ["\ndef x", "it's"], "many": [5], "switch": True, "pairs": {"a": "b c"}, "renamed": 0.5}


def test_what_a_rule_passes_is_what_the_program_reads():
    sent = Made(**VALUES, device="cpu")
    program = parser("")
    add_flags(program, Made)
    line = f"{flags_of(sent, machine=False)} {flags_of(sent, machine=True)}"
    assert "\n" not in line and "--other_name 0.5" in line and "hidden" not in line
    assert section_of(program.parse_args(shlex.split(line)), Made) == sent
    assert section_of(program.parse_args([]), Made) == Made()


def test_a_bad_flag_is_named_with_its_bound():
    program = parser("")
    add_flags(program, Made)
    with pytest.raises(UserError, match=r"--other_name: must be greater than 0, not -1\.0"):
        section_of(program.parse_args(["--other_name", "-1"]), Made)


def test_a_switch_of_the_config_takes_yes_and_no_and_a_number_takes_neither():
    assert Made(switch=True).switch and not Made(switch=False).switch
    with pytest.raises(ValueError, match="must not be true"):
        Made(many=[True])


def test_machine_and_science_are_apart():
    assert names_of(Generation, machine=True) == ["memory", "device"]
    assert {"device", "eval_batch_size", "gradient_checkpointing", "save_seconds", "preflight"} == set(
        names_of(Training, machine=True)
    )
    assert names_of(Distillation, machine=True) == ["teacher_pass", "teacher_device"]
    assert "threads" in names_of(Training, machine=False)


def test_a_field_that_its_kind_does_not_take_is_named():
    with pytest.raises(ValueError, match="acts on the kind files or python, not on stdlib"):
        Source(kind="stdlib", path="x")
