"""When each job ran and what it used, from the workflow's benchmark files."""

import csv
from pathlib import Path

COLUMNS = ["rule", "job", "start", "end", "seconds", "cpu_seconds", "max_rss_mib"]


def timeline_rows(folder):
    """One row per benchmark file under `folder` (<rule>/<job>.tsv), seconds since the first start.

    A benchmark file holds a job's last attempt and is written when it ends, which dates it.
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


def timeline_frame(folder):
    import pandas

    return pandas.DataFrame(timeline_rows(folder) if folder else [], columns=COLUMNS)
