"""Write the report of a study, finished or not: tables, figures and a page that needs nothing beside it.

    python scripts/report.py --study results/demo/study.json --results results/demo --output results/demo/report

Reads what is there and shows what is not as missing. Writes scores.csv (one row a model and measure) and the other
tables, table.md, figures/*.{png,pdf,svg} and index.html, and prints the table of results. Needs no GPU.
"""

from codestill.kit.program import log, parser, run
from codestill.kit.whole import given


def main():
    """The program."""
    options = parser(__doc__)
    options.add_argument("--study", type=given, required=True, help="the resolved study (study.json)")
    options.add_argument("--results", required=True, help="its results folder")
    options.add_argument("--output", required=True, help="folder to write the report into")
    options.add_argument("--benchmarks", help="folder of the workflow's benchmark files; default: benchmarks/<study>")
    arguments = options.parse_args()
    from codestill.report.build import build

    text, missing, damaged = build(arguments.study, arguments.results, arguments.output, arguments.benchmarks)
    print(text)
    if missing:
        log(f"not finished: {len(missing)} results are missing, the first of them {missing[0]}")
    if damaged:
        log(f"not readable: {len(damaged)} files, the first of them {damaged[0]}")
    log(f"report: {arguments.output}/index.html")


if __name__ == "__main__":
    run(main)
