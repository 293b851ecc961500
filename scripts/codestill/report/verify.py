"""Is a finished study still what its report was written from? Each file is hashed again."""

import time
from pathlib import Path

from codestill.report.passports import SOURCES, canonical, load
from codestill.study.files import read_json, sha256


def drift(folder):
    """Yield (path, what is wrong, since when, what depends on it) for each file that is not as the report found it.

    Checked: everything the report read, its tables, the config inside study.json, and the weights of each model
    against the checksum that its training recorded. `since when` is the file's own modification time in UTC.
    """
    folder = Path(folder)
    passport = load(folder / "report")
    for path, digest in passport["files"].items():
        found = _check(folder / path, digest)
        if found:
            yield path, *found, _dependants(passport, path)
    for name, digest in passport["tables"].items():
        found = _check(folder / "report" / name, digest)
        if found:
            yield f"report/{name}", *found, ["every figure drawn from it"]
    study = folder / "study.json"
    if study.exists() and canonical(read_json(study).get("config")) != passport["config_sha256"]:
        yield "study.json: config", "changed", _since(study), ["the whole study"]
    for model, facts in passport["models"].items():
        if "weights" in facts:
            found = _check(folder / "models" / model / "model.safetensors", facts["weights"])
            if found:
                yield f"models/{model}/model.safetensors", *found, [f"every number of {model}"]


def _check(path, digest):
    if not path.exists():
        return "gone", "unknown"
    return None if sha256(path) == digest else ("changed", _since(path))


def _since(path):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(path.stat().st_mtime))


def _dependants(passport, path):
    parts = [part for part, paths in passport["parts"].items() if path in paths]
    named = [name for name, sources in SOURCES.items() if set(sources) & set(parts)]
    return named or ["the tables of the report"]
