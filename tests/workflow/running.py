"""Running the workflow in tests as a user would: from a folder of its own, by the command line."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "config"
os.environ.setdefault("CODESTILL_CACHE", tempfile.mkdtemp(prefix="shapes-tried-"))  # homes below are made up


def snakemake(folder, *arguments, snakefile=ROOT / "Snakefile", check=True):
    """Run snakemake in `folder`; returns the finished process with its output as text."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile), "--directory", str(folder)]
    # Snakemake keeps caches and profiles in the home folder: a test must neither see nor leave any.
    environment = {**os.environ, "HOME": str(folder), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True, env=environment, check=False, timeout=3600
    )
    if check and done.returncode:
        raise AssertionError(f"snakemake {arguments} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def dry_run(folder, config, *arguments):
    """A dry run of a config file: {rule: number of jobs}."""
    done = snakemake(folder, "--dry-run", "--quiet", "rules", "--configfile", config, "--", *arguments)
    return job_counts(done.stdout + done.stderr)


def job_counts(text):
    """Snakemake's table of job statistics as {rule: number of jobs}."""
    counts, rows = {}, iter(text.splitlines())
    for line in rows:
        if line.split() == ["job", "count"]:
            next(rows)
            for row in rows:
                if not row.strip():
                    return counts
                name, number = row.split()
                counts[name] = int(number)
    return counts


def write_config(path, base, **changes):
    """Write the config `base` (a file's name) with top-level `changes`."""
    raw = yaml.safe_load((CONFIG / base).read_text()) | changes
    Path(path).write_text(yaml.safe_dump(raw))
    return path
