"""Two sides beside each other: the parameters in which they differ, and each measure with a paired interval."""

import statistics

from codestill.report.measures import describe, show
from codestill.statistics import uncertainty


def differing(one, two):
    """(field, value of one, value of two) wherever their parameters differ."""
    fields = dict.fromkeys([*one.parameters, *two.parameters])
    pairs = [(field, one.parameters.get(field), two.parameters.get(field)) for field in fields]
    return [pair for pair in pairs if pair[1] != pair[2]]


def measures(one, two):
    """Yield a dict for each measure that both sides have: values, B less A, its interval, and how it was paired.

    pass@k is paired by problem; other measures by seed, where two or more seeds are shared.
    """
    names = one.scores[["benchmark", "measure"]].drop_duplicates().itertuples(index=False)
    for benchmark, measure in names:
        values = [_by_seed(side, benchmark, measure) for side in (one, two)]
        if not values[1] or measure.startswith("funnel."):
            continue
        a, b = (statistics.fmean(found.values()) for found in values)
        low = high = None
        how = "one value each"
        if measure.startswith("pass@"):
            counts = [_counts(side, benchmark) for side in (two, one)]
            found = uncertainty.paired_difference(*counts, int(measure[5:]))
            if found:
                low, high, how = found["low"], found["high"], f"{found['problems']} problems"
        else:
            shared = [seed for seed in values[0] if seed in values[1]]
            if len(shared) > 1:
                low, high = uncertainty.seed_interval([values[1][seed] - values[0][seed] for seed in shared])
                how = f"{len(shared)} seeds"
        yield {
            "label": f"{benchmark} {measure}".strip() if benchmark else describe(measure).label,
            "unit": describe(measure).unit,
            "better": describe(measure).better,
            **{"a": a, "b": b, "difference": b - a, "low": low, "high": high, "paired": how},
        }


def _by_seed(side, benchmark, measure):
    part = side.scores[(side.scores["benchmark"] == benchmark) & (side.scores["measure"] == measure)]
    return {str(seed): value for seed, value in zip(part["seed"], part["value"], strict=True)}


def _counts(side, benchmark):
    part = side.problems[side.problems["benchmark"] == benchmark]
    return [
        {task: (int(n), int(c)) for task, n, c in zip(rows["task_id"], rows["n"], rows["c"], strict=True)}
        for _, rows in part.groupby("model", sort=False)
    ]


def markdown(one, two):
    """The comparison as Markdown, for the terminal and for a file."""
    lines = [f"# {one.name} against {two.name}", "", f"A: {one.setting} ({', '.join(one.models)})", ""]
    lines += [f"B: {two.setting} ({', '.join(two.models)})", "", "| parameter | A | B |", "|---|---|---|"]
    rows = differing(one, two)
    lines += [f"| {field} | {_text(a)} | {_text(b)} |" for field, a, b in rows] or ["| none differs | | |"]
    lines += [
        "",
        "| measure | A | B | B - A | 95 % interval | paired over | verdict |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in measures(one, two):
        interval = "" if row["low"] is None else f"[{_signed(row, 'low')}, {_signed(row, 'high')}]"
        values = " | ".join([show(row["a"], row["unit"]), show(row["b"], row["unit"]), _signed(row, "difference")])
        lines.append(f"| {row['label']} | {values} | {interval} | {row['paired']} | {_verdict(row)} |")
    return "\n".join(lines) + "\n"


def _text(value):
    return "–" if value is None else str(value)


def _signed(row, key):
    shown = show(abs(row[key]), row["unit"])
    return ("-" if row[key] < 0 else "+") + shown


def _verdict(row):
    if row["low"] is None:
        return "not tested"
    if row["low"] <= 0 <= row["high"]:
        return "no difference shown"
    if row["better"] is None:
        return "differ"
    return "B is better" if (row["difference"] > 0) == (row["better"] == "more") else "A is better"
