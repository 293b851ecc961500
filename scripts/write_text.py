"""Make a text to learn from of a model's completions: all of them, those that pass, or as many at random.

    python scripts/write_text.py --recipe verified --prompts results/mine/inputs/benchmarks/pocket_training.jsonl \\
        --samples results/mine/verdicts/pocket_training/teacher.jsonl \\
        --protocols results/mine/samples/pocket_training/teacher.protocol.json \\
        --held_out results/mine/inputs/benchmarks/pocket.jsonl --output text.jsonl --accounting text.json

The records are like a corpus': tokenize_corpus.py makes rows of tokens of them. Completions that were cut off, are
blank, or hold a problem of --held_out are left out and counted. `verified` takes those that pass their tests,
`unverified` as many of all, drawn at random by --seed, `teacher` all.
"""

from codestill.kit.program import UserError, parser, run
from codestill.kit.whole import given
from codestill.study.flags import add_flags, section_of
from codestill.study.recipe_names import RECIPES
from codestill.study.sections.recipes import Recipes


def arguments():
    cli = parser(__doc__)
    cli.add_argument("--recipe", choices=RECIPES[1:], required=True, help="which completions are taken")
    cli.add_argument("--prompts", type=given, nargs="+", required=True, help="benchmarks, JSON lines")
    cli.add_argument(
        "--samples", type=given, nargs="+", required=True, help="completions of each; graded ones but for `teacher`"
    )
    cli.add_argument("--protocols", type=given, nargs="+", required=True, help="how they were drawn, of each")
    cli.add_argument("--held_out", type=given, nargs="*", default=[], help="benchmarks that no text may hold")
    cli.add_argument("--output", required=True, help="JSON lines of records to write")
    cli.add_argument("--accounting", required=True, help="JSON file of what became of each completion")
    add_flags(cli, Recipes, ["seed"])
    args = cli.parse_args()
    section_of(args, Recipes, ["seed"])
    if not len(args.prompts) == len(args.samples) == len(args.protocols):
        raise UserError("--samples, --protocols: give one for each file of --prompts")
    return args


def main():
    args = arguments()
    from codestill.distill.written_text import write_text

    write_text(**vars(args))


if __name__ == "__main__":
    run(main)
