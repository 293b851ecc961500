"""The figures of a study, each drawn from the tables of its report folder alone."""

from pathlib import Path

from codestill.kit.program import progress
from codestill.report import draw_grid, draw_models, draw_runs, family, ladder, style
from codestill.report.table import read_csv

# name: (what draws it, title). All are always written; one without data says so in its panel.
FIGURES = {
    "family": (family.draw, "Which model is made from which"),
    "pass_at_k": (draw_models.pass_at_k, "pass@k by model"),
    "paired_differences": (draw_models.paired_differences, "Difference from fine-tuning alone"),
    "heat_map": (draw_grid.heat_map, "Temperature and alpha"),
    "curves": (draw_runs.curves, "CE, KL and total loss in training"),
    "quality_cost": (draw_grid.quality_cost, "Quality against size and speed"),
    "ladder": (ladder.draw, "The ladder of compression"),
    "funnel": (draw_models.funnel, "How far completions get"),
    "time_line": (draw_runs.time_line, "Time line of the run"),
}
TABLES = ("scores", "settings", "comparisons", "ladder", "family", "curves", "timeline")


def load_tables(folder):
    """{name: data frame} of the tables that figures are drawn from. Raises UserError for one that is missing."""
    return {name: read_csv(Path(folder) / f"{name}.csv") for name in TABLES}


def draw(tables, folder, names=None, note=None):
    """Write the figures `names` (all by default) into `folder`, `note` in their metadata; returns {name: paths}."""
    plt = style.start()
    made = {}
    for name in names or FIGURES:
        figure = FIGURES[name][0](plt, tables)
        made[name] = style.save(figure, Path(folder), name, note)
        plt.close(figure)
    return made


def draw_cells(tables, names, folder, note=None):
    """Write the loss curves of each cell in `names` as <cell>/curves.svg in `folder`; returns the paths."""
    plt, paths = style.start(), []
    for name in progress(names, desc="cells", unit="cell"):
        figure = draw_runs.cell_curves(plt, tables, name)
        paths += style.save(figure, Path(folder) / name, "curves", note, formats=("svg",))
        plt.close(figure)
    return paths
