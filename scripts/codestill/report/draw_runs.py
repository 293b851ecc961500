"""Figures of the work itself: loss curves of the cells, and when each job ran."""

import itertools

from codestill.report.draw_models import caption_of, shown_settings
from codestill.report.style import COLUMN, GREEN, GREY, INK, LINES, PINK, RED, empty, paint
from codestill.report.timeline import held_hours

PANELS = (
    ("loss_ce", "CE (hard labels)"),
    ("loss_kl", "KL to the teacher at T = 1 (validation)"),
    ("loss_total", "objective"),
)


def one_quantity(logged):
    """The curves that may share a panel: in training, the divergence is logged at each cell's own T and kind."""
    return logged[(logged["measure"] != "loss_kl") | (logged["split"] == "validation")]


def curves(plt, tables):
    """CE, KL and total by step, mean over seeds: training as thin lines, validation as marked ones."""
    logged, frame = one_quantity(tables["curves"]), tables["settings"]
    figure, panels = plt.subplots(3, 1, figsize=(COLUMN, 5.4), sharex=True)
    rows = [row for row in shown_settings(frame) if row["role"] not in ("student", "teacher")]
    settings = tables["scores"].drop_duplicates("model").set_index("model")["setting"]
    logged = logged.assign(setting=logged["model"].map(settings))
    for axes, (measure, title) in zip(panels, PANELS, strict=True):
        part = logged[logged["measure"] == measure]
        if part.empty:
            empty(axes, "no curve logged yet")
            continue
        for row, colour in zip(rows, _colours(rows), strict=True):
            mean = part[part["setting"] == row["setting"]].groupby(["split", "step"])["value"].mean()
            _pair(axes, mean, colour, caption_of(row).replace("\n", " "))
        _finish(axes, title)
    panels[-1].set_xlabel("optimiser step")
    handles, labels = panels[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=1)
    return figure


def _colours(rows):
    """The chosen settings keep the colours of their role; the experiments share out the others."""
    others = itertools.cycle((GREEN, RED, PINK, GREY))
    return [next(others) if row["role"] == "distilled" else paint(row["role"])[0] for row in rows]


def _pair(axes, mean, colour, label):
    splits = mean.index.get_level_values("split")
    if "train" in splits:
        axes.plot(mean["train"].index, mean["train"].values, color=colour, linewidth=0.8, alpha=0.8, label=label)
    if "validation" in splits:
        kept = mean["validation"]
        own = label if "train" not in splits else None
        axes.plot(kept.index, kept.values, "o--", color=colour, markersize=3, linewidth=0.8, label=own)


def _finish(axes, title):
    axes.set_title(title)
    axes.set_ylabel("nats per target token")
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.6)
    low, high = axes.get_ylim()
    if low > 0 and high / low > 20:
        axes.set_yscale("log")


def cell_curves(plt, tables, model):
    """The three losses of one cell in one panel: training thin, validation dotted."""
    part = one_quantity(tables["curves"])
    part = part[part["model"] == model]
    figure, axes = plt.subplots(figsize=(COLUMN, 2.5))
    if part.empty:
        empty(axes, f"{model}: no curve logged yet")
        return figure
    for (measure, title), colour in zip(PANELS, LINES, strict=False):
        mean = part[part["measure"] == measure].groupby(["split", "step"])["value"].mean()
        if not mean.empty:
            _pair(axes, mean, colour, title)
    _finish(axes, model)
    axes.title.set_fontsize(7)
    axes.set_xlabel("optimiser step")
    axes.legend()
    return figure


def time_line(plt, tables):
    """A bar a job, from its start to its end, grouped by rule."""
    frame = tables["timeline"]
    if frame.empty:
        figure, axes = plt.subplots(figsize=(COLUMN, 1.6))
        empty(axes, "no job left a benchmark file to time")
        return figure
    rules = list(dict.fromkeys(frame.sort_values("start", kind="stable")["rule"]))
    figure, axes = plt.subplots(figsize=(COLUMN, 0.7 + 0.19 * len(rules)))
    for y, rule in enumerate(rules):
        part = frame[frame["rule"] == rule]
        bars = list(zip(part["start"] / 60, (part["end"] - part["start"]) / 60, strict=True))
        axes.broken_barh(bars, (y - 0.36, 0.72), color=paint("best distilled")[0], edgecolor="white", linewidth=0.4)
        held = held_hours(part).replace("-hours", "-h")
        told = ", ".join(filter(None, (f"{len(part)} x", f"{part['seconds'].sum():,.0f} s", held)))
        axes.text(1, y, told, transform=axes.get_yaxis_transform(), ha="right", va="center", fontsize=6, color=INK)
    axes.set_yticks(range(len(rules)), rules)
    axes.set_ylim(len(rules) - 0.4, -0.6)
    axes.set_xlabel("minutes since the first job")
    axes.set_xlim(0, frame["end"].max() / 60 * 2.4 + 1e-9)
    return figure
