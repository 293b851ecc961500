"""The ladder of compression: every model by its bytes, latency and memory against its quality, beside its parent.

A model here is one training (or one folder made of it), not a method: intervals are over problems or functions alone,
paired, of the model less the one that it came of.
"""

import re

from codestill.report.measures import describe, show
from codestill.report.table import setting_label
from codestill.study.model_graph import CELL_PATTERN

COLUMNS = ["model", "kind", "parent", "made", "scope", "benchmark", "measure", "value", "difference", "low", "high"]
COLUMNS += ["healed", "bytes_on_disk", "latency_ms", "memory_bytes", "share_of_bytes", "hours", "front"]


def steps(results):
    """[(model, kind, the name of its parent or None)] of what stands on the ladder, in the study's order."""
    healing = {cell: name for name, one in results.study["models"].items() for cell in one.get("healed", ())}
    direct, found = results.study.get("direct", {}), []
    for model in results.models:
        needs = results.study.get("made_from", {}).get(model.name, [])
        if model.role == "variant":
            found.append((model, "variant", needs[0]))
        elif model.name in healing:
            found.append((model, "healed", results.study["made_from"][healing[model.name]][0]))
        elif model.role != "cell":
            found.append((model, model.role, needs[0] if needs else None))
        elif model.chosen or model.axes.get("student", "student") != "student" or _later(model):
            found.append((model, "cell", needs[1] if len(needs) > 1 else None))
            if model.name in direct:  # what the step between was good for
                found.append((model, "generation", direct[model.name]))
    return found


def _later(model):
    return model.axes.get("teacher") not in (None, "teacher")


def ladder_rows(results, evidence):
    """Yield a row of COLUMNS for each step, benchmark and measure that both a quality and a size are known of."""
    rungs = steps(results)
    measures = [*[(name, "pass@1") for name in results.benchmarks], ("", "bits_per_byte"), ("", "accuracy")]
    for benchmark, measure in measures:
        rows = [_row(results, evidence, *rung, benchmark, measure) for rung in rungs]
        rows = [row for row in rows if row["value"] is not None]
        for row in rows:
            row["front"] = _on_front(row, rows, describe(measure).better == "more")
        yield from rows


def _row(results, evidence, model, kind, parent, benchmark, measure):
    above, cost = results.by_name.get(parent), results.efficiency(model) or {}
    found = above and evidence.compare_models(model.name, above.name, benchmark, measure)
    whole = (results.efficiency(above) or {}).get("bytes_on_disk") if above else None
    size, name = cost.get("bytes_on_disk"), " ".join([model.name, *(f"({one})" for one in model.chosen)])
    return {
        "model": name,
        "kind": kind,
        "parent": parent,
        "made": made_words(results, model),
        "scope": _scope(results, model, benchmark),
        **{"benchmark": benchmark, "measure": measure, "value": evidence.of_model(model.name, benchmark, measure)},
        **{key: getattr(found, key, None) for key in ("difference", "low", "high")},
        "healed": _healed(results, evidence, model, above, benchmark, measure) if kind == "healed" else None,
        **{key: cost.get(key) for key in ("bytes_on_disk", "latency_ms", "memory_bytes")},
        "share_of_bytes": size / whole if size and whole else None,
        "hours": _seconds(results, model.name, set()) / 3600,
    }


def made_words(results, model):
    """How a model was made, in words."""
    entry = results.study["models"][model.name]
    if model.role == "task":
        return f"fine-tuned for {entry['task']}{_own_loss(results, model)}"
    if model.role != "variant":
        return setting_label(results, model)
    by = f", by {entry['by']}" if entry.get("by") else ""
    value = entry["value"]
    shown = ", ".join(f"{part} {share:g}" for part, share in value.items()) if isinstance(value, dict) else value
    return f"{entry['operation']} {shown}{by}"


def _own_loss(results, model):
    """What the training for a task did to the loss on the task's own validation text, in words."""
    history = (results.trained(model, "trainer_state") or {}).get("log_history", [])
    losses = [entry["eval_loss"] for entry in history if "eval_loss" in entry]
    return f", CE on its text {losses[0]:.3f} before, {min(losses):.3f} after" if losses else ""


