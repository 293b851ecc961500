"""Thousands of damaged configs: each is taken, or refused in one line; none ends in a traceback."""

import copy
import random
import time
from pathlib import Path

import pytest
import yaml

from codestill.kit.program import UserError
from codestill.study.commands import Commands
from codestill.study.config_files import ConfigFiles
from codestill.study.reading import checked
from codestill.study.remarks import remarks

CONFIG = Path(__file__).resolve().parents[2] / "config"
STUDIES = [path.read_text() for path in sorted(CONFIG.glob("*.yaml"))]
NASTY = [
    None,
    True,
    False,
    "",
    " ",
    "x",
    "{word}",
    "{{",
    "%s",
    "ü",
    "\ud800",
    "\x00",
    "a\nb",
    "../..",
    "/",
    "~",
    "-1",
    "01",
    "1e3",
]
NASTY += [0, -1, 1, 2**31, 2**63, 10**400, 1e300, -1e300, 5e-324, float("inf"), float("nan"), 0.1, -0.0]
NASTY += [[], {}, [[]], [None], [{}], {"x": None}, {1: 2}, {"a": {"b": [1]}}, [1, "a", None], [1e300, 2], ["{a}"]]
MUTANTS = 5000


def places(value, here=()):
    """Every place in a config: paths of keys and indices."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*here, key)
        yield from places(one, (*here, key))


def mutant(draw, raw):
    """A config with one to three things in it changed."""
    raw = copy.deepcopy(raw)
    for _ in range(draw.choice([1, 1, 2, 3])):
        *way, last = draw.choice(list(places(raw)))
        home = raw
        for part in way:
            home = home[part]
        action = draw.randrange(5)
        if action == 0:
            del home[last]
        elif action == 1 and isinstance(home, dict):
            home[draw.choice([f"{last}s", "x", 1, None, "", "seed", "k", "{a}"])] = home[last]
        elif action == 2:
            others = list(places(raw))
            other = raw
            for part in draw.choice(others):
                other = other[part]
            home[last] = copy.deepcopy(other)
        else:
            home[last] = copy.deepcopy(draw.choice(NASTY))
        if not raw:
            break
    return raw


def read_through(raw):
    """What the Snakefile does with a config before any job."""
    files = ConfigFiles([], raw if isinstance(raw, dict) else None)
    study, grid, layout = checked(raw, files, trial=False)
    remarks(study, grid)
    commands = Commands(study, layout)
    for name in list(grid.cells)[:3]:
        commands.cell(grid.cells[name])
    return study


def outcome(action):
    """ "taken", or the one line that refuses; whatever else is raised goes through."""
    try:
        action()
        return "taken"
    except UserError as error:
        assert "\n" not in str(error) and ":" in str(error), str(error)
        return str(error)


def test_changed_values_and_keys(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw, raws, began = random.Random(14), [yaml.safe_load(text) for text in STUDIES], time.monotonic()
    refused = 0
    for number in range(MUTANTS - 1000):
        raw = mutant(draw, draw.choice(raws))
        try:
            refused += outcome(lambda raw=raw: read_through(raw)) != "taken"
        except Exception as error:
            pytest.fail(f"mutant {number}: {type(error).__name__}: {error}: {raw}")
    assert refused > MUTANTS / 3, f"only {refused} refused in {time.monotonic() - began:.0f} s"


def test_damaged_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw, refused = random.Random(15), 0
    for _ in range(1000):
        text = bytearray(draw.choice(STUDIES).encode())
        for _ in range(draw.choice([1, 1, 4])):
            at, action = draw.randrange(len(text)), draw.randrange(4)
            if action == 0:
                del text[at:]
            elif action == 1:
                text[at : at + 1] = draw.choice(
                    [b"\t", b"\xff", b"\x00", b":", b"{", b"[", b"&a ", b"*a", b"!!x ", b"\n- "]
                )
            elif action == 2:
                text[at : at + draw.randrange(1, 40)] = b""
            else:
                text[at:at] = text[: draw.randrange(1, 40)]
            text = text or bytearray(b"\n")
        (tmp_path / "mutant.yaml").write_bytes(text)
        refused += outcome(lambda: ConfigFiles([tmp_path / "mutant.yaml"])) != "taken"
    assert refused > 300
