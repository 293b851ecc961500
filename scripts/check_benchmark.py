"""Run a benchmark's own solutions against its tests and list the problems that cannot be judged here, with the reason.

    python scripts/check_benchmark.py --benchmark problems.jsonl --output check.json

A problem whose own solution fails would fail every sample. The exit code is 0 also where some do: grade.py --checked
marks them. A benchmark that needs candidate and tests in one process is run so with --trust same_process.
"""

from codestill.grading.command import BENCHMARK, add_grading_flags, check_grading_flags, pool_of
from codestill.kit.program import UserError, log, parser, progress, run
from codestill.kit.whole import given

UNUSED = ("rules",)  # solutions are programs already


def arguments():
    """The command line."""
    options = parser(__doc__)
    options.add_argument("--benchmark", type=given, required=True, help=BENCHMARK)
    options.add_argument("--output", help="where the list goes, JSON; left out: it is only printed")
    add_grading_flags(options, UNUSED)
    return options.parse_args()


def main():
    """Check, print a line for each problem that fails, write."""
    options = arguments()
    check_grading_flags(options, UNUSED)
    from codestill.grading.packages import allowed, hidden
    from codestill.grading.problems import load_problems
    from codestill.grading.soundness import solutions_of, unsound
    from codestill.kit.files import write_json

    problems = load_problems(options.benchmark)
    solved = sum(bool(solutions_of(problem)) for problem in problems.values())
    if not solved and not options.output:
        raise UserError(f"{options.benchmark}: its problems have no solutions; there is nothing to check")
    without = hidden(options.packages, allowed(options.packages))
    with pool_of(options.workers, options.memory, options.isolation, options.allow_weak_isolation, without) as pool:
        log(f"checking {solved} solutions of {options.benchmark}: isolation {pool.level.name}, trust {options.trust}")
        failed = unsound(
            problems, pool, options.timeout, options.trust, lambda outcomes: progress(outcomes, total=solved)
        )
        level = pool.level.name
    for name, reason in failed.items():
        log(f"{name}: its own solution fails: {reason}")
    record = {"benchmark": options.benchmark, "problems": len(problems), "solved": solved, "unsound": failed}
    if options.output:
        write_json(options.output, {**record, "isolation": level, "trust": options.trust, "timeout": options.timeout})
    log(f"{solved - len(failed)} of {solved} solutions pass; {len(problems) - solved} problems have none")
    return 0


if __name__ == "__main__":
    run(main)
