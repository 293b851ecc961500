"""What the page opens with: the four models, the experiments, and what the table of comparisons lets be said."""

from codestill.grading.text_match import MEASURES
from codestill.report.comparisons import CONTROL, HEADLINE, apart, figures_of, reference, seed_words
from codestill.report.measures import COSTS, describe, pass_at, show, show_interval, title
from codestill.report.settings import settings
from codestill.report.table import setting_label
from codestill.statistics.confidence_intervals import interval
from codestill.statistics.min_f_prime import METHOD
from codestill.statistics.observations import of_rates

SPEED = "tokens_per_second"
COLUMNS = ("teacher", "student before", "fine-tuned alone", "best distilled")
LANGUAGE = ("bits_per_byte", "kl", "accuracy", "bodies_exact", "eval_loss")


def main_settings(results):
    """{column of the headline table: its setting's label, or None where it is not known yet}."""
    groups = settings(results)
    best, alone = results.headline("best_distilled"), reference(results)
    first = {models[0].role: models[0] for models in groups.values()}
    models = (first.get("teacher"), first.get("student"), alone and alone[0], best)
    return {
        column: setting_label(results, model) if model else None for column, model in zip(COLUMNS, models, strict=True)
    }


def main_model(results, setting):
    """The first model of the setting with this label."""
    return next(model for model in results.models if setting_label(results, model) == setting)


def lookup(frame, setting, benchmark, measure):
    """The row of the settings table asked for, as a dict with None for what is missing; None without one."""
    part = frame[(frame["setting"] == setting) & (frame["benchmark"] == benchmark) & (frame["measure"] == measure)]
    if part.empty:
        return None
    return {key: None if value != value else value for key, value in part.iloc[0].to_dict().items()}


def headline_measures(frame):
    """(benchmark, measure) of the headline table's rows, those that exist."""
    found = []
    for benchmark in dict.fromkeys(frame["benchmark"]):
        if benchmark:
            names = frame[frame["benchmark"] == benchmark]["measure"].unique()
            found += [(benchmark, name) for name in [*pass_at(names), *(one for one in MEASURES if one in names)]]
    present = list(dict.fromkeys(frame[frame["benchmark"] == ""]["measure"]))
    wanted = list(LANGUAGE)
    for name in COSTS:
        wanted += [one for one in present if one == name or (name == SPEED and one.startswith(SPEED))][:1]
    return found + [("", name) for name in wanted if name in present]


def headline(results, tables):
    """The headline table: a row a measure, with value, interval and share of the teacher for each of COLUMNS."""
    frame, main = tables["settings"], main_settings(results)
    rows = []
    for benchmark, measure in headline_measures(frame):
        known = describe(measure)
        cells = {}
        for column, setting in main.items():
            row = lookup(frame, setting, benchmark, measure)
            cells[column] = _cell(row, known.unit)
            if row is None and setting:
                cells[column]["text"] = results.absence(main_model(results, setting), benchmark, measure)
            elif setting and not benchmark and _was_busy(results.efficiency(main_model(results, setting)), measure):
                cells[column]["text"] += ", machine busy"
        label = f"{benchmark} {measure.replace('_', ' ')}" if benchmark else known.label
        head = label if benchmark else title(measure)
        told = {"label": label, "title": head, "unit": known.unit, "better": known.better}
        rows.append({**told, "cost": measure.startswith(COSTS), "cells": cells})
    return rows


def _was_busy(efficiency, measure):
    """Whether a time was not stable when it was taken, so that it says little."""
    batch = measure.removeprefix("tokens_per_second_") if measure.startswith("tokens_per_second_") else "1"
    timed = measure.startswith(("latency_ms", "tokens_per_second"))
    return timed and bool(((efficiency or {}).get("busy") or {}).get(batch))


def _cell(row, unit):
    if row is None:
        return {"value": None, "text": "missing", "interval": "", "share": None, "share_interval": "", "note": ""}
    ends = [row["share_low"], row["share_high"]]
    open_end = ends[0] is not None and ends[1] is None
    interval = "" if ends[0] is None else f"[{100 * ends[0]:.0f}, {'no end' if open_end else f'{100 * ends[1]:.0f}'}]"
    return {
        "value": row["value"],
        "text": show(row["value"], unit),
        "interval": show_interval(row["low"], row["high"], unit),
        "share": row["share"],
        "share_interval": interval,
        "note": seeds_of(row),
    }


def seeds_of(row):
    """`seeds 0 1 2` of a row of the settings table; empty for a model that no seed names."""
    return seed_words(str(row["seed_names"] or ""))


def shared_seeds(rows):
    """{column: the seeds that all of its cells rest on} of the headline table; empty where cells differ in them."""
    notes = {column: {row["cells"][column]["note"] for row in rows} - {""} for column in COLUMNS}
    return {column: next(iter(found)) if len(found) == 1 else "" for column, found in notes.items()}


