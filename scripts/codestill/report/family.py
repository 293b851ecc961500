"""Which model is made from which: cells that are made alike are one box, so that any study is a picture."""

from codestill.report.ladder import made_words
from codestill.report.results import LATER
from codestill.report.table import SHORT
from codestill.study.recipe_names import CORPUS
from codestill.study.recipe_words import TOLD, recipe_words

COLUMNS = ["box", "kind", "words", "models", "starts_from", "taught_by"]
TRAINED = ("cell", *LATER)
LATER_WORDS = {"finalist": "finalists", "fresh": "chosen, fresh seeds"}
WORDS = {"teacher": "the teacher", "student": "the student"}
MOST_VALUES = 3  # of an axis that a box names; of more, the ends


def family_rows(results):
    """A row of COLUMNS for each box: a model, or all cells that start from one box and learn from one."""
    box_of, boxes = {}, {}
    for name in _in_order(results):
        kind = results.study["models"][name]["role"]
        start, teacher = (box_of.get(one, "") for one in _parents(results, name))
        key = (kind, start, teacher) if kind in TRAINED else name
        box = boxes.setdefault(
            key, {"box": name, "kind": kind, "names": [], "starts_from": start, "taught_by": teacher}
        )
        box["names"].append(name)
        box_of[name] = box["box"]
    for row in boxes.values():
        names = row.pop("names")
        yield row | {"words": _words(results, row["kind"], names), "models": len(names)}


def _in_order(results):
    """The names of all models, each after those that it is made from; a chosen one only where others come of it."""
    needed = {need for needs in results.study.get("made_from", {}).values() for need in needs}
    roles = {name: entry["role"] for name, entry in results.study["models"].items()}
    order = {}

    def add(name):
        if name in roles and name not in order:
            for need in _parents(results, name):
                add(need)
            order[name] = None

    for name, role in roles.items():
        if role != "chosen" or name in needed:
            add(name)
    return list(order)


def _parents(results, name):
    """(what a model starts from, is a part of or was chosen among, what teaches it); "" without."""
    role = results.study["models"][name]["role"]
    needs = results.study.get("made_from", {}).get(name)
    if needs is None:  # of a study that was resolved before models could be made from any other
        needs = ["student", *([] if results.by_name[name].alone else ["teacher"])] if role == "cell" else []
    return (needs[0] if needs else ""), (needs[1] if role in TRAINED and len(needs) > 1 else "")


def _words(results, kind, names):
    """What stands in a box, lines joined by a bar."""
    name = names[0]
    if kind == "chosen":
        return f"{name.replace('_', ' ')}|chosen on validation"
    if kind in LATER:  # which settings they are shows when they are trained
        side = "distilled" if results.study["models"][name]["of"] == "best_distilled" else "fine-tuned alone"
        return f"{LATER_WORDS[kind]}, {side}|{len(names)} trainings"
    if kind == "cell":
        return "|".join([_count(results, names), *_axes(results, names), *_recipes(results, names)])
    model = results.by_name[name]
    config = results.study.get("config", {}).get(name)
    origin = str((config or {}).get("name") or "").split("/")[-1] if isinstance(config, dict) else ""
    size = (results.efficiency(model) or {}).get("parameters")
    lines = [WORDS.get(name, name), made_words(results, model) if kind == "variant" else origin]
    return "|".join(line for line in [*lines, f"{size / 1e6:.3g} M parameters" if size else ""] if line)


def _count(results, names):
    models = [results.by_name[name] for name in names]
    what = "fine-tuned alone" if all(model.alone for model in models) else "distilled"
    settings = len({model.setting for model in models})
    told = f"{settings} settings, " if 1 < settings < len(names) else ""
    return what if len(names) == 1 else f"{what}: {told}{len(names)} models"


def _axes(results, names):
    """A line for each axis that takes several values in a box, or that is never left out: temperature and alpha."""
    for axis in (axis for axis in results.axes if axis not in ("seed", "student", "teacher", *TOLD)):
        values = list(dict.fromkeys(results.by_name[name].axes.get(axis) for name in names))
        values = [value for value in values if value is not None]
        if len(values) > 1 or (values and axis in ("temperature", "alpha") and values != [1.0]):
            yield f"{SHORT.get(axis, axis)} {_shown(values)}"


