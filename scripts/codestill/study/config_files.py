"""Config files as they were written: which of several names a field, and what YAML would silently drop.

Snakemake has merged the files by the time the workflow sees the config: of a key that stands twice one value is gone.
"""

import json
import re
from pathlib import Path

import yaml

from codestill.kit.files import from_here
from codestill.kit.program import UserError

# What YAML 1.1 reads as a number that nobody meant: base 60, and octal.
_TRAP = re.compile(r"[-+]?(\d[\d_]*(:[0-5]?\d)+(\.\d*)?|0[0-7_]+)")


class _Strict(yaml.CSafeLoader):
    """YAML in which a key that stands twice in one mapping is an error, and so is a number in base 60 or 8."""

    def construct_scalar(self, node):
        if node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float") and _TRAP.fullmatch(node.value):
            raise UserError(
                f"{self.name}:{node.start_mark.line + 1}: {node.value}: YAML reads this in base "
                f"{60 if ':' in node.value else 8}; quote it where text is meant, else write the number in base 10"
            )
        return super().construct_scalar(node)

    def construct_mapping(self, node, deep=False):
        seen = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            before, line = seen.get(key.value), key.start_mark.line + 1
            if before:
                raise UserError(
                    f"{self.name}:{line}: {key.value}: stands twice (before in line {before}); keep one of the two"
                )
            seen[key.value] = line
        return super().construct_mapping(node, deep=deep)


def read_config(path):
    """The mapping in one config file. Raises UserError with the line where it is no YAML or has a key twice."""
    shown = from_here(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        raise UserError(f"{shown}: {reason}; the ready studies are in config/") from None
    try:
        return json.loads(text)  # as Snakemake does: JSON with tabs is no YAML
    except ValueError:
        pass
    try:
        loader = _Strict(text)
        loader.name = shown
        raw = loader.get_single_data()
    except ValueError as error:  # a date that no calendar has
        raise UserError(f"{shown}: not YAML ({error}); correct the date, or quote it where text is meant") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        reason = getattr(error, "problem", None) or str(error)
        raise UserError(f"{shown}{line}: not YAML ({' '.join(reason.split())}); correct it") from None
    if not isinstance(raw, dict):
        raise UserError(f"{shown}: a config is a mapping of fields, beginning with `study: NAME`; this holds none")
    return raw


def worded(raw):
    """`raw` with the field `on` of `selection` under its name: YAML reads the plain word as true.

    Where files that lie over each other write it both plain and quoted, the last one holds.
    """
    selection = raw.get("selection")
    if not isinstance(selection, dict):
        return raw
    return {**raw, "selection": {"on" if key is True else key: value for key, value in selection.items()}}


class ConfigFiles:
    """The files of one study in their order, and what --config lays over them; `at` says where a field stands."""

    def __init__(self, paths, command_line=None):
        self.files = {from_here(path): worded(read_config(path)) for path in paths}
        if command_line:
            self.files["--config"] = worded(command_line)

    def __str__(self):
        return " + ".join(self.files) or "config"

    def at(self, location):
        """The last file that holds the most of `location`; all of them where none holds its beginning."""
        depths = {name: _depth(raw, location) for name, raw in self.files.items()}
        deepest = max(depths.values(), default=0)
        return [name for name, depth in depths.items() if depth == deepest][-1] if deepest else str(self)


def _depth(raw, location):
    """How many parts of `location` lead into `raw`."""
    for number, part in enumerate(location):
        try:
            raw = raw[part]
        except (KeyError, IndexError, TypeError):
            return number
    return len(location)


def named(origin, location):
    """What an error calls the origin of a config at `location`: the file, or the name it was given."""
    return origin.at(location) if isinstance(origin, ConfigFiles) else str(origin)