def solved_text(results, benchmark, setting, frame):
    """`0 of 164 problems: a rate below 2.2 %` and the like: what a pass@1 says; None where it is missing."""
    row = lookup(frame, setting, benchmark, "pass@1")
    if row is None:
        return None
    draws = results.benchmarks.get(benchmark, {}).get("n", 1) * row["seeds"]
    samples = f"{draws} samples a problem" if draws > 1 else "one sample a problem"
    if row["value"] == 0 and row["high"] is not None:
        return f"0 of {row['n']:.0f} problems ({samples}): a rate below {100 * row['high']:.1f} %"
    return f"{show(row['value'], 'share')} {show_interval(row['low'], row['high'], 'share')} ({samples})"


def headline_row(tables, benchmark, kind=HEADLINE):
    """The row of comparisons that is a benchmark's headline, as a dict; None before both sides are graded."""
    part = tables["comparisons"]
    part = part[(part["benchmark"] == benchmark) & (part["label"] == kind) & (part["measure"] == "pass@1")]
    return None if part.empty else part.iloc[0].to_dict()


def verdicts(results, tables):
    """(claim, figures) for each benchmark: what distillation gained over fine-tuning alone, and how sure that is."""
    return [_verdict(results, tables, benchmark) for benchmark in results.benchmarks]


def _verdict(results, tables, benchmark):
    row, main = headline_row(tables, benchmark), main_settings(results)
    if row is None:
        return f"{benchmark}: nothing can be said yet", "The chosen cells are not both graded."
    if row["about"] != METHOD:
        claim = "these two models differ" if apart(row) else "these two models are not told apart"
        limit = " One seed speaks of two models, not of distillation."
    else:
        gained = "distillation helps" if row["low"] > 0 else "distillation hurts"
        claim, limit = (gained if apart(row) else "no gain or loss by distillation is shown"), ""
    figures = [
        f"pass@1 differs by {figures_of(row)}: the 95 % interval {'excludes' if apart(row) else 'holds'} zero.{limit}"
    ]
    other = headline_row(tables, benchmark, CONTROL)
    if other is not None:
        figures.append(f"Over the other control ({other['against']}) it differs by {figures_of(other)}.")
    named = {"best distilled": "Distilled", "fine-tuned alone": "Fine-tuned alone", "teacher": "Teacher"}
    for column, name in named.items():
        solved = solved_text(results, benchmark, main[column], tables["settings"])
        setting = "" if column == "teacher" else f" ({main[column]})"
        figures.append(f"{name}{setting}: {solved or 'missing'}.")
    return f"{benchmark}: {claim}", " ".join(figures)


def costs(rows):
    """The cost of the distilled student as shares of the teacher's, in one sentence from the headline's rows."""
    shares = [(row["label"], row["cells"]["best distilled"]["share"]) for row in rows if row["cost"]]
    told = [f"{label}: {100 * share:.0f} %" for label, share in shares if share is not None]
    return f"As shares of the teacher's: {'; '.join(told)}." if told else "Its size and speed are not measured yet."


def teacher_row(tables, benchmark):
    """The row of comparisons that sets the teacher beside the student fine-tuned alone; None without one."""
    part = tables["comparisons"]
    part = part[(part["benchmark"] == benchmark) & (part["role"] == "teacher") & (part["measure"] == "pass@1")]
    return None if part.empty else part.iloc[0].to_dict()


def discrimination(results, tables):
    """One sentence a benchmark: can it tell these models apart at all?"""
    said, frame = [], tables["settings"]
    for benchmark in results.benchmarks:
        found = frame[(frame["benchmark"] == benchmark) & (frame["measure"] == "pass@1")]
        row = teacher_row(tables, benchmark)
        if len(found) < 2:
            said.append(f"{benchmark}: fewer than two models are graded.")
        elif found["value"].max() == 0:
            said.append(
                f"{benchmark} cannot tell these models apart: every model solved 0 of {found['n'].iloc[0]:.0f}, "
                f"a rate below {100 * found['high'].max():.1f} % each. Read bits per byte instead."
            )
        elif row is None:
            said.append(f"{benchmark}: no paired comparison of teacher and student yet.")
        else:
            models = "" if row["about"] == METHOD else "; of these models, not of a method"
            noise = (row["high"] - row["low"]) / 2
            said.append(
                f"{benchmark} {'tells' if apart(row) else 'does not tell'} the teacher from the student fine-tuned "
                f"alone ({figures_of(row)}{models}); differences below about {noise:.3f} are within the noise "
                "of such a comparison."
            )
    return said


