"""Cells that differ only in their seed, taken together: means, spread over seeds, and intervals."""

import statistics

from codestill.report.measures import describe
from codestill.report.table import axis_columns, score_rows, setting_label
from codestill.statistics import uncertainty

COLUMNS = ["setting", "role", "of", "benchmark", "measure", "value", "low", "high", "sd", "seeds", "n", "unit"]


def settings(results):
    """{key: models of that setting, by seed} in the study's order; teacher and student are settings of one model."""
    groups = {}
    for model in results.models:
        groups.setdefault(model.setting, []).append(model)
    return groups


def experiment_names(results):
    """{setting key: names of the experiments that ask for it}."""
    found = {}
    for name, cells in results.study.get("experiments", {}).items():
        for cell in cells:
            model = results.by_name.get(cell)
            if model:
                found.setdefault(model.setting, {})[name] = None
    return {key: list(names) for key, names in found.items()}


def role_of(results, models):
    """teacher, student, distilled or alone; `best distilled` and `best alone` for the settings chosen."""
    if models[0].role != "cell":
        return models[0].role
    kind = "alone" if models[0].alone else "distilled"
    alias = "best_finetuned" if kind == "alone" else "best_distilled"
    best = results.chosen(alias)
    return f"best {kind}" if best and best.setting == models[0].setting else kind


def setting_rows(results):
    """Yield one row per setting x benchmark x measure, `COLUMNS` and the axes."""
    asked = experiment_names(results)
    rows = {}
    for row in score_rows(results):
        rows.setdefault(row["model"], []).append(row)
    for key, models in settings(results).items():
        head = {"setting": setting_label(results, models[0]), "role": role_of(results, models)}
        head |= {"of": " ".join(asked.get(key, []))}
        head |= {column: models[0].axes.get(axis) for axis, column in axis_columns(results).items()}
        facts = {}
        for model in models:
            for row in rows.get(model.name, []):
                facts.setdefault((row["benchmark"], row["measure"]), []).append(row)
        for (benchmark, measure), found in facts.items():
            low, high = _interval(results, models, benchmark, measure, found)
            values = [row["value"] for row in found]
            yield head | {
                "benchmark": benchmark,
                "measure": measure,
                "value": statistics.fmean(values),
                "low": low,
                "high": high,
                "sd": statistics.stdev(values) if len(values) > 1 else None,
                "seeds": len(values),
                "n": found[0]["n"],
                "unit": describe(measure).unit,
            }


def _interval(results, models, benchmark, measure, rows):
    if len(rows) == 1:
        return rows[0]["low"], rows[0]["high"]
    if measure.startswith("pass@"):
        return uncertainty.pass_interval(counts_by_seed(results, models, benchmark), int(measure[5:]))
    return uncertainty.seed_interval([row["value"] for row in rows])


def counts_by_seed(results, models, benchmark):
    """One {task_id: (n, c)} for each model graded on the benchmark."""
    found = []
    for model in models:
        scores = results.scores(model, benchmark)
        if scores and scores.get("per_problem"):
            found.append({task: (count["n"], count["c"]) for task, count in scores["per_problem"].items()})
    return found


def setting_frame(results):
    import pandas

    columns = COLUMNS[:3] + list(axis_columns(results).values()) + COLUMNS[3:]
    return pandas.DataFrame(list(setting_rows(results)), columns=columns)
