"""Figures that set models beside each other: pass@k, paired differences, the validity funnel."""

from codestill.grading.funnel import FUNNEL
from codestill.report.comparisons import CONTROL
from codestill.report.measures import pass_at
from codestill.report.style import COLUMN, GREY, INK, LINES, empty, paint

ORDER = ("teacher", "student", "best alone", "best distilled")


def shown_settings(frame):
    """The settings that a figure names, in reading order: baselines, the chosen ones, then the experiments'."""
    heads = frame.drop_duplicates("setting")
    first = [row for role in ORDER for _, row in heads[heads["role"] == role].iterrows()]
    if not (heads["role"] == "best alone").any():
        first += [row for _, row in heads[heads["role"] == "alone"].head(1).iterrows()]
    names = [row["setting"] for row in first]
    asked = heads[(heads["of"] != "") & ~heads["setting"].isin(names)]
    return first + [row for _, row in asked.sort_values("of", kind="stable").iterrows()]


def caption_of(row):
    """`best distilled, experiment 2 (T 2.5, alpha 0.5)`, `experiment 1 (T 3, alpha 0)`, `teacher`."""
    label = paint(row["role"])[2]
    if row["role"] in ("teacher", "student"):
        return label
    asked = row["of"].split(" ")[0].replace("_", " ")
    asked = f"experiment {asked}" if asked.isdigit() else asked
    label = asked if asked and row["role"] == "distilled" else f"{label}, {asked}" if asked else label
    return f"{label}\n({row['setting']})"


