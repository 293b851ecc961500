"""Pack a study's tables, passports, config and figures into one file, for another machine or an appendix.

    python scripts/archive.py --results results/demo --output demo.tar.gz
    mkdir demo && tar -xzf demo.tar.gz -C demo && python scripts/figures.py --tables demo/report

Models, tokens and samples are not in it; compare.py takes it as it is.
"""

from codestill.kit.program import log, parser, run


def main():
    """The program."""
    options = parser(__doc__)
    options.add_argument("--results", required=True, help="the study's results folder, with its report")
    options.add_argument("--output", required=True, help="the archive to write (.tar.gz)")
    arguments = options.parse_args()
    from codestill.report.archive import pack

    log(f"{arguments.output}: {pack(arguments.results, arguments.output)} files")


if __name__ == "__main__":
    run(main)
