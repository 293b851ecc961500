"""What is compared: a model, an experiment, or the chosen cell of a whole study, from a report or an archive."""

import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from codestill.kit.files import read_json
from codestill.kit.program import UserError
from codestill.report.evidence import Evidence, planned_design
from codestill.report.passports import load
from codestill.report.results import find_results
from codestill.report.table import read_csv


@dataclass(frozen=True)
class ComparedSetting:
    """One side of a comparison: its name, its models' setting and its parameters.

    evidence: of its whole study, in which these models are the setting called `name`. measures: (benchmark, measure).
    """

    name: str
    setting: str
    models: tuple
    evidence: object
    measures: tuple
    parameters: dict


def load_side(spec, results=None):
    """The side that `spec` names: `NAME` in `results`, `PATH` or `PATH::NAME`.

    PATH is a study's results folder or an archive of one; NAME a model, a chosen alias, or an experiment of one
    setting; without a name the distilled cell chosen on validation. Raises UserError where it names nothing.
    """
    if not spec:
        raise UserError("both sides need a name: make compare A=... B=..., each a cell, experiment, archive or folder")
    path, _, name = spec.rpartition("::") if "::" in spec else (None, None, spec)
    if path is None and (spec.endswith((".tar.gz", ".tgz")) or Path(spec).is_dir()):
        path, name = spec, "best_distilled"
    if path is None:
        return _side(find_results(results), name, name)
    if Path(path).is_dir():
        return _side(find_results(path), name, spec)
    with tempfile.TemporaryDirectory() as folder:
        unpack(path, folder)
        return _side(Path(folder), name, spec)


def unpack(archive, folder):
    """Unpack an archive of a study into `folder`. Raises UserError where it is not one."""
    try:
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
    except (OSError, tarfile.TarError) as error:
        raise UserError(f"{archive}: not an archive of a study ({error}); write one with scripts/archive.py") from None
    if not (Path(folder) / "study.json").exists():
        raise UserError(f"{archive}: holds no study.json; write it again with scripts/archive.py")


def _side(folder, name, label):
    study = read_json(folder / "study.json")
    scores, problems = (read_csv(folder / "report" / f"{table}.csv") for table in ("scores", "problems"))
    part = scores[_named(study, scores, name)]
    if part.empty:
        known = ", ".join([*scores["model"].unique()[:6], *study.get("experiments", {})])
        raise UserError(f"{label}: nothing called {name!r} in study {study['study']}; it has {known}, ...")
    settings = list(dict.fromkeys(part["setting"]))
    if len(settings) > 1:
        raise UserError(f"{name}: has {len(settings)} settings ({'; '.join(settings)}); name one of their cells")
    models = tuple(dict.fromkeys(part["model"]))
    measures = tuple(part[["benchmark", "measure"]].drop_duplicates().itertuples(index=False, name=None))
    scores.loc[scores["model"].isin(models), "setting"] = label  # one cell of a setting is compared as itself
    language = {path.stem: read_json(path) for path in sorted((folder / "language").glob("*.json"))}
    evidence = Evidence(scores, problems, planned_design(study), language.get)
    return ComparedSetting(label, settings[0], models, evidence, measures, _parameters(study, models[0], folder))


def _named(study, scores, name):
    """Which rows `name` means. A chosen alias means all seeds of that setting, the fresh ones where it has some."""
    fresh = [model for model, one in study["models"].items() if one["role"] == "fresh" and one["of"] == name]
    if scores["model"].isin(fresh).any():
        return scores["model"].isin(fresh)
    if name in study.get("experiments", {}):
        return scores["model"].isin(study["experiments"][name])
    chosen = scores["chosen"].str.split().map(lambda names: name in names)
    if chosen.any():
        return scores["setting"].isin(scores[chosen]["setting"].unique())
    return scores["model"] == name


def _parameters(study, model, folder):
    """{field: value} that made a model: the axes of its cell, and the config's flat fields."""
    config = study.get("config", {})
    flat = dict(_flat({key: value for key, value in config.items() if key not in ("experiments", "sweeps", "study")}))
    entry = study["models"].get(model, {})
    cell = entry.get("cell") or (load(folder / "report")["models"][model]["axes"] if "rank" in entry else {})
    for part in ("training", "distillation"):
        for axis in cell:
            flat.pop(f"{part}.{axis}", None)
    return flat | {axis: value for axis, value in cell.items() if axis != "seed"}


def _flat(mapping, prefix=""):
    for key, value in mapping.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
