"""Whether an axis matters: the range of the means over seeds, against twice the pooled deviation of seeds."""

from codestill.report.measures import describe
from codestill.report.settings import settings
from codestill.report.table import setting_label

SHOWN = {"temperature": "T", "alpha": "alpha"}


def axis_verdicts(results):
    """Yield a dict for each axis that is varied and each measure: range, twice the pooled deviation, verdict.

    Settings that differ in this axis alone are compared; the group with the widest range is named. With one seed
    the noise is unknown, and the verdict says so.
    """
    groups = {key: models for key, models in settings(results).items() if models[0].role == "cell"}
    for axis in results.axes[:-1]:
        values = {repr(models[0].axes.get(axis)) for models in groups.values()} - {"None"}
        if len(values) < 2:
            continue
        for benchmark, measure in [("", "eval_loss"), *[(name, "pass@1") for name in results.benchmarks]]:
            found = _verdict(results, groups, axis, benchmark, measure)
            if found:
                yield {"axis": SHOWN.get(axis, axis), "benchmark": benchmark, "measure": measure, **found}


def _values(results, models, benchmark, measure):
    documents = [
        results.scores(model, benchmark) if benchmark else results.trained(model, "eval_results") for model in models
    ]
    return [one[measure] for one in documents if one and one.get(measure) is not None]


def _verdict(results, groups, axis, benchmark, measure):
    values = {key: _values(results, models, benchmark, measure) for key, models in groups.items()}
    families = {}
    for key, models in groups.items():
        axes = models[0].axes
        if not values[key] or (axes.get(axis) is None):
            continue
        rest = tuple((a, v) for a, v in key if a != axis)
        families.setdefault(rest, {})[axes[axis]] = key
    if axis == "alpha":
        _join_alone(families, groups, values)
    families = {rest: family for rest, family in families.items() if len(family) > 1}
    if not families:
        return None
    means = {key: sum(found) / len(found) for key, found in values.items() if found}
    wide = {rest: [means[key] for key in family.values()] for rest, family in families.items()}
    widest = max(wide, key=lambda rest: max(wide[rest]) - min(wide[rest]))
    spread = max(wide[widest]) - min(wide[widest])
    used = {key for family in families.values() for key in family.values()}
    noise = _pooled([values[key] for key in used])
    labels = [setting_label(results, groups[key][0]) for key in families[widest].values()]
    verdict = "one seed: cannot be said" if noise is None else "matters" if spread > 2 * noise else "within seed noise"
    return {
        "range": spread,
        "noise": None if noise is None else 2 * noise,
        "verdict": verdict,
        "settings": labels,
        "unit": describe(measure).unit,
    }


def _join_alone(families, groups, values):
    """Alpha 1 has no T and no objective: it stands in the family of every T whose other axes it shares."""
    alone = [key for key, models in groups.items() if models[0].alone and values[key]]
    for rest, family in families.items():
        known = dict(rest)
        for key in alone:
            if all(known.get(axis) == value for axis, value in key if axis != "alpha"):
                family.setdefault(1.0, key)


def _pooled(samples):
    """The deviation within settings, pooled over them; None without a setting of two seeds."""
    squares = degrees = 0
    for values in samples:
        mean = sum(values) / len(values)
        squares += sum((value - mean) ** 2 for value in values)
        degrees += len(values) - 1
    return (squares / degrees) ** 0.5 if degrees else None


def sentences(results):
    """The verdicts in words."""
    said = []
    for one in axis_verdicts(results):
        where = f"{one['measure']} on {one['benchmark']}" if one["benchmark"] else describe(one["measure"]).label
        figures = f"the seed means range over {one['range']:.4f} ({'; '.join(one['settings'])})"
        if one["noise"] is None:
            said.append(f"{one['axis']} and {where}: {figures}; with one seed its noise is unknown.")
            continue
        against = f"{'more' if one['verdict'] == 'matters' else 'not more'} than twice the pooled seed deviation"
        effect = "matters for" if one["verdict"] == "matters" else "makes no difference beyond the seeds for"
        said.append(f"{one['axis']} {effect} {where}: {figures}, {against} ({one['noise']:.4f}).")
    return said
