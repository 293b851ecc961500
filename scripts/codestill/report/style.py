"""One look for all figures: colour-blind-safe, legible at column width, the same bytes for the same data."""

import io

from codestill.kit.files import atomic

COLUMN = 3.35  # inches: one column of a two-column page. Every figure is drawn to be printed at this width.
FORMATS = ("png", "pdf", "svg")
# Okabe & Ito's palette, told apart under the common colour blindnesses; roles differ in marker as well.
INK, GREY, ORANGE, SKY, GREEN, BLUE, RED, PINK = (
    "#222222", "#8a8a8a", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
ROLES = {
    "teacher": (INK, "s", "teacher"),
    "student": (GREY, "X", "student before"),
    "alone": (ORANGE, "^", "fine-tuned alone"),
    "best alone": (ORANGE, "^", "fine-tuned alone"),
    "distilled": (SKY, "o", "distilled"),
    "best distilled": (BLUE, "D", "best distilled"),
}
LINES = (BLUE, ORANGE, GREEN, RED, PINK, SKY, INK, GREY)
HEAT = "cividis"

_RC = {
    "font.family": "DejaVu Sans",
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 7.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.edgecolor": "#666666",
    "axes.linewidth": 0.7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.color": "#444444",
    "ytick.color": "#222222",
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.5,
    "figure.dpi": 100,
    "savefig.dpi": 220,
    "svg.hashsalt": "codestill",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
    "figure.constrained_layout.use": True,
}


def start():
    """Set the style and return pyplot, on a backend that needs no display."""
    import matplotlib

    matplotlib.use("Agg", force=True)
    import matplotlib.pyplot as plt

    plt.rcdefaults()
    plt.rcParams.update(_RC)
    return plt


def paint(role):
    """(colour, marker, name) of a role."""
    return ROLES.get(role, (SKY, "o", role))


def empty(axes, why):
    """Say in the panel why it shows nothing: missing is never drawn as zero."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, why, ha="center", va="center", color=GREY, transform=axes.transAxes, wrap=True)


def save(figure, folder, name, passport=None, formats=FORMATS):
    """Write `name` in `formats`, with `passport` (short text) in the metadata; returns the paths.

    Dates and producers are left out of the metadata, so that the same figure has the same bytes.
    """
    figure.canvas.draw()
    figure.set_layout_engine("none")  # solved once, not again for each format
    paths = []
    for kind in formats:
        note = {"png": "Description", "pdf": "Subject", "svg": "Description"}[kind]
        metadata = {note: passport or "codestill", "Title": name}
        metadata |= {"pdf": {"CreationDate": None, "Producer": None, "Creator": "codestill"}}.get(kind, {})
        metadata |= {"svg": {"Date": None, "Creator": "codestill"}, "png": {"Software": None}}.get(kind, {})
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, metadata=metadata)
        path = folder / f"{name}.{kind}"
        with atomic(path, "wb") as handle:
            handle.write(buffer.getvalue())
        paths.append(path)
    return paths
