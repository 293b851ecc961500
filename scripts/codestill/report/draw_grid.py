"""Figures over the grid: the T x alpha heat map, and quality against what a model costs."""

import textwrap

from codestill.report.measures import describe
from codestill.report.style import COLUMN, GREY, HEAT, RED, empty, paint
from codestill.report.table import SHORT
from codestill.study.recipe_names import CORPUS
from codestill.study.recipe_words import TOLD, recipe_words

FREE = ("T", "alpha")
TITLE = 52  # letters of a title's line


def _cells(frame):
    """(rows of cells, their axes but T and alpha) of the table of settings."""
    names = list(frame.columns)
    axes = names[names.index("of") + 1 : names.index("benchmark")]
    cells = frame[frame["alpha"].notna()] if "alpha" in frame else frame.iloc[:0]
    return cells, [axis for axis in axes if axis not in FREE]


def usual_part(frame):
    """The rows of cells whose other axes have the study's usual value: the plane of T and alpha."""
    cells, axes = _cells(frame)
    for axis in axes:
        if cells.empty:
            continue
        values = cells.loc[cells["T"].notna(), axis].dropna() if "T" in cells else cells[axis].dropna()
        if not values.empty:
            usual = values.mode().iloc[0]
            cells = cells[(cells[axis] == usual) | cells[axis].isna()]
    return cells


def fixed_words(frame, plane):
    """`recipe corpus, init weights`: what the cells of the plane share of the axes that vary in the study, in words.

    The recipe is told wherever a cell learns from another text than the corpus alone.
    """
    cells, axes = _cells(frame)
    told = {}
    for axis in axes:
        values = plane.loc[plane["T"].notna(), axis].dropna()
        if not values.empty and cells[axis].dropna().nunique() > 1:
            told[axis] = values.iloc[0]
    words = [f"{SHORT.get(axis, axis)} {_shown(value)}" for axis, value in told.items() if axis not in TOLD]
    recipes = [axis for axis in TOLD if axis in axes]
    texts = {recipe_words(_known(row)) for row in cells[["alpha", *recipes]].to_dict("records")}
    if texts - {CORPUS}:
        shared = plane[plane["T"].notna()][["alpha", *recipes]].to_dict("records")
        words = [f"recipe {next(map(recipe_words, map(_known, shared)))}", *words]
    return ", ".join(words)


def _known(row):
    return {name: value for name, value in row.items() if value == value}


def _shown(value):
    return f"{value:g}" if isinstance(value, float) else str(value)


def heat_measures(cells):
    """(benchmark, measure) worth a map: validation CE, then pass@1 wherever two or more settings have it."""
    found = []
    for benchmark, measure in [("", "eval_loss"), *[(name, "pass@1") for name in dict.fromkeys(cells["benchmark"])]]:
        part = cells[(cells["benchmark"] == benchmark) & (cells["measure"] == measure)]
        if part["T"].notna().sum() >= 3 and (benchmark or measure == "eval_loss"):
            found.append((benchmark, measure))
    return found


def heat_map(plt, tables):
    """Mean over seeds at each T and alpha, with its number and the spread of seeds in the cell."""
    cells = usual_part(tables["settings"])
    found = heat_measures(cells) if "T" in cells else []
    if not found:
        figure, axes = plt.subplots(figsize=(COLUMN, 1.6))
        empty(axes, "fewer than three points of T and alpha are measured yet")
        return figure
    temperatures, alphas = sorted(cells["T"].dropna().unique()), sorted(cells["alpha"].unique())
    size = (max(COLUMN, 0.8 + 0.45 * len(alphas)), (0.85 + 0.34 * len(temperatures)) * len(found))
    figure, panels = plt.subplots(len(found), 1, figsize=size, squeeze=False)
    fixed = textwrap.wrap(fixed_words(tables["settings"], cells), TITLE)
    for axes, (benchmark, measure) in zip(panels.flat, found, strict=True):
        part = cells[(cells["benchmark"] == benchmark) & (cells["measure"] == measure)]
        _map(axes, part, temperatures, alphas)
        known = describe(measure)
        title = f"{measure} on {benchmark}" if benchmark else f"{known.label} ({known.unit})"
        axes.set_title("\n".join([title, *fixed]))
    return figure


