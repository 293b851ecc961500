"""Is a finished study still what its report was written from? Each file is hashed again."""

import time
from pathlib import Path

from codestill.kit.files import read_json, sha256
from codestill.kit.model_files import ADAPTER
from codestill.kit.program import UserError, progress
from codestill.report.passports import canonical, load


def drift(folder):
    """Yield (path, what is wrong, since when, what depends on it) for each file that is not as the report found it.

    Checked: everything the report stands on, its tables, figures and pages, the config inside study.json, what was
    downloaded or built against its manifest, and the weights of each model against the checksum that its training
    recorded. `since when` is the file's own modification time in UTC.
    """
    folder = Path(folder)
    passport = load(folder / "report")
    for path, digest, behind in progress(recorded(folder), desc="verify", unit="file"):
        if not (folder / path).exists():
            yield path, "gone", "unknown", behind
        elif sha256(folder / path) != digest:
            yield path, "changed", _since(folder / path), behind
    study = folder / "study.json"
    if study.exists() and _config(study) != passport["config_sha256"]:
        yield "study.json: config", "changed", _since(study), ["the whole study"]


def recorded(folder):
    """[(path, SHA-256, what depends on it)] of every file whose checksum the report wrote down."""
    passport = load(Path(folder) / "report")
    if "products" not in passport:
        raise UserError(f"{folder}/report/passport.json: of an older version; write the report again")
    return list(_recorded(passport))


def _recorded(passport):
    for path, digest in passport["files"].items():
        yield path, digest, _dependants(passport, path)
    for name, digest in passport["tables"].items():
        yield f"report/{name}", digest, ["every figure drawn from it"]
    for name, digest in passport["products"].items():
        yield f"report/{name}", digest, ["whoever reads it"]
    models = dict(passport["models"])
    named = passport["chosen"] | passport.get("copies", {})
    models |= {alias: models[cell] for alias, cell in named.items() if cell in models}
    for model, facts in models.items():
        if "weights" in facts:
            yield f"models/{model}/model.safetensors", facts["weights"], [f"every number of {model}"]
        for name, digest in facts.get("adapter", {}).get("files", {}).items():
            yield f"models/{model}/{ADAPTER}/{name}", digest, ["whoever loads the adapter"]
    for name, entry in passport["revisions"].items():
        place = {"corpus": "sources", "benchmark": "benchmarks"}.get(entry.get("what"), f"models/{name}")
        for file, digest in entry.get("files", {}).items():
            if f"inputs/{place}/{file}" not in passport["files"]:
                yield f"inputs/{place}/{file}", digest, ["the whole study"]


def _config(study):
    """The checksum of the config in study.json; None where that is torn."""
    try:
        return canonical(read_json(study).get("config"))
    except UserError:
        return None


def _since(path):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(path.stat().st_mtime))


def _dependants(passport, path):
    from codestill.report.figures import FIGURES  # two seconds of imports, which a study without drift needs not pay

    parts = [part for part, paths in passport["parts"].items() if path in paths]
    named = [name for name, figure in FIGURES.items() if set(figure.reads) & set(parts)]
    return named or ["the tables of the report"]
