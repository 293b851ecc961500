"""What a config names on this machine: a path that is not there is said before any job starts."""

import re
from pathlib import Path

from codestill.kit.model_files import PACKAGE
from codestill.kit.program import UserError
from codestill.study.config_files import named

_HUB_NAME = re.compile(r"[\w.-]{1,96}(/[\w.-]{1,96})?")


def check_local(study, inputs, origin):
    """Raise UserError for the first path that `study` names and that is missing, but for what is in `inputs` already.

    `inputs` is the study's folder of what was brought: a finished study needs its origins no more.
    """
    for base, part in study.bases.items():
        name, where = part.name, (base, "name") if base in ("teacher", "student") else ("models", base, "name")
        if name is None or name.startswith(PACKAGE):
            continue
        if not (Path(name).is_dir() or _is_gguf(name) or Path(inputs, "models", base, "config.json").exists()):
            if name.startswith((".", "/", "~")) or name.count("/") > 1:
                _refuse(origin, where, f"no folder {name} here; give one, or a name on the hub (OWNER/NAME)")
            if not _HUB_NAME.fullmatch(name):
                _refuse(origin, where, f"{name!r} is no folder here and no name on the hub (OWNER/NAME)")
    corpora = {("tasks", task) if task else (): corpus for task, corpus in study.corpora.items()}
    for part, section, brought in (
        *(((*home, "corpus", "sources"), one.sources, "sources/{}.jsonl.gz") for home, one in corpora.items()),
        (("benchmarks",), study.benchmarks, "benchmarks/{}.jsonl"),
    ):
        for name, one in section.items():
            if one.path and set(one.path) & set("{}"):
                _refuse(origin, (*part, name, "path"), f"{one.path}: Snakemake takes {{...}} for a wildcard; rename it")
            if one.path and not (Path(one.path).exists() or Path(inputs, brought.format(name)).exists()):
                _refuse(origin, (*part, name, "path"), f"no file or folder {one.path} here; correct the path")
            if getattr(one, "kind", "") == "python" and _without_python(one.path):
                _refuse(origin, (*part, name, "path"), f"no .py file lies in {one.path}; correct the path")


def _without_python(path):
    return Path(path).is_dir() and next(Path(path).rglob("*.py"), None) is None


def _is_gguf(name):
    return name.endswith(".gguf") and Path(name).is_file()


def _refuse(origin, location, message):
    raise UserError(f"{named(origin, location)}: {'.'.join(location)}: {message}")
