"""Whether a benchmark can be judged here at all: its own solutions are run first."""

from codestill.grading import programs
from codestill.grading.grader import verdict
from codestill.grading.sandbox.pool import Job
from codestill.grading.text_match import judged_by_text


def unsound(problems, pool, timeout, trust="split", progress=lambda outcomes: outcomes):
    """{task_id: verdict} of the problems whose own solution does not pass; those that have none are left out.

    problems: {task_id: row}; a row may hold a list of solutions, of which one must pass. Timeouts run again, alone.
    """
    waiting = {}
    for name, problem in problems.items():
        solutions = solutions_of(problem)
        if solutions and not judged_by_text(problem):
            waiting[name] = (programs.as_run(problem, trust), solutions)
    failed, place = {}, 0
    while waiting:
        failed = {name: found for name, found in failed.items() if name not in waiting}
        outcomes = _run(waiting, place, pool, timeout, progress)
        failed.update({name: found for name, found in outcomes.items() if found["kind"] != "passed"})
        place += 1
        waiting = {name: waiting[name] for name in failed if name in waiting and place < len(waiting[name][1])}
    return {name: verdict(failed[name])["result"] for name in problems if name in failed}


def solutions_of(problem):
    """The programs that solve a problem by its own word, whole."""
    solutions = problem["canonical_solution"]
    texts = [solutions] if isinstance(solutions, str) else list(solutions)
    return [problem["prompt"] + text + "\n\n" for text in texts if text.strip()]


def _run(waiting, place, pool, timeout, progress):
    def jobs(names):
        for name in names:
            problem, texts = waiting[name]
            yield Job(name, problem, programs.source_of(problem, texts[place]))

    outcomes = dict(progress(pool.run(jobs(waiting), timeout)))
    doubtful = [name for name, outcome in outcomes.items() if not outcome["sure"]]
    outcomes.update(pool.run(jobs(doubtful), timeout, alone=True))
    return {name: programs.judged(waiting[name][0], outcome) for name, outcome in outcomes.items()}
