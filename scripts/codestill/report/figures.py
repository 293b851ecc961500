"""The figures of a study, each drawn from the tables of its report folder alone."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from codestill.kit.program import progress
from codestill.report import draw_grid, draw_models, draw_runs, family, ladder, style
from codestill.report.table import read_csv


@dataclass(frozen=True)
class Figure:
    """What draws it from the tables; its title and caption on the page; the parts of the results that it is from."""

    draw: Callable
    title: str
    caption: str
    reads: tuple = ()


# All are always written; one without data says so in its panel.
FIGURES = {
    "family": Figure(
        family.draw,
        "Which model is made from which",
        caption="Every model of the study. Solid: what it starts from, is a part of, or was chosen among; dashed: who "
        "teaches it. Cells with the same of both share a box, which says how many settings and seeds they are.",
    ),
    "pass_at_k": Figure(
        draw_models.pass_at_k,
        "pass@k by model",
        caption="pass@k of the baselines, the chosen settings and the experiments, with 95 % intervals over problems "
        "and, where there are several, seeds (Korn and Graubard). Where nothing passed, the bar ends at the upper "
        "bound of the exact interval.",
        reads=("scores",),
    ),
    "paired_differences": Figure(
        draw_models.paired_differences,
        "Difference from fine-tuning alone",
        caption="pass@1 less that of the student fine-tuned alone, on the same problems, with 95 % intervals over "
        "problems and seeds (min F'); of one seed, over problems alone. Filled: the chosen setting. Hollow: "
        "exploratory, not corrected here.",
        reads=("scores",),
    ),
    "heat_map": Figure(
        draw_grid.heat_map,
        "Temperature and alpha",
        caption="Means over seeds at each temperature T and alpha, ± the deviation over seeds; brighter is better. "
        "Framed: the setting chosen on validation. Alpha 1 has no teacher and so no T: its one number stands in "
        "every row. A dash is a setting that was not run.",
        reads=("scores", "eval_results"),
    ),
    "curves": Figure(
        draw_runs.curves,
        "CE, KL and total loss in training",
        caption="Cross-entropy in training (lines) and on validation (dots), KL to the teacher at T = 1 on validation, "
        "and the objective that each cell was trained on, means over seeds. Objectives of different T, alpha or "
        "divergence are different quantities: compare CE and KL.",
        reads=("trainer_state",),
    ),
    "quality_cost": Figure(
        draw_grid.quality_cost,
        "Quality against size and speed",
        caption="Quality (means over seeds, with 95 % intervals of the main models) against parameters and speed; the "
        "dashed line joins models that no other beats in both. Models of one architecture are timed once.",
        reads=("scores", "language", "efficiency"),
    ),
    "ladder": Figure(
        ladder.draw,
        "The ladder of compression",
        caption="Each model's weights on disk against its quality, on a logarithmic axis; the dashed line joins models "
        "that no other beats in both. Variants, healed students and later generations stand beside what they came "
        "of; of plain cells only the chosen ones. A bar is the 95% interval of the difference from what a model was "
        "made of, on the same problems.",
        reads=("scores", "language", "efficiency"),
    ),
    "funnel": Figure(
        draw_models.funnel,
        "How far completions get",
        caption="Share of samples that reach each stage on the way to passing, each stage within the one before.",
        reads=("scores",),
    ),
    "time_line": Figure(
        draw_runs.time_line,
        "Time line of the run",
        caption="When each rule's jobs ran, how many there were, their seconds together, and the GPU-hours or "
        "core-hours that they held.",
    ),
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
        figure = FIGURES[name].draw(plt, tables)
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
