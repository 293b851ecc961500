"""The one table of comparisons: every sentence of a report that says that something differs is read off it.

One headline a benchmark: the setting chosen as distilled less the one chosen as fine-tuned alone, by fresh seeds where
the study has some. All other settings
less that control are exploratory, corrected together by Holm's method. Then the distilled setting less the best control
of the other kind, with or without label smoothing (is the gain more than softened targets?), and a row for each axis.
"""

from codestill.report.measures import describe, show, show_p
from codestill.report.settings import role_of, settings
from codestill.report.table import SHORT, setting_label
from codestill.statistics.min_f_prime import METHOD
from codestill.statistics.multiple_comparisons import axis_test, holm

COLUMNS = ["label", "benchmark", "measure", "setting", "role", "against", "difference", "low", "high", "p", "p_holm"]
COLUMNS += ["df", "about", "units", "seeds", "seeds_against", "ratio", "welch"]
HEADLINE, EXPLORATORY, AXIS = "headline", "exploratory", "axis"
CONTROL = "other control"


def compared_measures(results):
    """(benchmark, measure) in which settings are compared."""
    return [*[(name, "pass@1") for name in results.benchmarks], ("", "bits_per_byte"), ("", "eval_loss")]


def reference(results):
    """The models of the setting fine-tuned alone: the one chosen, else the study's first; None."""
    groups = settings(results)
    best = results.headline("best_finetuned")
    if best:
        return groups[best.setting]
    return next((models for models in groups.values() if models[0].alone), None)


def comparison_rows(results, evidence):
    """Yield the rows of the table, as dicts of COLUMNS."""
    alone = reference(results)
    for benchmark, measure in compared_measures(results):
        rows = [] if alone is None else list(_against(results, evidence, alone, benchmark, measure))
        others = [row for row in rows if row["label"] == EXPLORATORY]
        for row, p in zip(others, holm([row["p"] for row in others]), strict=True):
            row["p_holm"] = p
        yield from rows
        yield from _other_control(results, evidence, alone, benchmark, measure)
        for axis in results.axes[:-1]:
            row = _axis(results, evidence, axis, benchmark, measure)
            if row:
                yield row


def _against(results, evidence, alone, benchmark, measure):
    control = setting_label(results, alone[0])
    for models in settings(results).values():
        label, role = setting_label(results, models[0]), role_of(results, models)
        kind = HEADLINE if role == "best distilled" else EXPLORATORY
        found = None if label == control else _row(evidence, kind, label, role, control, benchmark, measure)
        if found is not None:
            yield found


def _row(evidence, kind, label, role, control, benchmark, measure):
    """One setting less another, as a dict of COLUMNS; None where it cannot be told."""
    found = evidence.compare(label, control, benchmark, measure)
    return found and {
        "label": kind,
        "benchmark": benchmark,
        "measure": measure,
        "setting": label,
        "role": role,
        "against": control,
        **{name: getattr(found, name) for name in ("difference", "low", "high", "p")},
        "p_holm": None,
        **{name: getattr(found, name) for name in ("df", "about", "units", "ratio", "welch")},
        "seeds": "" if evidence.fixed(label) else " ".join(map(str, found.seeds[0])),
        "seeds_against": " ".join(map(str, found.seeds[1])),
    }


def other_control(results):
    """The model of the best candidate without a teacher that has label smoothing where the chosen one has none, or
    none where that has some; None where all are of one kind, or none is chosen yet."""
    choice = results.choices.get("best_finetuned") or {}
    smoothed = [bool((one.get("axes") or {}).get("label_smoothing")) for one in choice.get("candidates", [])]
    for one, kind in zip(choice.get("candidates", []), smoothed, strict=True):
        if kind != smoothed[0]:
            return results.by_name.get(one["cells"][0]["cell"])
    return None


def _other_control(results, evidence, alone, benchmark, measure):
    """The headline's setting less the other control, where both are there."""
    best, control = results.headline("best_distilled"), other_control(results)
    if best and control and control.setting != alone[0].setting:
        labels = [setting_label(results, model) for model in (best, control)]
        row = _row(evidence, CONTROL, labels[0], "best distilled", labels[1], benchmark, measure)
        yield from [row] if row else []