def _map(axes, part, temperatures, alphas):
    import numpy

    grid = numpy.full((len(temperatures), len(alphas)), numpy.nan)
    rows = {}
    for _, row in part.iterrows():
        # alpha 1 has no T: its one number stands in every row of its column.
        own = range(len(temperatures)) if row["T"] != row["T"] else [temperatures.index(row["T"])]
        for y in own:
            place = y, alphas.index(row["alpha"])
            grid[place], rows[place] = row["value"], row
    less = describe(part["measure"].iloc[0]).better == "less"
    axes.imshow(grid, cmap=HEAT + ("_r" if less else ""), aspect="auto", origin="lower")
    middle = (numpy.nanmin(grid) + numpy.nanmax(grid)) / 2
    for (y, x), value in numpy.ndenumerate(grid):
        if numpy.isnan(value):
            axes.text(x, y, "–", ha="center", va="center", color=GREY, fontsize=7)
            continue
        row, colour = rows[y, x], "white" if (value > middle if less else value < middle) else "black"
        spread = "" if row["sd"] != row["sd"] else f"\n±{row['sd']:.3f}"
        axes.text(x, y, f"{value:.3f}{spread}", ha="center", va="center", color=colour, fontsize=6.5, linespacing=1.1)
        if row["role"] == "best distilled":
            _frame(axes, x, y)
    axes.set_xticks(range(len(alphas)), [f"{alpha:g}" + ("\n(no T)" if alpha == 1 else "") for alpha in alphas])
    axes.set_yticks(range(len(temperatures)), [f"{one:g}" for one in temperatures])
    axes.set_xlabel("alpha (weight of the hard labels)")
    axes.set_ylabel("temperature T")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def _frame(axes, x, y):
    """Mark the setting that was chosen."""
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((x - 0.47, y - 0.45), 0.94, 0.9, fill=False, edgecolor=RED, linewidth=1.6))


def quality_measure(frame):
    """(benchmark, measure) that stands for quality: pass@1 where models differ in it, else bits per byte."""
    for benchmark in dict.fromkeys(frame["benchmark"]):
        values = frame[(frame["benchmark"] == benchmark) & (frame["measure"] == "pass@1")]["value"]
        if benchmark and len(values) > 1 and values.nunique() > 1:
            return benchmark, "pass@1"
    return "", "bits_per_byte"


def quality_cost(plt, tables):
    """Two panels, quality against parameters and against tokens per second, with the Pareto front of each."""
    frame = tables["settings"]
    benchmark, quality = quality_measure(frame)
    figure, panels = plt.subplots(1, 2, figsize=(COLUMN, 2.9), sharey=True)
    speeds = [name for name in dict.fromkeys(frame["measure"]) if name.startswith("tokens_per_second")]
    named = {}
    for axes, (cost, less) in zip(panels, (("parameters", True), (speeds[0] if speeds else None, False)), strict=True):
        points = _points(frame, benchmark, quality, cost)
        if not points:
            empty(axes, f"{'size' if less else 'speed'} and quality are not both measured yet")
            continue
        for role, row, x in points:
            named |= _point(axes, role, row, x)
        _front(axes, points, less, describe(quality).better == "more")
        axes.margins(0.14)
        axes.set_xlabel("parameters\n(fewer is better)" if less else "tokens per second\n(more is better)")
        axes.grid(color="#e4e4e4", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.locator_params(axis="x", nbins=3)
        if less:
            axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1e6:g} M")
    where = f"{quality} on {benchmark}" if benchmark else "bits per byte (less is better)"
    (panels[0] if panels[0].axison else panels[1]).set_ylabel(where)
    if named:
        figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=2)
    return figure


def _point(axes, role, row, x):
    """One setting with its interval; returns {name: handle} for the legend."""
    colour, marker, name = paint(role)
    # Students share their size and speed: the chosen ones and the controls stay on top, and larger.
    front = 3 if role == "distilled" else 5
    look = {"markersize": front + 1, "markeredgecolor": "white", "markeredgewidth": 0.5, "zorder": front}
    if role != "distilled":
        axes.vlines(x, row["low"], row["high"], color=colour, linewidth=1, zorder=front - 1)
    return {name: axes.plot(x, row["value"], marker, color=colour, **look)[0]}


def _points(frame, benchmark, quality, cost):
    """(role, row of its quality as the mean over its seeds, cost) of each setting."""
    good = frame[(frame["benchmark"] == benchmark) & (frame["measure"] == quality)]
    price = frame[frame["measure"] == cost].set_index("setting")["value"]
    points = [(row["role"], row, price.get(row["setting"])) for _, row in good.iterrows()]
    return [point for point in points if point[2] is not None]


def _front(axes, points, less_cost, more_quality):
    """Join the points that no other beats in both cost and quality."""
    best, front = None, []
    places = [(x, row["value"]) for _, row, x in points]
    for x, y in sorted(places, key=lambda p: (p[0] if less_cost else -p[0], -p[1] if more_quality else p[1])):
        if best is None or (y > best if more_quality else y < best):
            best = y
            front.append((x, y))
    axes.plot(*zip(*front, strict=True), color=GREY, linewidth=0.9, linestyle="--", zorder=1)