def _scope(results, model, benchmark):
    """Of a task's model, whether a benchmark judges the task or what is left of the general ability; else None."""
    if model.role != "task":
        return None
    return "task" if benchmark in results.study["models"][model.name]["benchmarks"] else "general"


def _healed(results, evidence, model, parent, benchmark, measure):
    """The share of what the operation lost that learning from the parent won back; None where no loss is told from 0.

    A loss that may be none has no share: 2 of 3 problems won back of a loss of 3 in 25 say nothing.
    """
    variant = results.made_from(model.name)[0]
    whole, cut, healed = (evidence.of_model(one, benchmark, measure) for one in (parent.name, variant, model.name))
    lost = evidence.compare_models(variant, parent.name, benchmark, measure)
    if healed is None or lost is None or not _worse(lost, describe(measure).better):
        return None
    return (healed - cut) / (whole - cut)


def _worse(found, better):
    """Whether a Difference is told from 0, and for the worse."""
    return found.high < 0 if better == "more" else found.low > 0


def _seconds(results, name, seen):
    """Seconds of training that a model took, with those of all that it was made from, each once."""
    if name in seen:
        return 0.0
    seen.add(name)
    model = results.by_name.get(name)
    own = (results.trained(model, "train_results") or {}).get("train_runtime", 0.0) if model else 0.0
    needs = results.study.get("made_from", {}).get(model.name if model else name, [])
    return own + sum(_seconds(results, need, seen) for need in needs)


def _on_front(row, rows, more):
    """Whether no other model is as small and as good, and better in one of the two; None without a size."""
    if row["bytes_on_disk"] is None:
        return None

    def beats(other):
        if other["bytes_on_disk"] is None:
            return False
        gain = (other["value"] - row["value"]) * (1 if more else -1)
        smaller = row["bytes_on_disk"] - other["bytes_on_disk"]
        return gain >= 0 and smaller >= 0 and (gain > 0 or smaller > 0)

    return not any(beats(other) for other in rows)


def ladder_frame(results, evidence):
    import pandas

    return pandas.DataFrame(list(ladder_rows(results, evidence)), columns=COLUMNS)


def sentences(frame):
    """What the ladder says of each model that has a parent, a line each: its loss, its interval, its share of bytes."""
    rows, said = frame.astype(object).where(frame.notna(), None).to_dict("records"), []
    called = {row["model"].partition(" ")[0]: _called(row) for row in rows}
    for row in rows:
        if row["parent"] is None or row["difference"] is None or row["kind"] in ("model", "teacher", "student"):
            continue
        if row["measure"] == "accuracy":  # stands in the table; bits per byte tell the same with a finer scale
            continue
        unit, better = describe(row["measure"]).unit, describe(row["measure"]).better
        gained = (row["difference"] > 0) == (better == "more")
        verb = "gains" if gained else "loses"
        ends = sorted(end if gained else -end for end in (_toward(row, better, key) for key in ("low", "high")))
        interval = f" [{_signed(ends[0], unit)}, {_signed(ends[1], unit)}]"
        known = row["share_of_bytes"] is not None and row["kind"] not in ("task", "generation")  # of equal size
        size = f" at {row['share_of_bytes']:.0%} of the bytes of" if known else ""
        what = f"{row['measure']} on {row['benchmark']}" if row["benchmark"] else "bits per byte"
        what += {"task": ", which judges the task,", "general": " (general ability)"}.get(row["scope"], "")
        way = ", the direct way in as many steps" if row["kind"] == "generation" else ""
        won = "" if row["healed"] is None else f"; healing won back {_won(row['healed'])} of what was lost"
        amount = f" {show(abs(row['difference']), unit)}{interval} of"
        if row["difference"] == 0:
            verb, amount = "neither gains nor loses", interval
        parent = called.get(row["parent"], row["parent"]) if "_seed-" in row["parent"] else row["parent"]
        said.append(f"{_called(row)} {verb}{amount} {what}{size or ' beside'} {parent}{way}{won}.")
    return said


