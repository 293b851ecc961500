"""Paired comparisons with the student fine-tuned alone: one headline a benchmark, the rest exploratory."""

from codestill.report.settings import counts_by_seed, role_of, settings
from codestill.report.table import setting_label
from codestill.statistics import uncertainty

COLUMNS = ["benchmark", "measure", "setting", "role", "against", "difference", "low", "high", "p", "p_holm", "label"]
COLUMNS += ["problems"]


def reference(results):
    """The models of the setting fine-tuned alone: the one chosen on validation, else the study's first; None."""
    groups = settings(results)
    best = results.chosen("best_finetuned")
    if best:
        return groups[best.setting]
    return next((models for models in groups.values() if models[0].alone), None)


def comparison_rows(results):
    """Yield each setting's pass@1 less that of the student fine-tuned alone, on each benchmark.

    The setting chosen on validation is the headline, one comparison a benchmark, not corrected. All others are
    exploratory and Holm-corrected together within their benchmark.
    """
    alone = reference(results)
    if alone is None:
        return
    for benchmark in results.benchmarks:
        rows = list(_against(results, alone, benchmark))
        others = [row for row in rows if row["label"] == "exploratory"]
        for row, p in zip(others, uncertainty.holm([row["p"] for row in others]), strict=True):
            row["p_holm"] = p
        yield from rows


def _against(results, alone, benchmark):
    theirs = counts_by_seed(results, alone, benchmark)
    for models in settings(results).values():
        if models is alone or models[0].setting == alone[0].setting:
            continue
        found = uncertainty.paired_difference(counts_by_seed(results, models, benchmark), theirs, 1)
        if found is None:
            continue
        role = role_of(results, models)
        yield {
            "benchmark": benchmark,
            "measure": "pass@1",
            "setting": setting_label(results, models[0]),
            "role": role,
            "against": setting_label(results, alone[0]),
            **{key: found[key] for key in ("difference", "low", "high", "p")},
            "p_holm": None,
            "label": "headline" if role == "best distilled" else "exploratory",
            "problems": found["problems"],
        }


def comparison_frame(results):
    import pandas

    return pandas.DataFrame(list(comparison_rows(results)), columns=COLUMNS)
