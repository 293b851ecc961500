"""What a notebook asks of a study: its tidy table, and all that is known of one cell."""

import warnings
from dataclasses import dataclass
from pathlib import Path

from codestill.kit.program import UserError
from codestill.report.results import Results, find_results

# Short names that people write for an axis.
ALIASES = {"T": "temperature", "lr": "learning_rate"}


@dataclass(frozen=True)
class LoadedCell:
    """One cell of a study: `folder` of its weights, `scores` (table rows), `curves` (by step), `provenance`."""

    name: str
    axes: dict
    folder: Path
    scores: object
    curves: object
    provenance: dict | None


def load_scores(results=None):
    """The tidy table of a study as a data frame, one row per model x benchmark x measure.

    `results` is the study's folder, found where only one exists. It is read from the files as they stand, so it
    works in a half-finished study. Raises UserError where no study is found.
    """
    from codestill.report.table import score_frame

    study = _load(results)
    frame = score_frame(study)
    _warn(study)
    return frame


def load_cell(results=None, model=None, **axes):
    """The one cell with these axes, as `load_cell(temperature=2, alpha=0.5)`, or of this name.

    An axis left out takes the value of the study's default cell, where that leaves one cell; the seed left out is
    the study's first. Raises UserError where no cell or more than one fits.
    """
    import pandas

    from codestill.report.table import curve_frame, score_frame

    study = _load(results)
    cell = study.by_name.get(model) if model else _the_cell(study, axes)
    if cell is None:
        raise UserError(f"{study.folder}/study.json: no model {model!r}; it has {', '.join(study.by_name)}")
    scores, curves = score_frame(study), curve_frame(study)
    _warn(study)
    return LoadedCell(
        name=cell.name,
        axes=cell.axes,
        folder=study.folder / "models" / cell.name,
        scores=scores[scores["model"] == cell.name].reset_index(drop=True),
        curves=pandas.DataFrame(curves[curves["model"] == cell.name]).reset_index(drop=True),
        provenance=study.trained(cell, "provenance"),
    )


def _load(results):
    folder = find_results(results)
    return Results.load(folder / "study.json", folder)


def _warn(study):
    for why in sorted(study.damaged.values()):
        warnings.warn(f"left out: {why}", stacklevel=3)


def _the_cell(study, axes):
    axes = {ALIASES.get(axis, axis): value for axis, value in axes.items()}
    unknown = sorted(set(axes) - set(study.axes))
    if unknown:
        raise UserError(f"no axis {', '.join(unknown)} in study {study.name}; it has {', '.join(study.axes)}")
    cells = [model for model in study.models if model.role == "cell"]
    fitting = [cell for cell in cells if all(cell.axes.get(axis) == value for axis, value in axes.items())]
    for axis, usual in study.defaults.items():
        kept = [cell for cell in fitting if cell.axes.get(axis) == usual]
        if axis not in axes and kept:
            fitting = kept
    if len(fitting) == 1:
        return fitting[0]
    asked = ", ".join(f"{axis}={value}" for axis, value in axes.items()) or "no axis"
    if not fitting:
        raise UserError(f"no cell of study {study.name} has {asked}")
    names = ", ".join(cell.name for cell in fitting)
    raise UserError(f"{asked} fits {len(fitting)} cells of study {study.name} ({names}): name one more axis")
