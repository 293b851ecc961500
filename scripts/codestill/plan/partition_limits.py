"""The limits of a site's partitions, from the file that also describes them to SLURM's executor.

A request that grows with each attempt must stop at what the site grants: a job that asks for more time than its
partition allows is not refused but waits for ever, and one that asks for more memory than a node has is refused.
"""

import math
import os
from pathlib import Path

import yaml

from codestill.kit.program import UserError

VARIABLE = "SNAKEMAKE_SLURM_PARTITIONS"  # the executor's own, for a file kept elsewhere
NONE = (math.inf, math.inf)


def minutes(value):
    """Minutes of a number, or of SLURM's days-hours:minutes:seconds, hours:minutes:seconds, minutes:seconds."""
    if isinstance(value, int | float):
        return float(value)
    days, _, clock = str(value).rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    if days:
        hours, minutes, seconds = [*parts, 0, 0][:3]
        return int(days) * 1440 + hours * 60 + minutes + seconds / 60
    if len(parts) == 1:
        return float(parts[0])
    return sum(part * 60**place for place, part in enumerate(reversed(parts))) / 60


def read_limits(path):
    """{"gpu": (minutes, MB), "cpu": (minutes, MB)}: the most that any partition of that kind grants.

    `path` is a partitions.yaml; no file, no limits. Raises UserError where it cannot be read.
    """
    path = Path(os.environ.get(VARIABLE) or path)
    if not path.is_file():
        return {"gpu": NONE, "cpu": NONE}
    found = {"gpu": [], "cpu": []}
    try:
        for one in yaml.safe_load(path.read_text(encoding="utf-8"))["partitions"].values():
            kind = "gpu" if one.get("max_gpu") else "cpu"
            found[kind].append((minutes(one.get("max_runtime", math.inf)), float(one.get("max_mem_mb", math.inf))))
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: not a file of partitions ({error!r}); see profiles/slurm/partitions.yaml") from None
    return {kind: tuple(map(max, zip(*rows, strict=True))) if rows else NONE for kind, rows in found.items()}