def table(frame):
    """[[cell]] of Markdown, the head first: a row a model, its size and its qualities, each beside its parent."""
    frame = rungs(frame).astype(object)
    rows = frame.where(frame.notna(), None).to_dict("records")
    qualities = list(dict.fromkeys((row["benchmark"], row["measure"]) for row in rows))
    at = {(row["model"], row["benchmark"], row["measure"]): row for row in rows}
    heads = [f"{measure} on {benchmark}" if benchmark else describe(measure).label for benchmark, measure in qualities]
    found = [["model", "weights (of the parent's)", *heads]]
    for row in {row["model"]: row for row in rows}.values():
        share = f" ({row['share_of_bytes']:.0%})" if row["share_of_bytes"] else ""
        cells = [_beside_parent(at.get((row["model"], *quality))) for quality in qualities]
        found.append([_called(row), show(row["bytes_on_disk"], "bytes") + share, *cells])
    return found if rows else []


def _called(row):
    """A model of the ladder for people: by its name and how it was made, a cell by its setting and seed."""
    name, _, chosen = row["model"].partition(" ")
    if row["made"] == name:
        return row["model"]
    if re.fullmatch(CELL_PATTERN, name):
        return f"{row['made']}, seed {name.rpartition('-')[2]} {chosen}".strip()
    return f"{name} ({row['made']})"


def _beside_parent(row):
    """A quality in a cell of the table: its value, what it is beside the parent, and what healing won back."""
    if row is None:
        return "–"
    unit = describe(row["measure"]).unit
    beside = "" if row["low"] is None else f" ({row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}])"
    won = "" if row["healed"] is None else f", won back {_won(row['healed'])}"
    return f"{show(row['value'], unit)}{beside}{won}"


def _won(share):
    """The share of a loss that was won back, in words."""
    return "all" if share > 1 else f"{share:.0%}" if share > 0 else "nothing"


def _toward(row, better, key):
    """An end of the interval, signed so that more is better."""
    return row[key] if better == "more" else -row[key]


def _signed(value, unit):
    return ("-" if value < 0 else "") + show(abs(value), unit)


def rungs(frame):
    """The rows that have a size, each model once a quality: a step beside the direct way is no rung of its own."""
    return frame[frame["bytes_on_disk"].notna() & (frame["kind"] != "generation")]


def draw(plt, tables):
    """A panel a quality: bytes on a logarithmic axis, a mark a model, the interval of its step, the front joined."""
    from matplotlib import ticker

    from codestill.report.style import BLUE, COLUMN, GREEN, GREY, INK, ORANGE, empty

    frame = rungs(tables["ladder"])
    frame = frame[frame["measure"] != "accuracy"]
    panels = list(dict.fromkeys(zip(frame["benchmark"], frame["measure"], strict=True)))
    figure, places = plt.subplots(max(1, len(panels)), 1, figsize=(COLUMN, 2.4 * max(1, len(panels))), squeeze=False)
    if not panels:
        empty(places[0, 0], "size and quality are not both measured yet")
        return figure
    looks = {"variant": (ORANGE, "v"), "healed": (GREEN, "P"), "task": (GREEN, "D")}
    looks |= {"cell": (BLUE, "o"), "teacher": (INK, "s")}
    named = {}
    for axes, (benchmark, measure) in zip(places[:, 0], panels, strict=True):
        part = frame[(frame["benchmark"] == benchmark) & (frame["measure"] == measure)]
        for kind, rows in part.groupby("kind", sort=False):
            colour, marker = looks.get(kind, (GREY, "X"))
            named[kind] = axes.plot(rows["bytes_on_disk"] / 1e6, rows["value"], marker, color=colour, zorder=3)[0]
        steps = part[part["low"].notna()]
        ends = steps["difference"] - steps["low"], steps["high"] - steps["difference"]
        axes.errorbar(
            steps["bytes_on_disk"] / 1e6, steps["value"], ends, fmt="none", ecolor=GREY, elinewidth=0.8, zorder=2
        )
        front = part[part["front"].astype(str) == "True"].sort_values("bytes_on_disk")
        axes.plot(front["bytes_on_disk"] / 1e6, front["value"], "--", color=GREY, linewidth=0.8, zorder=1)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter(ticker.NullFormatter())
        axes.set_ylabel(f"{measure} on {benchmark}" if benchmark else "bits per byte\n(less is better)")
        axes.grid(color="#e4e4e4", linewidth=0.6)
        axes.margins(0.12)
    places[-1, 0].set_xlabel("MB of weights on disk (fewer is better)")
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=3)
    return figure
