"""The ladder as a page draws it: each model says its name, interval and cost when one points at it or tabs to it."""

import math

from codestill.report.ladder import rungs
from codestill.report.measures import describe, show, show_interval

WIDTH, HEIGHT = 640, 260  # of the drawing, in its own units
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 10, 34
MARKS = {"teacher": "■", "student": "✕", "variant": "▼", "healed": "✚", "task": "◆", "cell": "●"}


def panels(tables):
    """A dict a quality that is known beside sizes: title, ticks of both axes, marks and the front's line.

    Places are in units of the drawing, WIDTH by HEIGHT, from its upper left corner.
    """
    frame = rungs(tables["ladder"]).astype(object)
    frame = frame.where(frame.notna(), None)
    intervals = _intervals(tables["scores"])
    pairs = dict.fromkeys(zip(frame["benchmark"], frame["measure"], strict=True))
    rows = frame.to_dict("records")
    return [
        _panel(*pair, [row for row in rows if (row["benchmark"], row["measure"]) == pair], intervals) for pair in pairs
    ]


def _intervals(scores):
    kept = scores[scores["low"].notna() & scores["high"].notna()].to_dict("records")
    return {(row["model"], row["benchmark"], row["measure"]): (row["low"], row["high"]) for row in kept}


def _panel(benchmark, measure, rows, intervals):
    known = describe(measure)
    for row in rows:
        row["name"] = row["model"].split(" ")[0]
        row["ends"] = intervals.get((row["name"], benchmark, measure))
    ends = [end for row in rows for end in (row["value"], *(row["ends"] or ()))]
    across, x_ticks = _logarithmic([row["bytes_on_disk"] / 1e6 for row in rows])
    up, y_ticks = _linear(ends)
    marks = [
        {
            "x": across(row["bytes_on_disk"] / 1e6),
            "y": up(row["value"]),
            "ends": [up(end) for end in row["ends"] or ()],
            "kind": row["kind"],
            "mark": MARKS.get(row["kind"], "◇"),
            "name": row["name"],
            "words": words(row, benchmark, measure),
        }
        for row in rows
    ]
    front = sorted((row["bytes_on_disk"], row["value"]) for row in rows if str(row["front"]) == "True")
    title = f"{measure} on {benchmark}" if benchmark else known.label
    return {
        "title": f"{title} ({known.better} is better) against MB of weights on disk",
        "x_ticks": x_ticks,
        "y_ticks": y_ticks,
        "marks": marks,
        "kinds": {mark["kind"]: mark["mark"] for mark in marks},
        "front": " ".join(f"{across(size / 1e6)},{up(value)}" for size, value in front),
    }


def words(row, benchmark, measure):
    """What a model of the ladder says of itself: quality with its interval, beside its parent, and what it costs."""
    unit = describe(measure).unit
    what = f"{measure} on {benchmark}" if benchmark else describe(measure).label
    told = [f"{what} {show(row['value'], unit)} {show_interval(*(row['ends'] or (None, None)), unit)}".strip()]
    if row["parent"] and row["low"] is not None:
        ends = f"[{row['low']:+.3f}, {row['high']:+.3f}]"
        told.append(f"{row['difference']:+.3f} {ends} beside {row['parent']}")
    share = f", {row['share_of_bytes']:.0%} of {row['parent']}'s" if row["share_of_bytes"] else ""
    told.append(f"{show(row['bytes_on_disk'], 'bytes')} of weights{share}")
    if row["latency_ms"] is not None:
        told.append(f"{show(row['latency_ms'], 'ms')} ms a short completion")
    if row["memory_bytes"] is not None:
        told.append(f"{show(row['memory_bytes'], 'bytes')} of memory")
    told.append(f"{row['hours']:.2f} hours of training, with what it came of")
    made = "" if row["made"] in (None, row["name"]) else f" ({row['made']})"
    return f"{row['model']}{made}: {'; '.join(told)}"


def _logarithmic(values):
    """(place of a value across, [(place, label)] of the ticks) on a logarithmic axis."""
    low, high = math.log(min(values)), math.log(max(values))
    spare = 0.08 * (high - low) or 0.5
    low, high = low - spare, high + spare

    def place(value):
        return round(LEFT + (math.log(value) - low) / (high - low) * (WIDTH - LEFT - RIGHT), 1)

    powers = range(math.floor(low / math.log(10)), math.ceil(high / math.log(10)) + 1)
    ticks = [step * 10.0**power for power in powers for step in (1, 2, 5)]
    shown = [tick for tick in ticks if low <= math.log(tick) <= high]
    shown = shown if len(shown) > 1 else sorted({min(values), max(values)})
    return place, [(place(tick), f"{tick:.3g}") for tick in shown]


def _linear(values):
    """The same up a linear axis."""
    low, high = min(values), max(values)
    spare = 0.06 * (high - low) or 0.1 * abs(high) or 0.1
    low, high = low - spare, high + spare

    def place(value):
        return round(HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - BOTTOM - TOP), 1)

    rough = (high - low) / 3
    step = max(one for nice in (1, 2, 5) if (one := nice * 10.0 ** math.floor(math.log10(rough))) <= rough)
    ticks = [number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1)]
    return place, [(place(tick), f"{tick:.10g}") for tick in ticks]