def given_away(results):
    """Sentences on what the training text gives away: what is solved without a model, and near copies of problems."""
    said = []
    for benchmark in results.benchmarks:
        shown = []
        for name in results.study.get("without_model", []):
            scores = results.optional(f"scores/{benchmark}/{name}.json")
            if scores and "pass@1" in scores:
                low, high = scores["intervals"]["pass@1"]
                shown.append(f"{name.replace('_', ' ')} {scores['pass@1']:.3f} [{low:.3f}, {high:.3f}]")
        if shown:
            said.append(f"{benchmark} without a model, by looking into the training functions: {', '.join(shown)}.")
        said += _near_copies(results, benchmark)
    return said


def _near_copies(results, benchmark):
    """One sentence on the problems that have near copies in the training text, with pass@1 of the main models without
    and with them: of all seeds of each."""
    graded = {column: _looked_up(results, benchmark, label) for column, label in main_settings(results).items()}
    found = [scores["without_near_copies"]["tasks"] for sides in graded.values() for _, scores in sides]
    if not found:
        return []
    tasks = list(dict.fromkeys(task for one in found for task in one))  # of a model judged on some, not all
    if not tasks:
        return [f"{benchmark}: no problem has a near copy in the training text."]
    named = ", ".join(tasks[:5]) + (f" and {len(tasks) - 5} more" if len(tasks) > 5 else "")
    one = len(tasks) == 1
    count, these = ("1 problem has a near copy", "it") if one else (f"{len(tasks)} problems have near copies", "them")
    said = f"{benchmark}: {count} in the training text ({named})"
    told = [_without(column, sides, set(tasks)) for column, sides in graded.items() if sides]
    told = "; ".join(filter(None, told))
    return [f"{said}; pass@1 without {these}, over problems alone: {told}." if told else f"{said}."]


def _looked_up(results, benchmark, label):
    """[(model, scores)] of a setting's models whose problems were looked up in the training text."""
    models = [model for model in results.models if label and setting_label(results, model) == label]
    scores = [(model, results.scores(model, benchmark) or {}) for model in models]
    return [(model, one) for model, one in scores if "without_near_copies" in one and "pass@1" in one]


def _without(column, sides, copied):
    """`teacher 0.410 [0.350, 0.470], with them 0.430` of a setting's models; empty where no problem is left."""
    judged = [scores["per_problem"] for _, scores in sides]
    left = [task for task in judged[0] if task not in copied and all(task in one for one in judged)]
    if not left:
        return ""
    rates = [[one[task]["c"] / one[task]["n"] for task in left] for one in judged]
    seen = of_rates(rates)
    ends = show_interval(*interval(seen), "share")
    with_them = sum(scores["pass@1"] for _, scores in sides) / len(sides)
    seeds = seed_words(" ".join(str(model.seed) for model, _ in sides if model.seed is not None))
    name = f"{column} ({seeds})" if seeds else column
    return f"{name} {show(seen.mean, 'share')} {ends}, with {'it' if len(copied) == 1 else 'them'} {with_them:.3f}"


def experiments(results, tables):
    """The experiments beside the controls: a dict a setting, in the study's order, for one table."""
    frame = tables["settings"]
    main = main_settings(results)
    wanted = [(column, main[column]) for column in ("teacher", "student before", "fine-tuned alone") if main[column]]
    for name, cells in results.study.get("experiments", {}).items():
        labels = dict.fromkeys(
            setting_label(results, results.by_name[cell]) for cell in cells if cell in results.by_name
        )
        wanted += [(name.replace("_", " "), label) for label in labels]
    if main["best distilled"]:
        wanted.append(("chosen on validation", main["best distilled"]))
    return [_experiment(results, tables, name, label, frame) for name, label in wanted]


def _experiment(results, tables, name, label, frame):
    found, model, seeds = {}, main_model(results, label), ""
    for benchmark in ["", *results.benchmarks]:
        for measure in ("eval_loss", "bits_per_byte", "kl") if not benchmark else ("pass@1",):
            row = lookup(frame, label, benchmark, measure)
            unit = describe(measure).unit
            seeds = seeds or str((row and row["seed_names"]) or "")
            found[f"{benchmark} {measure}".strip()] = {
                "text": show(row["value"], unit) if row else results.absence(model, benchmark, measure),
                "interval": show_interval(row["low"], row["high"], unit) if row else "",
                "value": row["value"] if row else "",
            }
    gaps = tables["comparisons"]
    gaps = gaps[(gaps["setting"] == label) & (gaps["measure"] == "pass@1") & gaps["low"].notna()]
    gaps = gaps[gaps["label"] != CONTROL]  # a column says what all are less
    return {
        "name": name,
        "setting": label,
        "seeds": seeds,
        "measures": found,
        "gaps": {row["benchmark"]: row for row in gaps.to_dict("records")},
    }
