"""Passports: which cells, config, commit, revisions, versions and files stand behind each figure and number."""

import hashlib
import importlib.metadata
import json
from pathlib import Path

from codestill.kit.files import read_json, sha256, write_json
from codestill.kit.provenance import commit, versions

DRAWING = ("matplotlib", "Jinja2", "fonttools", "pillow")
READ = ("eval_results", "train_results", "trainer_state", "provenance")


def canonical(value):
    """The SHA-256 of a JSON value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def files_read(results):
    """{part: [paths inside the results folder]} of everything that the report stands on, sorted."""
    folder, parts = results.folder, {}
    for benchmark in results.benchmarks:
        parts.setdefault("scores", []).extend((folder / "scores" / benchmark).glob("*.json"))
        for part in ("verdicts", "samples"):
            parts.setdefault(part, []).extend((folder / part / benchmark).glob("*.jsonl"))
        parts.setdefault("benchmarks", []).extend((folder / "inputs/benchmarks").glob(f"{benchmark}.jsonl"))
    for part in ("language", "efficiency"):
        parts[part] = (folder / part).glob("*.json")
    for part in READ:
        parts[part] = [folder / "models" / model.name / f"{part}.json" for model in results.models]
    texts = ("inputs/corpus/*.jsonl", "tasks/*/corpus/*.jsonl", "recipes/*/*/text.jsonl")
    parts["corpus"] = [path for pattern in texts for path in folder.glob(pattern)]
    parts["models"] = _unrecorded(results)
    sets = ("tokens/*/*", "tasks/*/tokens/*/*", "recipes/*/*/tokens/*")
    parts["tokens"] = [path for pattern in sets for path in folder.glob(pattern)]
    parts["chosen"] = [*(folder / "models").glob("*/chosen.json"), *(folder / "shortlist").glob("*.json")]
    accounts = ("inputs/manifest.json", "inputs/corpus/accounting.json", "tokens/accounting.json", "study.json")
    parts["study"] = [folder / path for path in accounts]
    return {part: sorted({str(p.relative_to(folder)) for p in paths if p.exists()}) for part, paths in parts.items()}


def _unrecorded(results):
    """The files of models whose checksums neither a manifest nor a training wrote down."""
    brought = results.optional("inputs/manifest.json") or {}
    bases = [one for one in (results.folder / "inputs/models").glob("*") if one.name not in brought]
    for folder in [*bases, *(results.folder / "models").glob("*")]:
        weighed = (folder / "provenance.json").exists() or folder.name in results.choices
        for path in folder.iterdir():
            known = path.name == "README.md" or (weighed and path.name == "model.safetensors")
            # A card may be written beside the report: its draft is gone before it could be hashed.
            if path.is_file() and not known and path.suffix != ".part":
                yield path


def study_passport(results, tables_folder):
    """The passport of the whole report, as a dict; see `scripts/verify.py` for what it is checked against."""
    parts = files_read(results)
    files = {path: sha256(results.folder / path) for paths in parts.values() for path in paths}
    drawing = {name: importlib.metadata.version(name) for name in DRAWING}
    return {
        "study": results.name,
        "config_sha256": canonical(results.study.get("config")),
        "commit": commit(),
        "packages": versions() | drawing,
        "revisions": _revisions(results.optional("inputs/manifest.json") or {}),
        "models": {model.name: _origin(results, model) for model in results.models},
        "chosen": {alias: choice["cell"] for alias, choice in results.choices.items()},
        "copies": {copy: model.name for model in results.models for copy in model.copies},
        "missing": results.missing(),
        "files": files,
        "parts": parts,
        "tables": {path.name: sha256(path) for path in sorted(Path(tables_folder).glob("*.csv"))},
    }


def _revisions(manifest):
    kept = ("what", "kind", "name", "config_name", "revision", "files", "origin_sha256")
    return {
        name: {key: entry[key] for key in kept if entry.get(key) is not None}
        for name, entry in manifest.items()
        if isinstance(entry, dict)
    }


def _origin(results, model):
    record = results.trained(model, "provenance") or {}
    kept = ("commit", "weights", "adapter", "packages", "finished", "device")
    return {"axes": model.axes, **{key: record[key] for key in kept if key in record}}


def figure_passport(name, reads, passport):
    """The part of the study's passport that stands behind a figure, which `reads` those parts of the results."""
    sources = {path: passport["files"][path] for part in reads for path in passport["parts"].get(part, [])}
    shown = {Path(path).stem if path.split("/")[0] != "models" else path.split("/")[1] for path in sources}
    kept = ("study", "config_sha256", "commit", "packages", "revisions", "tables")
    return {
        "figure": name,
        **{key: passport[key] for key in kept},
        "models": {model: facts for model, facts in passport["models"].items() if model in shown},
        "sources": sources,
    }


def note(passport):
    """One line for the metadata inside a figure: enough to find its side file and to tell whether it is current."""
    return (
        f"codestill study {passport['study']}; config sha256 {passport['config_sha256'][:16]}; "
        f"commit {passport['commit']}; scores.csv sha256 {passport['tables'].get('scores.csv', 'missing')[:16]}"
    )


def summary(passport):
    """What a page shows of the passport: names and text."""
    revisions = "; ".join(
        f"{name}: {entry.get('name') or entry.get('kind') or '?'} {entry.get('revision') or ''}".strip()
        for name, entry in passport["revisions"].items()
    )
    return {
        "commit": passport["commit"] or "not a git checkout",
        "config": f"sha256 {passport['config_sha256']}",
        "models and data": revisions or "no manifest yet",
        "packages": ", ".join(f"{name} {version}" for name, version in passport["packages"].items()),
        "files read": f"{len(passport['files'])}, each with its checksum in passport.json",
    }


def write(passport, folder, figures):
    """Write passport.json and each figure's side file, with the checksums of what was made beside them.

    figures: {name: the parts of the results that it reads}.
    """
    folder = Path(folder)
    made = sorted([*folder.glob("*.*"), *(folder / "figures").glob("*.*"), *(folder / "cells").glob("*/*.*")])
    made = [path for path in made if path.suffix not in (".csv", ".part") and "passport" not in path.name]
    products = {str(path.relative_to(folder)): sha256(path) for path in made}
    write_json(folder / "passport.json", passport | {"products": products})
    for name, reads in figures.items():
        own = {path: digest for path, digest in products.items() if path.startswith(f"figures/{name}.")}
        about = figure_passport(name, reads, passport) | {"products": own}
        write_json(folder / "figures" / f"{name}.passport.json", about)


def load(folder):
    """The passport beside a report's tables."""
    return read_json(Path(folder) / "passport.json")