def _recipes(results, names):
    """A line for each recipe of a box, or of more for the first two; none where all learn from the corpus alone."""
    found = list(dict.fromkeys(recipe_words(results.by_name[name].axes) for name in names))
    lines = [f"recipe {words}" for words in found if found != [CORPUS]]
    return lines if len(lines) <= MOST_VALUES else [*lines[:2], f"and {len(lines) - 2} recipes more"]


def _shown(values):
    numbers = all(isinstance(value, (int, float)) for value in values)
    values = sorted(values) if numbers else values
    texts = [f"{value:g}" if numbers else str(value) for value in values]
    if len(texts) <= MOST_VALUES:
        return ", ".join(texts)
    return f"{texts[0]} to {texts[-1]} ({len(texts)} values)" if numbers else f"{', '.join(texts[:2])}, ..."


def family_frame(results):
    import pandas

    return pandas.DataFrame(list(family_rows(results)), columns=COLUMNS)


def layers(rows):
    """{box: (layer, place in it)}: a layer below all that it is made from, near the middle of its parents."""
    parents = {row["box"]: [one for one in (row["starts_from"], row["taught_by"]) if one] for row in rows}
    depth = {}
    for box, above in parents.items():  # every row stands after those that it is made from
        depth[box] = 1 + max((depth[one] for one in above), default=-1)
    placed, ordered = {}, {}
    for box in parents:
        ordered.setdefault(depth[box], []).append(box)
    for layer in sorted(ordered):
        middle = {
            box: sum(placed[one][1] for one in parents[box]) / max(1, len(parents[box])) for box in ordered[layer]
        }
        for number, box in enumerate(sorted(ordered[layer], key=middle.get)):
            placed[box] = layer, number - (len(ordered[layer]) - 1) / 2
    return placed


def draw(plt, tables):
    """Boxes from left to right, a column a layer: a line from what a model starts from, dashed from its teacher."""
    from codestill.report.style import BLUE, COLUMN, INK, ORANGE, empty

    rows = tables["family"].astype(object).where(tables["family"].notna(), "").to_dict("records")
    if not rows:
        figure, axes = plt.subplots(figsize=(COLUMN, 1.6))
        empty(axes, "no model is planned")
        return figure
    places = layers(rows)
    columns = 1 + max(layer for layer, _ in places.values())
    high = max(sum(layer == one for layer, _ in places.values()) for one in range(columns))
    figure, axes = plt.subplots(figsize=(max(COLUMN, 1.15 * columns), 0.75 * high + 0.5))
    axes.set_axis_off()
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(high / 2, -high / 2)
    boxes = {}
    for row in rows:
        boxes[row["box"]] = axes.text(
            *places[row["box"]], row["words"].replace("|", "\n"), ha="center", va="center", fontsize=5.5, color=INK,
            bbox={"boxstyle": "round,pad=0.4", "facecolor": "white", "edgecolor": INK, "linewidth": 0.7}, zorder=3,
        )  # fmt: skip
    for row in rows:
        for source, line, colour in ((row["starts_from"], "-", BLUE), (row["taught_by"], "--", ORANGE)):
            if source:
                axes.annotate(
                    "", places[row["box"]], places[source],
                    arrowprops={
                        "arrowstyle": "-|>", "color": colour, "linestyle": line, "linewidth": 0.9, "shrinkA": 0,
                        "shrinkB": 0, "patchA": boxes[source].get_bbox_patch(),
                        "patchB": boxes[row["box"]].get_bbox_patch(),
                        "connectionstyle": f"arc3,rad={-0.12 if line == '--' else 0.12}",
                    },
                )  # fmt: skip
    named = [axes.plot([], [], line, color=colour)[0] for line, colour in (("-", BLUE), ("--", ORANGE))]
    figure.legend(named, ["starts from, or is made of", "is taught by"], loc="outside lower center", ncols=2)
    return figure
