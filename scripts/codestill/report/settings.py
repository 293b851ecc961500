"""Cells that differ only in their seed, taken together: means, spread over seeds, intervals, shares of the teacher."""

import statistics

from codestill.report.evidence import Evidence, planned_design
from codestill.report.measures import COSTS, describe
from codestill.report.table import axis_columns, setting_label

COLUMNS = ["setting", "role", "of", "benchmark", "measure", "value", "low", "high", "sd", "seeds", "seed_names"]
COLUMNS += ["share", "share_low", "share_high", "n", "unit"]
SHARED = ("pass@", "bits_per_byte", *COSTS)


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
    best = results.headline(alias)
    return f"best {kind}" if best and best.setting == models[0].setting else kind


def evidence_of(results, scores, problems):
    """The Evidence of a study's tables, with the sums over functions of its language documents."""
    return Evidence(
        scores, problems, planned_design(results.study), lambda name: results.language(results.by_name[name])
    )


def setting_rows(results, evidence, scores):
    """Yield one row per setting x benchmark x measure, `COLUMNS` and the axes."""
    asked = experiment_names(results)
    rows = {}
    for row in scores.astype(object).where(scores.notna(), None).to_dict("records"):
        rows.setdefault(row["model"], []).append(row)
    teacher = next((setting_label(results, m) for m in results.models if m.role == "teacher"), None)
    for key, models in settings(results).items():
        label = setting_label(results, models[0])
        head = {"setting": label, "role": role_of(results, models), "of": " ".join(asked.get(key, []))}
        head |= {column: models[0].axes.get(axis) for axis, column in axis_columns(results).items()}
        facts = {}
        for model in models:
            for row in rows.get(model.name, []):
                facts.setdefault((row["benchmark"], row["measure"]), []).append(row)
        for (benchmark, measure), found in facts.items():
            values = [row["value"] for row in found]
            low, high = evidence.interval(label, benchmark, measure)
            if low is None and len({(row["low"], row["high"]) for row in found}) == 1:
                low, high = found[0]["low"], found[0]["high"]
            share = _share(evidence, label, teacher, benchmark, measure, statistics.fmean(values))
            yield head | {
                "benchmark": benchmark,
                "measure": measure,
                "value": statistics.fmean(values),
                "low": low,
                "high": high,
                "sd": statistics.stdev(values) if len(values) > 1 else None,
                "seeds": len(values),
                "seed_names": " ".join(str(int(row["seed"])) for row in found if row["seed"] is not None),
                **dict(zip(("share", "share_low", "share_high"), share, strict=True)),
                "n": found[0]["n"],
                "unit": describe(measure).unit,
            }


def _share(evidence, label, teacher, benchmark, measure, value):
    """(share of the teacher's value, low, high), None where it has no meaning or no interval."""
    if label == teacher or not measure.startswith(SHARED):
        return None, None, None
    found = evidence.share(label, teacher, benchmark, measure)
    if found is None:
        base = evidence.value(teacher, benchmark, measure)
        found = (value / base if base else None, None, None)
    return found


def setting_frame(results, evidence, scores):
    import pandas

    columns = COLUMNS[:3] + list(axis_columns(results).values()) + COLUMNS[3:]
    return pandas.DataFrame(list(setting_rows(results, evidence, scores)), columns=columns)
