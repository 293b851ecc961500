"""The pages: table.md and the self-contained index.html, from the story and the figures."""

import base64
from pathlib import Path

from codestill.kit.files import atomic
from codestill.report import ladder_chart, passports
from codestill.report.measures import show, show_interval, show_p, title
from codestill.report.table import setting_label
from codestill.study.recipe_names import CORPUS
from codestill.study.recipe_words import recipe_words

TEMPLATES = Path(__file__).resolve().parent / "templates"


def environment(escape):
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=escape,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    made.filters["signed"] = lambda value: "missing" if value is None or value != value else f"{value:+.3f}"
    made.filters["p"] = lambda value: "" if value is None or value != value else show_p(value)
    made.filters["percent"] = lambda share: "" if share is None else f"{100 * share:.0f} %"
    return made


def measure_label(name):
    """`pocket pass@1` as it is; the label of a measure without a benchmark, with its unit."""
    return name if " " in name else title(name)


def cell_rows(results, tables):
    """(columns, rows) of the sortable table of all models: text to show and value to sort by."""
    frame = tables["scores"]
    measures = [("", "eval_loss"), ("", "bits_per_byte"), *[(name, "pass@1") for name in results.benchmarks]]
    texts = {model.name: recipe_words(model.axes) for model in results.models if "alpha" in model.axes}
    recipes = any(text != CORPUS for text in texts.values())
    columns = [
        "model",
        "T",
        "alpha",
        *(["recipe"] if recipes else []),
        "seed",
        *[f"{a} {b}" if a else title(b) for a, b in measures],
    ]
    rows = []
    indexed = {
        (row["model"], row["benchmark"], row["measure"]): row
        for row in frame[frame["measure"].isin(("eval_loss", "bits_per_byte", "pass@1"))].to_dict("records")
    }
    for model in results.models:
        axes = [model.axes.get(axis) for axis in ("temperature", "alpha", "seed")]
        shown = [("–" if v is None else f"{v:g}", "" if v is None else v) for v in axes]
        if recipes:
            shown[2:2] = [(texts.get(model.name, "–"), texts.get(model.name, ""))]
        cells = [(model.name, model.name), *shown]
        for benchmark, measure in measures:
            row = indexed.get((model.name, benchmark, measure))
            if row is None:
                cells.append((results.absence(model, benchmark, measure), ""))
                continue
            interval = show_interval(row["low"], row["high"], row["unit"])
            cells.append((f"{show(row['value'], row['unit'])} {interval}".strip(), row["value"]))
        rows.append({"name": model.name, "cells": cells, "chosen": " ".join(model.chosen)})
    return columns, rows


def write_markdown(story, path):
    """Write table.md; returns its text."""
    text = environment(False).get_template("table.md.j2").render(**story, label=measure_label)
    with atomic(path) as handle:
        handle.write(text)
    return text


def write_page(story, results, tables, folder, passport):
    """Write index.html, figures inside it, so that it needs nothing beside it."""
    columns, rows = cell_rows(results, tables)
    pictures = {one["name"]: _inline(Path(folder) / "figures" / f"{one['name']}.svg") for one in story["figures"]}
    page = environment(True).get_template("page.html.j2")
    text = page.render(
        **story,
        pictures=pictures,
        rungs=ladder_chart.panels(tables),
        chart=ladder_chart,
        all_columns=columns,
        all_rows=rows,
        label=measure_label,
        passport=passports.summary(passport),
        origins={name: facts for name, facts in passport["models"].items() if len(facts) > 1},
        first_rows={setting_label(results, model): model.name for model in reversed(results.models)},
        styles=(TEMPLATES / "page.css").read_text(encoding="utf-8"),
        program=(TEMPLATES / "page.js").read_text(encoding="utf-8"),
    )
    with atomic(Path(folder) / "index.html") as handle:
        handle.write(text)


def _inline(path):
    return "data:image/svg+xml;base64," + base64.b64encode(path.read_bytes()).decode()
