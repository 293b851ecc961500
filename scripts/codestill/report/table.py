"""The tables that everything else is drawn and written from: scores, curves and problems, one row a fact."""

from codestill.kit.files import atomic
from codestill.report.measures import describe, pass_at
from codestill.study.cell import TAUGHT
from codestill.study.recipe_words import TOLD, recipe_words

FIRST = ["model", "role", "chosen", "setting"]
LAST = ["seed", "benchmark", "measure", "value", "low", "high", "n", "unit"]
CURVES = ["model", "step", "epoch", "split", "measure", "value"]
PROBLEMS = ["model", "benchmark", "task_id", "n", "c", "near_copy"]
# Numbers in the files that say how a measure was taken, not how good a model is.
CIRCUMSTANCES = (
    *("intervals", "functions", "tokens", "bytes", "lines", "threads", "prompt_tokens", "new_tokens", "repeats"),
    "busy",
)
LOSSES = ("loss_ce", "loss_kl", "loss_total")
SHORT = {"temperature": "T", "learning_rate": "lr", "weight_decay": "decay"}


def axis_columns(results):
    """Column of each axis but the seed: its own name, and T for the temperature."""
    return {axis: "T" if axis == "temperature" else axis for axis in results.axes if axis != "seed"}


def setting_label(results, model):
    """A model for people, without its seed: `T 2, alpha 0.5`, and whatever else is not the study's default, its recipe
    last; of other models than the study's pair `tiny by big`, and what is not the default; of what is healed its
    variant.
    """
    if model.role != "cell":
        return {"teacher": "teacher", "student": "student before"}.get(model.role, model.name)
    student = model.axes.get("student")
    if model.name in results.study["models"].get(student, {}).get("healed", ()):  # in one way alone
        return f"{student} healed"
    pair = _pair(results, model)
    parts = [pair] if pair else []
    for axis, value in model.axes.items():
        if pair and (axis in ("teacher", "student") or (axis == "init" and _starts(results, student) == {value})):
            continue
        told = axis in ("temperature", "alpha") and not (pair and value in (results.defaults.get(axis), None))
        told = told or (axis in results.varied and value != results.defaults.get(axis))
        if axis in ("seed", *TOLD) or not told or (value is None and axis in TAUGHT):
            continue
        shown = f"{value:g}" if isinstance(value, float) else "none" if value is None else str(value)
        parts.append(f"{SHORT.get(axis, axis)} {shown}")
    if results.several_recipes:
        parts.append(f"recipe {recipe_words(model.axes)}")
    return ", ".join([*parts, *(["fresh seeds"] if model.fresh_of else [])]) or model.name


def _pair(results, model):
    """`student by teacher` where they are not both the study's own; None where they are, or the axes do not say."""
    student, teacher = (model.axes.get(axis) for axis in ("student", "teacher"))
    own = [results.defaults.get(axis, axis) for axis in ("student", "teacher")]
    if student is None or (student == own[0] and teacher in (None, own[1])):
        return None
    return f"{student} by {teacher}" if teacher else f"{student} alone"


def _starts(results, student):
    """How the cells of a student start, a set of `init`s."""
    return {one.axes.get("init") for one in results.models if one.axes.get("student") == student}


def score_rows(results):
    """Yield each measure of each model as a dict: the columns of `score_columns`."""
    for model in results.models:
        head = {
            "model": model.name,
            "role": model.role,
            "chosen": " ".join(model.chosen),
            "setting": setting_label(results, model),
            **{column: model.axes.get(axis) for axis, column in axis_columns(results).items()},
            "seed": model.seed,
        }
        for benchmark, measure, value, interval, count in _facts(results, model):
            low, high = interval or (None, None)
            unit = describe(measure).unit
            yield head | {
                "benchmark": benchmark,
                "measure": measure,
                "value": value,
                "low": low,
                "high": high,
                "n": count,
                "unit": unit,
            }


