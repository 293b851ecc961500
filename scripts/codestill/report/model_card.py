"""The model card: README.md of a model folder, with the metadata that the hub expects, from the study's files."""

from codestill.kit.files import atomic
from codestill.kit.program import UserError
from codestill.report.comparisons import reference
from codestill.report.ladder import made_words
from codestill.report.measures import describe, pass_at, show, show_interval
from codestill.report.objectives import objective_of
from codestill.report.settings import evidence_of, setting_frame, settings
from codestill.report.study_facts import chosen_how, licences
from codestill.report.summary import lookup, seeds_of
from codestill.report.table import problem_frame, score_frame, score_rows, setting_label

WHAT = {
    "teacher": "The teacher, fine-tuned on the corpus",
    "student": "The student before distillation, with the study's vocabulary",
    "alone": "The student, fine-tuned without a teacher",
    "distilled": "The student, distilled from the teacher",
}


def _kind(model):
    if model.role != "cell":
        return model.role
    return "alone" if model.alone else "distilled"


def metadata(results, model, rows):
    """The card's YAML front matter as a mapping, in the hub's fields."""
    config = results.study.get("config", {})
    base = _base(results, config, model.name)
    sources = ((config.get("corpus") or {}).get("sources") or {}).values()
    found = {
        "language": ["code"],
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["codestill", "python", *(["distillation"] if _kind(model) == "distilled" else [])],
    }
    if base:
        found["base_model"] = base
    datasets = [one["name"] for one in sources if one.get("kind") == "hub" and one.get("name")]
    if datasets:
        found["datasets"] = datasets
    found["metrics"] = sorted({row["measure"] for row in rows})
    found["model-index"] = [{"name": f"{results.name}/{model.name}", "results": [_result(row) for row in rows]}]
    return found


def _base(results, config, name):
    """The hub's name of the base model that a model goes back to, over what it was made from; None without one."""
    bases = {name: config.get(name) for name in ("teacher", "student")} | (config.get("models") or {})
    while name not in bases:
        model = results.by_name.get(name)
        seeded = model and model.role == "model"  # a base once more, with another seed
        name = name.rpartition(".seed-")[0] if seeded else results.made_from(model.name if model else name)[0]
    return (bases[name] or {}).get("name")


def _what(results, model):
    """What a model is, as the beginning of a sentence."""
    if model.role == "variant":
        return f"The model {results.made_from(model.name)[0]} of the study, made smaller: {made_words(results, model)}"
    if model.role == "task":
        return f"The model {results.made_from(model.name)[0]} of the study, {made_words(results, model)}"
    if model.role == "model":
        return f"The model {model.name} of the study"
    student = model.axes.get("student") or "student"
    teacher = "teacher" if model.alone else [*results.made_from(model.name), "teacher"][1]
    if model.role != "cell" or (student, teacher) == ("student", "teacher"):
        return WHAT[_kind(model)]
    return f"The model {student}, " + ("fine-tuned without a teacher" if model.alone else f"distilled from {teacher}")


def _result(row):
    """One entry of the hub's model-index."""
    name = row["benchmark"] or "held-out functions of the corpus"
    metric = {"type": row["measure"], "value": row["value"], "name": describe(row["measure"]).label}
    if row["low"] is not None:
        metric["args"] = {"interval_95": [row["low"], row["high"]]}
    dataset = {"name": name, "type": (row["benchmark"] or "corpus").lower()}
    return {"task": {"type": "text-generation"}, "dataset": dataset, "metrics": [metric]}


def measured(results, model):
    """The rows of the card: this model's own scores, each a dict with its interval or None."""
    rows = [row for row in score_rows(results) if row["model"] == model.name]
    names = {(row["benchmark"], row["measure"]): row for row in rows}
    wanted = []
    for benchmark in results.benchmarks:
        wanted += [(benchmark, name) for name in pass_at([m for b, m in names if b == benchmark])]
    wanted += [("", name) for name in ("bits_per_byte", "eval_loss", "kl", "agreement", "accuracy", "bodies_exact")]
    return [names[key] for key in wanted if key in names]


def write(results, name, path):
    """Write the card of the model called `name` (a cell, or what it was chosen as). Raises UserError if unknown,
    or where a file that it tells of is damaged."""
    from codestill.report.page import environment

    model = results.by_name.get(name)
    if model is None:
        for words in results.damaged.values():  # a torn choice leaves its model without a name
            raise UserError(words)
        raise UserError(f"--model {name}: not in study {results.name}; it has {', '.join(results.by_name)}")
    rows = measured(results, model)
    import yaml

    front = yaml.safe_dump(metadata(results, model, rows), sort_keys=False, allow_unicode=True, width=100)
    text = (
        environment(False)
        .get_template("card.md.j2")
        .render(
            front=front,
            name=f"{results.name}: {name}",
            what=_what(results, model),
            kind=_kind(model),
            label=setting_label(results, model),
            rows=[
                (f"{r['benchmark']} {r['measure']}".strip() if r["benchmark"] else describe(r["measure"]).label, r)
                for r in rows
            ],
            show=show,
            show_interval=show_interval,
            axes={axis: value for axis, value in model.axes.items() if value is not None},
            objective=objective_of(model.axes)[0] if model.role == "cell" else None,
            origin=results.trained(model, "provenance") or {},
            evaluation=results.trained(model, "eval_results") or {},
            choice=next((results.choices.get(alias) for alias in (*model.chosen, model.fresh_of) if alias), None),
            fresh=model.fresh_of,
            chosen_how=chosen_how,
            beside=_beside(results, model),
            licences=licences(results),
        )
    )
    if results.damaged:  # by now all that the card tells was read
        raise UserError(next(iter(results.damaged.values())))
    with atomic(path) as handle:
        handle.write(text)
    return text


def _beside(results, model):
    """(name, {measure: text}) of the controls and of this model's setting, pass@1 and bits per byte."""
    scores = score_frame(results)
    frame = setting_frame(results, evidence_of(results, scores, problem_frame(results)), scores)
    control, kinds = reference(results), ("teacher", "student", "alone", "distilled")
    shown = {model.setting, *([control[0].setting] if control else [])}  # of the cells; the base models always are
    firsts = [models[0] for models in settings(results).values()]
    firsts = [one for one in firsts if _kind(one) in kinds and (one.role != "cell" or one.setting in shown)]
    keys = [(name, "pass@1") for name in results.benchmarks] + [("", "bits_per_byte")]
    found = []
    for one in sorted(firsts, key=lambda one: kinds.index(_kind(one))):
        label, cells = setting_label(results, one), {}
        for benchmark, measure in keys:
            row = lookup(frame, label, benchmark, measure)
            unit = describe(measure).unit
            text = row and f"{show(row['value'], unit)} {show_interval(row['low'], row['high'], unit)}".strip()
            told = ", ".join(filter(None, (text, seeds_of(row)))) if row else "missing"
            cells[f"{benchmark} {measure}".strip()] = told
        found.append((_what(results, one) + (f" ({label})" if one.role == "cell" else ""), cells))
    return found
