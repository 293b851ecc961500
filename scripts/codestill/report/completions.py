"""See the code: each problem with what the four main models wrote for it, and whether it passed."""

from codestill.report.summary import COLUMNS

MOST = 400  # problems shown for a benchmark: a page stays one that a browser opens
LONGEST = 4000  # characters of a completion shown


def problems(results, benchmark):
    """A dict per problem: task, prompt, class, and for each model its verdict and one completion.

    The class compares distilled with fine-tuned alone: gained, lost, both or neither of them solved it with at least
    one sample. The completion is the first that passed, else the first drawn. [] where nothing is graded.
    """
    models = _main_models(results)
    rows = {column: _by_task(results.verdicts(model, benchmark)) for column, model in models.items() if model}
    rows = {column: tasks for column, tasks in rows.items() if tasks}
    if not rows:
        return []
    known = results.problems(benchmark)
    tasks = list(known) or list(next(iter(rows.values())))
    return [_problem(task, known.get(task, {}), rows) for task in tasks[:MOST]]


def _main_models(results):
    first = {model.role: model for model in reversed(results.models)}
    models = (first.get("teacher"), first.get("student"), results.chosen("best_finetuned"))
    return dict(zip(COLUMNS, (*models, results.chosen("best_distilled")), strict=True))


def _by_task(verdicts):
    found = {}
    for row in verdicts or []:
        found.setdefault(row["task_id"], []).append(row)
    return found


def _problem(task, known, rows):
    answers, solved = [], {}
    for column, tasks in rows.items():
        samples = tasks.get(task, [])
        if not samples:
            answers.append({"model": column, "state": "missing", "text": "", "verdict": "missing", "count": ""})
            continue
        passed = [row for row in samples if row["passed"]]
        shown = (passed or samples)[0]
        solved[column] = bool(passed)
        text = shown["completion"]
        answers.append(
            {
                "model": column,
                "state": "passed" if passed else "failed",
                "text": text if len(text) <= LONGEST else text[:LONGEST] + "\n... (cut here)",
                "verdict": str(shown.get("result", "")),
                "count": f"{len(passed)} of {len(samples)}",
            }
        )
    kind = _class(solved.get("best distilled"), solved.get("fine-tuned alone"))
    return {"task": task, "prompt": known.get("prompt", ""), "kind": kind, "answers": answers}


def _class(ours, theirs):
    if ours is None or theirs is None:
        return "unknown"
    return {(True, False): "gained", (False, True): "lost", (True, True): "both", (False, False): "neither"}[
        ours, theirs
    ]
