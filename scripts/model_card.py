"""Write the model card (README.md) of a model of a study, so that its folder can be pushed to a hub as it is.

    python scripts/model_card.py --study results/demo/study.json --results results/demo --model best_distilled \\
        --output results/demo/models/best_distilled/README.md

Whatever is not measured yet is missing from the card.
"""

from codestill.kit.program import log, parser, run
from codestill.kit.whole import given


def main():
    """The program."""
    options = parser(__doc__)
    options.add_argument("--study", type=given, required=True, help="the resolved study (study.json)")
    options.add_argument("--results", required=True, help="its results folder")
    options.add_argument("--model", required=True, help="a model of the study, or best_distilled, best_finetuned")
    options.add_argument("--output", required=True, help="the README.md to write")
    arguments = options.parse_args()
    from codestill.report.model_card import write
    from codestill.report.results import Results

    write(Results.load(arguments.study, arguments.results), arguments.model, arguments.output)
    log(arguments.output)


if __name__ == "__main__":
    run(main)
