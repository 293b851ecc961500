"""Run a study, or the targets named: the config is read first, so that a mistake in it is one line whatever it is.

    python scripts/run.py --configfile config/demo.yaml
    python scripts/run.py experiment_1 sweep_temperature_alpha --cores 8 -- --dry-run --quiet rules
    python scripts/run.py --configfile config/qwen.yaml -- --profile slurm

It becomes `snakemake --keep-going --rerun-incomplete`, and what follows -- goes there as it is. A folder holds one run
at a time; after one that was killed the next goes on, with nothing to unlock.
"""

import fcntl
import os
import sys
from pathlib import Path

from codestill.kit.program import UserError, parser, run

ROOT = Path(__file__).resolve().parents[1]
LOCK, LOCKS = Path(".snakemake/codestill.lock"), Path(".snakemake/locks")  # ours, and Snakemake's own


def alone(more):
    """Hold this folder for as long as this process lives, whatever it becomes; the flags that Snakemake then takes.

    The kernel lifts the lock when Snakemake dies, and no job inherits it; Snakemake's own would have to be lifted by
    hand. That one stays in use where a plain `snakemake` has left or holds it, and where files cannot be locked.
    """
    if {"-n", "--dry-run", "--dryrun"} & set(more):
        return []
    LOCK.parent.mkdir(exist_ok=True)
    handle = os.open(LOCK, os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(f"{LOCK}: another `codestill run` is at work in this folder; follow it, or end it") from None
    except OSError:
        return []
    os.set_inheritable(handle, True)
    return [] if LOCKS.is_dir() and any(LOCKS.iterdir()) else ["--nolock"]


def main():
    """Check the config, then become Snakemake."""
    words = sys.argv[1:]
    own, more = (words[: words.index("--")], words[words.index("--") + 1 :]) if "--" in words else (words, [])
    flags = parser(__doc__)
    flags.add_argument("targets", nargs="*", help="experiments, sweep_NAME, baselines or files; none: the whole study")
    flags.add_argument("--configfile", action="append", help="the study; again: laid over it (default: the home study)")
    flags.add_argument("--config", action="append", default=[], metavar="FIELD=VALUE", help="laid over the files")
    flags.add_argument("--cores", default="all", help="of this machine")
    options = flags.parse_args(own)
    from codestill.study.reading import open_study, options_of

    files = options.configfile or [str(ROOT / "config/config.yaml")]
    open_study(files, options_of(options.config))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", options.cores]
    command += alone(more)
    command += ["--keep-going", "--rerun-incomplete"]  # one failing cell stops no other; what was cut off is made again
    command += ["--configfile", *files] + (["--config", *options.config] if options.config else [])
    # Snakemake takes a target behind --configfile for a second file, unless -- stands before it.
    sys.stdout.flush()
    os.execv(sys.executable, [*command, *more, "--", *options.targets])


if __name__ == "__main__":
    run(main)
