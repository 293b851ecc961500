"""Hash a finished study again, and name what drifted, from which file, since when.

    python scripts/verify.py --results results/demo

Exit code 0 where every file is as its report found it, 1 where one is not.
"""

from codestill.kit.program import log, parser, run


def main():
    """The program."""
    options = parser(__doc__)
    options.add_argument("--results", required=True, help="the study's results folder, with its report")
    arguments = options.parse_args()
    from codestill.report.verify import drift, recorded

    found = list(drift(arguments.results))
    for path, what, since, dependants in found:
        log(f"{path}: {what} since {since}; behind {', '.join(dependants)}")
    count = len(recorded(arguments.results))
    log(f"{len(found)} of {count} files drifted" if found else f"{count} files are as the report found them")
    return 1 if found else 0


if __name__ == "__main__":
    run(main)
