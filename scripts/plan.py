"""Say what a run would cost and why each job would run, from one dry run. Nothing is run or written but what is asked.

    python scripts/plan.py --configfile config/demo.yaml
    python scripts/plan.py --configfile config/config.yaml --markdown plan.md --json plan.json
    python scripts/plan.py --configfile config/config.yaml experiment_1 --edited scripts/distill.py

Estimates come from a cost model and, once jobs of the same kind have finished, from their benchmark files. The
config's section `plan` holds device figures, the price and the limit (config/README.md); docs/plan.md explains all.
"""

import os
import sys
from pathlib import Path

sys.dont_write_bytecode = True  # a plan leaves no file behind

from codestill.kit.program import parser, run  # noqa: E402 - compiled files are files, too

ROOT = Path(__file__).resolve().parents[1]


def arguments():
    """The flags."""
    flags = parser(__doc__)
    flags.add_argument(
        "targets", nargs="*", help="experiments, sweeps or files, as for snakemake; none: the whole study"
    )
    flags.add_argument(
        "--configfile", action="append", help="the study; again: laid over it (default: config/config.yaml)"
    )
    flags.add_argument("--config", action="append", default=[], metavar="FIELD=VALUE", help="laid over the files")
    flags.add_argument("--snakefile", default=ROOT / "Snakefile", help="the workflow")
    flags.add_argument("--cores", type=int, default=os.cpu_count(), help="cores of a plan without GPUs")
    flags.add_argument("--forceall", action="store_true", help="plan as if nothing were done yet")
    flags.add_argument("--edited", nargs="+", default=[], metavar="FILE", help="what would an edit of these files run?")
    flags.add_argument(
        "--markdown", metavar="FILE", help="write the plan as Markdown, for a pull request (-: print it)"
    )
    flags.add_argument("--json", metavar="FILE", help="write the plan as JSON, with every job (-: print it)")
    flags.add_argument("--acceptable", action="store_true", help="print only the outputs that code alone would remake")
    return flags.parse_args()


def main():
    """Plan, then write what was asked for and print the rest."""
    options = arguments()
    from codestill.cluster.planned import planned
    from codestill.kit.files import atomic, write_json
    from codestill.plan.plan_text import PlanText, acceptable, as_data
    from codestill.study.reading import options_of

    files = options.configfile or ["config/config.yaml"]
    values = options_of(options.config)
    plan, found = planned(options.snakefile, files, options.targets, options.cores, options.forceall, values)
    if options.acceptable:
        print("\n".join(acceptable(plan)))
        return
    shown = {"stranded": found, "edits": options.edited}
    told = {"configfiles": files, "config": options.config}
    for_pull = PlanText(plan, options.cores, markdown=True, **told, **shown)
    if options.json == "-":
        import json

        print(json.dumps(as_data(plan, options.cores, **shown), indent=2))
    elif options.markdown == "-":
        print(for_pull.write(), end="")
    else:
        print(PlanText(plan, options.cores, **told, **shown).write(), end="")
    if options.json not in (None, "-"):
        write_json(options.json, as_data(plan, options.cores, **shown))
    if options.markdown not in (None, "-"):
        with atomic(options.markdown) as handle:
            handle.write(for_pull.write())


if __name__ == "__main__":
    run(main)
