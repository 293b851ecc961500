"""See the code: each problem with what the four main models wrote for it, seed by seed, and how that was judged."""

from difflib import SequenceMatcher

from codestill.grading.text_match import judged_by_text
from codestill.report.summary import COLUMNS

MOST = 400  # problems shown for a benchmark: a page stays one that a browser opens
SEEDS = 5  # seeds shown, the chosen one among them
LONGEST = 4000  # characters of a completion shown
ONCE, BY_SEED = COLUMNS[:2], COLUMNS[2:]


def problems(results, benchmark):
    """{seeds, shown, rows}: the seeds to switch between, the one to begin with, and a dict per problem.

    A row has task, prompt, `answers` (of teacher and untouched student) and `seeds`: for each seed its class and the
    answers of the student fine-tuned alone and the distilled one. The class compares the two: gained, lost, both or
    neither of them solved it with at least one sample. An answer is the first completion that passed, else the first
    drawn, as lines with their difference from the teacher's answer or, where a problem is judged by its text, from
    what stands there. No rows where nothing is graded.
    """
    first = {model.role: model for model in reversed(results.models)}
    once = _graded(results, benchmark, zip(ONCE, (first.get("teacher"), first.get("student")), strict=True))
    chosen, seeds = _sides(results)
    by_seed = {seed: _graded(results, benchmark, sides.items()) for seed, sides in seeds.items()}
    by_seed = {seed: found for seed, found in by_seed.items() if found}
    known = results.problems(benchmark)
    some = next((tasks for rows in (once, *by_seed.values()) for _, tasks in rows.values()), None)
    tasks = [] if some is None else list(known or some)[:MOST]
    shown = chosen if chosen in by_seed else next(iter(by_seed), None)
    rows = [_problem(task, known.get(task, {}), once, by_seed) for task in tasks]
    return {"seeds": list(by_seed), "shown": shown, "rows": rows}


def _sides(results):
    """(the chosen seed, {seed: {column: model}}) of both chosen settings, for the seeds that either has."""
    chosen = [results.chosen(alias) for alias in ("best_finetuned", "best_distilled")]
    settings = [{}, {}]
    for model, found in zip(chosen, settings, strict=True):
        if model:
            found.update({one.seed: one for one in results.models if one.setting == model.setting})
    first = next((model.seed for model in reversed(chosen) if model), None)
    every = sorted(settings[0] | settings[1], key=lambda seed: (seed != first, seed))[:SEEDS]
    return first, {seed: dict(zip(BY_SEED, (one.get(seed) for one in settings), strict=True)) for seed in sorted(every)}


def _graded(results, benchmark, models):
    """{column: (seed, {task: its rows})} of the models that are graded."""
    found = {}
    for column, model in models:
        rows = results.verdicts(model, benchmark) if model else None
        if rows:
            tasks = {}
            for row in rows:
                tasks.setdefault(row["task_id"], []).append(row)
            found[column] = model.seed, tasks
    return found


def _problem(task, known, once, by_seed):
    answers = [_answer(column, *found, task) for column, found in once.items()]
    if judged_by_text(known):
        stands = {"model": "as it stands in the code", "state": "", "count": "", "seed": None, "verdict": ""}
        answers = [{**stands, "text": known["canonical_solution"]}, *answers]
    reference = answers[0]["text"] if answers and answers[0]["model"] != ONCE[1] else None
    panels = {}
    for seed, found in by_seed.items():
        ours = {column: _answer(column, *one, task) for column, one in found.items()}
        panels[seed] = {"kind": _class(*(ours.get(column) for column in BY_SEED)), "answers": list(ours.values())}
    for number, answer in enumerate([*answers, *(one for panel in panels.values() for one in panel["answers"])]):
        answer["lines"] = _lines(answer.pop("text"), reference if number else None)
    return {"task": task, "prompt": known.get("prompt", ""), "answers": answers, "seeds": panels}


def _answer(column, seed, tasks, task):
    samples = tasks.get(task, [])
    if not samples:
        return {"model": column, "seed": seed, "state": "missing", "text": "", "verdict": "missing", "count": ""}
    passed = [row for row in samples if row["passed"]]
    shown = (passed or samples)[0]
    text = shown["completion"]
    return {
        "model": column,
        "seed": seed,
        "state": "passed" if passed else "failed",
        "text": text if len(text) <= LONGEST else text[:LONGEST] + "\n... (cut here)",
        "verdict": str(shown.get("result", "")),
        "count": f"{len(passed)} of {len(samples)}",
    }


def _lines(text, reference):
    """[(sign, line)] of a text: `+` where the reference lacks it, `-` where the reference alone has it, else blank."""
    if reference is None or text.strip() == "":
        return [("", line) for line in text.splitlines()]
    theirs, ours, found = reference.rstrip().splitlines(), text.rstrip().splitlines(), []
    for kind, a, b, c, d in SequenceMatcher(None, theirs, ours, autojunk=False).get_opcodes():
        if kind == "equal":
            found += [(" ", line) for line in ours[c:d]]
        else:
            found += [("-", line) for line in theirs[a:b]] + [("+", line) for line in ours[c:d]]
    return found


def _class(theirs, ours):
    if ours is None or theirs is None or "missing" in (ours["state"], theirs["state"]):
        return "unknown"
    solved = ours["state"] == "passed", theirs["state"] == "passed"
    return {(True, False): "gained", (False, True): "lost", (True, True): "both", (False, False): "neither"}[solved]
