"""Run a study, or the targets named: the config is read first, so that a mistake in it is one line whatever it is.

    python scripts/run.py --configfile config/demo.yaml
    python scripts/run.py experiment_1 sweep_temperature_alpha --cores 8 -- --dry-run --quiet rules
    python scripts/run.py --configfile config/qwen.yaml -- --profile slurm

It becomes `snakemake --keep-going --rerun-incomplete`, and what follows -- goes there as it is.
"""

import os
import sys
from pathlib import Path

from codestill.kit.program import parser, run

ROOT = Path(__file__).resolve().parents[1]


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
    command += ["--keep-going", "--rerun-incomplete"]  # one failing cell stops no other; what was cut off is made again
    command += ["--configfile", *files] + (["--config", *options.config] if options.config else [])
    # Snakemake takes a target behind --configfile for a second file, unless -- stands before it.
    sys.stdout.flush()
    os.execv(sys.executable, [*command, *more, "--", *options.targets])


if __name__ == "__main__":
    run(main)
