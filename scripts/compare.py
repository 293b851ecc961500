"""Compare two cells, two experiments or two archives: what differs in them, and in what they achieve.

    python scripts/compare.py --a experiment_1 --b experiment_2 --results results/demo
    python scripts/compare.py --a T-2.0_alpha-0.5_seed-42 --b best_finetuned --results results/demo
    python scripts/compare.py --a mine.tar.gz --b theirs.tar.gz::experiment_1 --output comparison.md

pass@k is paired by problem, other measures by seed. An archive or folder without ::NAME stands for its chosen cell.
"""

from codestill.kit.files import atomic
from codestill.kit.program import parser, run


def main():
    """The program."""
    options = parser(__doc__)
    options.add_argument("--a", required=True, help="NAME, ARCHIVE, FOLDER, ARCHIVE::NAME or FOLDER::NAME")
    options.add_argument("--b", required=True, help="the other one, in the same forms")
    options.add_argument("--results", help="the study in which a bare NAME is meant; default: the only one there is")
    options.add_argument("--output", help="write the comparison here too, as Markdown")
    arguments = options.parse_args()
    from codestill.report.comparison import markdown
    from codestill.report.comparison_sides import load_side

    text = markdown(load_side(arguments.a, arguments.results), load_side(arguments.b, arguments.results))
    if arguments.output:
        with atomic(arguments.output) as handle:
            handle.write(text)
    print(text, end="")


if __name__ == "__main__":
    run(main)