def _facts(results, model):
    """Yield (benchmark, measure, value, (low, high) or None, n) of everything measured on a model."""
    # A task's losses are of its own text, which no other model's are.
    losses = (results.trained(model, "eval_results") if model.role != "task" else None) or {}
    for name in ("eval_loss", "eval_loss_ce", "eval_loss_kl", "eval_loss_total"):
        if _number(losses.get(name)):
            yield "", name, losses[name], None, losses.get("targets")
    training = results.trained(model, "train_results") or {}
    for name in ("train_runtime", "train_cpu_seconds"):
        if _number(training.get(name)):
            yield "", name, training[name], None, None
    for room in ("language", "efficiency"):
        found = (results.efficiency(model) if room == "efficiency" else results.language(model)) or {}
        for name, value in _flat(found):
            if name.split(".")[0] not in CIRCUMSTANCES:
                yield "", name, value, (found.get("intervals") or {}).get(name), found.get("tokens")
    for benchmark in results.benchmarks:
        yield from _graded(results, model, benchmark)


def _graded(results, model, benchmark):
    scores = results.scores(model, benchmark)
    if scores is None:
        return
    count = scores.get("n_problems")
    for name in pass_at(scores):
        yield benchmark, name, scores[name], (scores.get("intervals") or {}).get(name), count
    for name, value in (scores.get("measures") or {}).items():
        yield benchmark, name, value, (scores.get("intervals") or {}).get(name), count
    for stage, share in funnel_shares(scores).items():
        yield benchmark, f"funnel.{stage}", share, None, scores.get("n_samples")


def funnel_shares(scores):
    """{stage: share of the samples that got as far} of a scores file."""
    return {stage: share for stage, share in (scores.get("funnel") or {}).items() if _number(share)}


def _number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _flat(mapping, prefix=""):
    for name, value in mapping.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif _number(value):
            yield prefix + name, value


def curve_rows(results):
    """Yield the logged losses of each trained model: step, epoch, split (train or validation), measure, value."""
    for model in results.models:
        state = results.trained(model, "trainer_state") or {}
        for entry in state.get("log_history", []):
            for key in LOSSES:
                for name, split in ((key, "train"), (f"eval_{key}", "validation")):
                    if _number(entry.get(name)):
                        place = {"model": model.name, "step": entry.get("step"), "epoch": entry.get("epoch")}
                        yield place | {"split": split, "measure": key, "value": entry[name]}


def problem_rows(results):
    """Yield how many of a model's samples passed each problem: n drawn, c correct; and whether the training text holds
    a near copy of it, None where nobody looked."""
    for model in results.models:
        for benchmark in results.benchmarks:
            scores = results.scores(model, benchmark) or {}
            looked_up = scores.get("without_near_copies")
            for task, count in (scores.get("per_problem") or {}).items():
                place = {"model": model.name, "benchmark": benchmark, "task_id": task}
                copied = None if looked_up is None else task in looked_up["tasks"]
                yield place | {"n": count["n"], "c": count["c"], "near_copy": copied}


def score_columns(results):
    return FIRST + list(axis_columns(results).values()) + LAST


def score_frame(results):
    return _frame(score_rows(results), score_columns(results))


def curve_frame(results):
    return _frame(curve_rows(results), CURVES)


def problem_frame(results):
    return _frame(problem_rows(results), PROBLEMS)


def _frame(rows, columns):
    import pandas

    return pandas.DataFrame(list(rows), columns=columns)


def write_csv(frame, path):
    """Write a data frame as CSV, floats in the shortest form that reads back the same, missing values empty."""
    with atomic(path) as handle:
        frame.to_csv(handle, index=False, lineterminator="\n")


def read_csv(path):
    """A table written by `write_csv`; empty cells of text columns are empty text. Raises UserError if missing."""
    import pandas

    from codestill.kit.program import UserError

    try:
        frame = pandas.read_csv(path, dtype={"seeds_against": str, "seed_names": str})
    except FileNotFoundError:
        raise UserError(f"{path}: no such table; write it with scripts/report.py") from None
    if "seeds_against" in frame:  # the seeds themselves, not how many
        names = frame["seeds"].astype(object).fillna("")  # read as numbers where each side has one
        frame["seeds"] = [str(int(one)) if isinstance(one, float) else str(one) for one in names]
    for column in ("benchmark", "chosen", "role", "label", "of", "seeds_against", "seed_names"):
        if column in frame:
            frame[column] = frame[column].astype(object).fillna("")
    return frame