def pass_at_k(plt, tables):
    """Dots with 95 % intervals: a panel a benchmark, a row a setting, a colour a k."""
    frame = tables["settings"]
    frame = frame[frame["measure"].isin(pass_at(frame["measure"].unique()))]
    benchmarks = list(dict.fromkeys(frame["benchmark"]))
    if not benchmarks:
        figure, axes = plt.subplots(figsize=(COLUMN, 1.6))
        empty(axes, "nothing graded yet")
        return figure
    rows = shown_settings(frame)
    size = (COLUMN, 0.5 + (0.55 + 0.29 * len(rows)) * len(benchmarks))
    figure, panels = plt.subplots(len(benchmarks), 1, figsize=size, squeeze=False)
    ks, named = pass_at(frame["measure"].unique()), {}
    for axes, benchmark in zip(panels[:, 0], benchmarks, strict=True):
        named |= _dots(axes, frame[frame["benchmark"] == benchmark], rows, ks)
        axes.set_title(benchmark)
        axes.set_yticks(range(len(rows)), [caption_of(row) for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
    panels[-1][0].set_xlabel("share of problems,\n95 % interval")
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=4)
    return figure


def _dots(axes, frame, rows, ks):
    """The dots of one benchmark; returns {k: handle} for the legend."""
    named = {}
    present = [k for k in ks if (frame["measure"] == k).any()]
    for place, k in enumerate(present):
        colour = LINES[ks.index(k) % len(LINES)]
        part = frame[frame["measure"] == k].set_index("setting")
        shift = (place - (len(present) - 1) / 2) * 0.22
        points = [(y, part.loc[row["setting"]]) for y, row in enumerate(rows) if row["setting"] in part.index]
        heights, shares = [y + shift for y, _ in points], [point["value"] for _, point in points]
        look = {"marker": "os^Dv"[ks.index(k) % 5], "linestyle": "", "color": colour, "zorder": 3, "markersize": 4}
        named[k] = axes.plot(shares, heights, **look)[0]
        axes.hlines(
            heights,
            [point["low"] for _, point in points],
            [point["high"] for _, point in points],
            color=colour,
            linewidth=1.1,
        )
    for y, row in enumerate(rows):
        if row["setting"] not in set(frame["setting"]):
            axes.text(
                0.02, y, "not judged", color=GREY, va="center", transform=axes.get_yaxis_transform(), fontsize=6.5
            )
    axes.set_xlim(left=min(0, axes.get_xlim()[0]))
    axes.set_axisbelow(True)
    axes.grid(axis="x", color="#e4e4e4", linewidth=0.6)
    return named


def paired_differences(plt, tables):
    """Forest plot: pass@1 less that of the student fine-tuned alone, on the same problems."""
    frame = tables["comparisons"]
    frame = frame[frame["role"].isin(("best distilled", "distilled", "alone")) & (frame["measure"] == "pass@1")]
    frame = frame[frame["low"].notna() & (frame["label"] != CONTROL)]
    benchmarks = list(dict.fromkeys(frame["benchmark"]))
    if not benchmarks:
        figure, axes = plt.subplots(figsize=(COLUMN, 1.6))
        empty(axes, "no setting is graded beside the student fine-tuned alone yet")
        return figure
    counts = [len(frame[frame["benchmark"] == benchmark]) for benchmark in benchmarks]
    height = sum(0.75 + 0.19 * count for count in counts)
    figure, panels = plt.subplots(
        len(benchmarks), 1, figsize=(COLUMN, height), squeeze=False, height_ratios=[2.5 + c for c in counts]
    )
    for axes, benchmark in zip(panels[:, 0], benchmarks, strict=True):
        _forest(axes, frame[frame["benchmark"] == benchmark].sort_values("difference", kind="stable"), benchmark)
    return figure


def _forest(axes, rows, benchmark):
    for y, (_, row) in enumerate(rows.iterrows()):
        head = row["label"] == "headline"
        colour = paint("best distilled")[0] if head else INK
        axes.hlines(y, row["low"], row["high"], color=colour, linewidth=2.0 if head else 1.0)
        face = colour if head else "white"
        axes.plot(row["difference"], y, "D" if head else "o", color=colour, markerfacecolor=face, zorder=3)
    axes.axvline(0, color=GREY, linewidth=0.8, zorder=0)
    names = [row["setting"] + (" (chosen)" if row["label"] == "headline" else "") for _, row in rows.iterrows()]
    axes.set_yticks(range(len(rows)), names)
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.set_title(f"{benchmark}, {int(rows['units'].iloc[0])} problems")
    axes.set_xlabel("pass@1 less fine-tuned alone\n(right: distillation is better)")
    axes.locator_params(axis="x", nbins=5)
    low, high = axes.get_xlim()
    reach = max(abs(low), abs(high), 0.005)
    axes.set_xlim(-reach, reach)


def funnel(plt, tables):
    """Share of samples that reach each stage: a panel a benchmark, a line for each of the four main models."""
    frame = tables["settings"]
    frame = frame[frame["measure"].str.startswith("funnel.")]
    benchmarks = list(dict.fromkeys(frame["benchmark"]))
    if not benchmarks:
        figure, axes = plt.subplots(figsize=(COLUMN, 1.6))
        empty(axes, "nothing graded yet")
        return figure
    present = frame["measure"].str.removeprefix("funnel.").unique()
    stages = [stage for stage in FUNNEL if stage in present] + [one for one in present if one not in FUNNEL]
    size = (COLUMN, 0.95 + 1.45 * len(benchmarks))
    figure, panels = plt.subplots(len(benchmarks), 1, figsize=size, sharex=True, squeeze=False)
    named = {}
    for axes, benchmark in zip(panels[:, 0], benchmarks, strict=True):
        part = frame[frame["benchmark"] == benchmark]
        for row in shown_settings(part)[:4]:
            values = part[part["setting"] == row["setting"]].set_index("measure")["value"]
            colour, marker, name = paint(row["role"])
            named[name] = axes.plot(
                range(len(stages)),
                [values.get(f"funnel.{stage}") for stage in stages],
                marker=marker,
                color=colour,
                label=name,
                alpha=0.9,
            )[0]
        axes.set_xticks(range(len(stages)), [stage.replace("_", " ") for stage in stages], rotation=30, ha="right")
        axes.set_ylim(-0.03, 1.03)
        axes.set_title(benchmark)
        axes.grid(axis="y", color="#e4e4e4", linewidth=0.6)
        axes.set_ylabel("share of samples")
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=2)
    return figure
