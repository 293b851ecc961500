"""Run a study, or the targets named: the config is read first, so that a mistake in it is one line whatever it is.

    python scripts/run.py --configfile config/demo.yaml
    python scripts/run.py experiment_1 sweep_temperature_alpha --cores 8 -- --dry-run --quiet rules
    python scripts/run.py --configfile config/qwen.yaml -- --profile slurm

It becomes `snakemake --keep-going --rerun-incomplete`, and what follows -- goes there as it is. A study has one
run at a time; after one that was killed the next goes on, with nothing to unlock.
"""

import fcntl
import os
import sys
from pathlib import Path

from codestill.cluster.snakemake_view import locked_here
from codestill.kit.program import UserError, parser, run

ROOT = Path(__file__).resolve().parents[1]


def alone(study, more):
    """Hold the study here for as long as this process lives, whatever it becomes; the flags that Snakemake then takes.

    The kernel lifts the lock when Snakemake dies, and no job inherits it; Snakemake's own would have to be lifted by
    hand. That one stays in use where a plain `snakemake` has left or holds it, and where files cannot be locked.
    """
    if {"-n", "--dry-run", "--dryrun", "--unlock"} & set(more):
        return []
    lock = Path(".snakemake") / f"codestill-{study}.lock"
    lock.parent.mkdir(exist_ok=True)
    handle = os.open(lock, os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        remedy = f"`codestill follow {study}` shows it; end it, or wait"
        raise UserError(f"{lock}: another run of study {study} is at work here; {remedy}") from None
    except OSError:
        return []
    os.set_inheritable(handle, True)
    return [] if locked_here() else ["--nolock"]


def main():
    """Check the config, then become Snakemake."""
    words = sys.argv[1:]
    own, more = (words[: words.index("--")], words[words.index("--") + 1 :]) if "--" in words else (words, [])
    flags = parser(__doc__)
    flags.add_argument("targets", nargs="*", help="experiments, sweep_NAME, baselines or files; none: the whole study")
    flags.add_argument("--configfile", action="append", help="the study; again: laid over it (default: the home study)")
    flags.add_argument("--config", action="append", default=[], metavar="FIELD=VALUE", help="laid over the files")
    flags.add_argument(
        "--cores", help="of this machine (default: all); on a cluster the most at once (default: no limit)"
    )
    options = flags.parse_args(own)
    from codestill.study.reading import open_study, options_of

    files = options.configfile or [str(ROOT / "config/config.yaml")]
    study, _, _ = open_study(files, options_of(options.config))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    elsewhere = any(word.startswith(("--profile", "--executor")) for word in more)  # which says how much at once
    cores = options.cores or (None if elsewhere else "all")
    command += ["--cores", cores] if cores else []
    command += alone(study.study, more)
    command += ["--keep-going", "--rerun-incomplete"]  # one failing cell stops no other; what was cut off is made again
    command += ["--configfile", *files] + (["--config", *options.config] if options.config else [])
    # Snakemake takes a target behind --configfile for a second file, unless -- stands before it.
    sys.stdout.flush()
    os.execv(sys.executable, [*command, *more, "--", *options.targets])


if __name__ == "__main__":
    run(main)
