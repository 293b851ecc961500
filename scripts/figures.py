"""Draw the figures of a report again, from its tables alone: no results, no GPU, no network.

    python scripts/figures.py --tables results/demo/report
    python scripts/figures.py --tables results/demo/report --figure heat_map --output somewhere
    python scripts/figures.py --tables results/demo/report --cell T-2.0_alpha-0.5_seed-42

Writes figures/NAME.{png,pdf,svg}, and the losses of each cell as cells/CELL/curves.svg. The same tables give the same
bytes under the same matplotlib; elsewhere the same data, drawn alike.
"""

from codestill.kit.program import UserError, log, parser, run


def main():
    """The program."""
    options = parser(__doc__)
    options.add_argument("--tables", required=True, help="a report's folder: its tables and passport.json")
    options.add_argument("--output", help="folder for figures/ and cells/; default: that of the tables")
    options.add_argument("--figure", nargs="+", help="draw these only; default: all")
    options.add_argument("--cell", nargs="+", help="draw the losses of these cells only; default: of all")
    arguments = options.parse_args()
    from codestill.report.build import redraw
    from codestill.report.figures import FIGURES

    unknown = sorted(set(arguments.figure or ()) - set(FIGURES))
    if unknown:
        raise UserError(f"--figure: no figure {unknown[0]}; known: {', '.join(FIGURES)}")
    for path in redraw(arguments.tables, arguments.output, arguments.figure, arguments.cell):
        log(path)


if __name__ == "__main__":
    run(main)
