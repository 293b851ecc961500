"""Two settings beside each other, of one study or of two: in which parameters they differ, and in which measures."""

from codestill.report.measures import describe, show
from codestill.statistics import min_f_prime
from codestill.statistics.min_f_prime import METHOD


def differing(one, two):
    """(field, value of one, value of two) wherever their parameters differ."""
    fields = dict.fromkeys([*one.parameters, *two.parameters])
    pairs = [(field, one.parameters.get(field), two.parameters.get(field)) for field in fields]
    return [pair for pair in pairs if pair[1] != pair[2]]


def measures(one, two):
    """Yield a dict for each measure that both sides have: values, B less A, its interval and what it rests on.

    Seeds are pooled over the study of A: where that has no two seeds of a setting, over B's.
    """
    for benchmark, measure in one.measures:
        a, b = (side.evidence.value(side.name, benchmark, measure) for side in (one, two))
        if b is None or measure.startswith("funnel."):
            continue
        seen = [side.evidence.observed(side.name, benchmark, measure) for side in (two, one)]
        pool = one.evidence.pool(benchmark, measure) or two.evidence.pool(benchmark, measure)
        found = min_f_prime.compare(*seen, pool) if None not in seen else None
        known = describe(measure)
        yield {
            "label": f"{benchmark} {measure}".strip() if benchmark else known.label,
            "unit": known.unit,
            "better": known.better,
            **{"a": a, "b": b, "difference": found.difference if found else b - a},
            **{"low": found and found.low, "high": found and found.high, "about": found and found.about},
            "rests": _rests(found, benchmark),
        }


def _rests(found, benchmark):
    if found is None:
        return "one value each"
    units = f"{found.units} {'problems' if benchmark else 'functions'}, " if found.units else ""
    counts = " and ".join(dict.fromkeys(str(len(seeds)) for seeds in found.seeds))
    return f"{units}{counts} seed{'s' * (counts != '1')}"


def markdown(one, two):
    """The comparison as Markdown, for the terminal and for a file."""
    lines = [f"# {one.name} against {two.name}", "", f"A: {one.setting} ({', '.join(one.models)})", ""]
    lines += [f"B: {two.setting} ({', '.join(two.models)})", "", "| parameter | A | B |", "|---|---|---|"]
    rows = differing(one, two)
    lines += [f"| {field} | {_text(a)} | {_text(b)} |" for field, a, b in rows] or ["| none differs | | |"]
    lines += ["", "| measure | A | B | B - A | 95 % interval | over | verdict |", "|---|---|---|---|---|---|---|"]
    for row in measures(one, two):
        interval = "" if row["low"] is None else f"[{_signed(row, 'low')}, {_signed(row, 'high')}]"
        values = " | ".join([show(row["a"], row["unit"]), show(row["b"], row["unit"]), _signed(row, "difference")])
        lines.append(f"| {row['label']} | {values} | {interval} | {row['rests']} | {_verdict(row)} |")
    return "\n".join(lines) + "\n"


def _text(value):
    return "–" if value is None else str(value)


def _signed(row, key):
    return ("-" if row[key] < 0 else "+") + show(abs(row[key]), row["unit"])


def _verdict(row):
    """What may be said: of the method with two seeds or more on each side, else of these trained models."""
    if row["low"] is None:
        return "not tested"
    if row["low"] <= 0 <= row["high"]:
        return "no difference shown"
    models = "" if row["about"] == METHOD else " (these models)"
    if row["better"] is None:
        return f"differ{models}"
    return ("B is better" if (row["difference"] > 0) == (row["better"] == "more") else "A is better") + models