def _axis(results, evidence, axis, benchmark, measure):
    """The row of one axis: p over all pairs of its levels jointly, and the two levels that differ most."""
    families = _families(results, evidence, axis, benchmark, measure)
    if not families:
        return None
    found = axis_test([[one for _, one in family] for family in families], evidence.pool(benchmark, measure))
    row = dict.fromkeys(COLUMNS) | {"label": AXIS, "benchmark": benchmark, "measure": measure, "role": axis}
    if found is None:
        return row
    names = [name for name, _ in families[found.family]]
    row |= {"setting": names[found.first], "against": names[found.second], "difference": found.difference}
    return row | {"p": found.p, "about": METHOD}


def _families(results, evidence, axis, benchmark, measure):
    """[[(label, Observations)]]: settings that differ in this axis alone, two levels of it or more."""
    first = {key: models[0] for key, models in settings(results).items()}
    groups = {key: model for key, model in first.items() if model.role == "cell" and not model.fresh_of}
    labels = {key: setting_label(results, model) for key, model in groups.items()}
    seen = {key: evidence.observed(label, benchmark, measure) for key, label in labels.items()}
    found = {}
    for key, model in groups.items():
        if seen[key] is not None and model.axes.get(axis) is not None:
            # Without a teacher in the objective, a teacher stands for the author of the text.
            apart = ("teacher", "teacher_seed") if axis == "recipe" and model.axes.get("alpha") == 1 else ()
            rest = tuple((name, value) for name, value in key if name not in (axis, *apart))
            found.setdefault(rest, {})[model.axes[axis]] = key
    if axis == "alpha":  # alpha 1 has no T and no objective: it ends the ladder of every T whose other axes it shares
        for key, model in groups.items():
            if model.axes["alpha"] == 1 and seen[key] is not None:
                for rest, family in found.items():
                    if all(dict(rest).get(name) == value for name, value in key if name != axis):
                        family.setdefault(1.0, key)
    return [[(labels[key], seen[key]) for key in family.values()] for family in found.values() if len(family) > 1]


def comparison_frame(results, evidence):
    import pandas

    return pandas.DataFrame(list(comparison_rows(results, evidence)), columns=COLUMNS)


def signed(row, key):
    """A difference or an end of its interval, signed, in the measure's unit."""
    value, unit = row[key], describe(row["measure"]).unit
    return ("-" if value < 0 else "+") + show(abs(value), unit)


def apart(row):
    """Whether a row of the table shows a difference: by its interval, of the many exploratory ones by Holm's p."""
    return row["p_holm"] < 0.05 if row["label"] == EXPLORATORY else row["low"] > 0 or row["high"] < 0


def seed_words(names):
    """`seeds 0 1 2` of seeds' names in one string; empty where no seed names a model."""
    return f"seed{'s' * (' ' in names)} {names}" if names else ""


def figures_of(row):
    """`+0.040 [-0.024, +0.101], p = 0.21, over 160 problems, seeds 42 43` of a row of the table; Holm's p of an
    exploratory one, as wherever it stands."""
    p = f"Holm {show_p(row['p_holm'])}" if row["label"] == EXPLORATORY else show_p(row["p"])
    units = f" over {row['units']:.0f} {'problems' if row['benchmark'] else 'functions'}" if row["units"] else ""
    names = dict.fromkeys(str(row[side]) for side in ("seeds", "seeds_against") if row[side])
    told = seed_words(" against ".join(names))
    wide = (
        f"; its seeds spread {row['ratio']:.1f} times as wide as the study's, so that they alone are counted"
        if row["welch"] is True
        else ""
    )
    interval = f"{signed(row, 'difference')} [{signed(row, 'low')}, {signed(row, 'high')}]"
    return f"{interval}, {p},{units}{' and' * bool(units)} {told}{wide}"


def axis_sentences(frame):
    """What the axes' rows say, one sentence each."""
    said = []
    for row in frame[frame["label"] == AXIS].to_dict("records"):
        axis, known = SHORT.get(row["role"], row["role"]), describe(row["measure"])
        where = f"{row['measure']} on {row['benchmark']}" if row["benchmark"] else known.label
        if row["p"] is None or row["p"] != row["p"]:
            said.append(f"Whether {axis} matters for {where} cannot be said with one seed.")
            continue
        most = f"{signed(row, 'difference')}, {row['setting']} less {row['against']}"
        shown = f"{axis} matters for {where}" if row["p"] < 0.05 else f"Whether {axis} matters for {where} is not shown"
        said.append(f"{shown}: over all pairs of its levels together, {show_p(row['p'])}; the surest is {most}.")
    return said
