"""When each job ran and what it held and used, from the workflow's benchmark files and what each run had planned."""

import csv
from pathlib import Path

COLUMNS = ["rule", "job", "start", "end", "seconds", "cpu_seconds", "max_rss_mib", "gpus", "threads"]


def timeline_rows(folder, planned):
    """One row per benchmark file under `folder` (<rule>/<job>.tsv), seconds since the first start.

    planned: {rule/job: what it was planned to hold}; GPUs and threads are None where that is not known. A benchmark
    file holds a job's last attempt and is written when it ends, which dates it.
    """
    found = []
    for path in sorted(Path(folder).rglob("*.tsv")):
        with open(path, encoding="utf-8", newline="") as handle:
            rows = list(csv.DictReader(handle, delimiter="\t"))
        seconds = _float(rows[-1].get("s")) if rows else None
        if seconds is None:
            continue  # torn, or of a job that is still running
        end = path.stat().st_mtime
        inner = path.relative_to(folder)
        rule = inner.parts[0] if len(inner.parts) > 1 else inner.stem
        found.append(
            {
                "rule": rule,
                "job": "/".join([*inner.parts[1:-1], inner.stem]) if len(inner.parts) > 1 else "",
                "start": end - seconds,
                "end": end,
                "seconds": seconds,
                "cpu_seconds": _float(rows[-1].get("cpu_time")),
                "max_rss_mib": _float(rows[-1].get("max_rss")),
                **{held: planned.get(str(inner.with_suffix("")), {}).get(held) for held in ("gpus", "threads")},
            }
        )
    first = min((row["start"] for row in found), default=0)
    for row in found:
        row["start"], row["end"] = round(row["start"] - first, 1), round(row["end"] - first, 1)
    return sorted(found, key=lambda row: (row["start"], row["rule"], row["job"]))


def _float(text):
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def held_hours(part, price=None, currency=""):
    """What the jobs of some rows held, in words: `1.2 GPU-hours`, `0.31 core-hours` or both; "" where nothing is known.

    A job holds its GPUs, or else its threads, from its start to its end. `price`: of a GPU-hour, as the plan has it;
    GPU-hours are then told with what they cost: `1.2 GPU-hours (2.40 USD)`.
    """
    known = part[part["gpus"].notna()]
    hours = known["seconds"] / 3600
    on_gpu = known["gpus"] > 0
    gpus, cores = (hours * known["gpus"])[on_gpu].sum(), (hours * known["threads"])[~on_gpu].sum()
    cost = "" if price is None else f" ({gpus * price:,.2f} {currency})"
    told = [(gpus, f"GPU-hours{cost}", on_gpu.any()), (cores, "core-hours", (~on_gpu).any())]
    return ", ".join(f"{value:.2g} {unit}" for value, unit, present in told if present)


def timeline_frame(folder, results):
    """The time line of a study as a frame of COLUMNS; `folder`: of its benchmark files, or None."""
    import pandas

    planned = (results.optional("work/plan/estimates.json") or {}).get("jobs", {})
    return pandas.DataFrame(timeline_rows(folder, planned) if folder else [], columns=COLUMNS)
