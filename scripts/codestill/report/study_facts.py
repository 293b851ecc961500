"""What the original study claimed, beside what is measured here; hyperparameters, data and compute of this study."""

from codestill.report.measures import show
from codestill.report.summary import lookup, main_settings
from codestill.report.table import setting_label


def claims(results, tables):
    """Rows (claim, what is true of it, what this study measured): the claims that the study grew from."""
    main, frame = main_settings(results), tables["settings"]

    def ratio(measure, less=False):
        pair = [lookup(frame, main[column], "", measure) for column in ("best distilled", "teacher")]
        if not all(pair) or not pair[1]["value"]:
            return None
        share = pair[0]["value"] / pair[1]["value"]
        return 1 - share if less else share

    size, speed = ratio("parameters", less=True), None
    for name in dict.fromkeys(frame["measure"]):
        if name.startswith("tokens_per_second") and speed is None:
            speed = ratio(name)
    disk = [lookup(frame, main[column], "", "bytes_on_disk") for column in ("best distilled", "teacher")]
    rows = [
        (
            "65 % fewer parameters",
            "34 % for DistilGPT-2 (81.9 M) against CodeGPT-small (124.2 M)",
            _percent(size, "fewer"),
        ),
        (
            "1.6 times the speed",
            "no protocol was given with it",
            f"{speed:.2f} times the tokens per second" if speed else "not measured",
        ),
        (
            "320 MB against 500 MB of memory",
            "these are the bytes of float32 weights, not memory in use",
            f"{show(disk[0]['value'], 'bytes')} against {show(disk[1]['value'], 'bytes')} on disk"
            if all(disk)
            else "not measured",
        ),
    ]
    rows.append(
        (
            "90-95 % of the teacher's pass@1",
            "its own results show pass@1 of .0003 against .02 to .03",
            "; ".join(_kept(frame, main, benchmark) for benchmark in results.benchmarks) or "not measured",
        )
    )
    return rows


def _kept(frame, main, benchmark):
    """What is left of the teacher's pass@1 on a benchmark; of a teacher that solves nothing there is no share."""
    ours, teacher = (lookup(frame, main[column], benchmark, "pass@1") for column in ("best distilled", "teacher"))
    if not ours or not teacher:
        return f"{benchmark} not measured"
    if not teacher["value"]:
        return f"{benchmark} no share: the teacher solved nothing"
    return f"{benchmark} {100 * ours['value'] / teacher['value']:.0f} %"


def _percent(share, word):
    return "not measured" if share is None else f"{100 * share:.0f} % {word}"


def selection(results):
    """How the headline cells were chosen: a sentence each, with how many candidates had the same chance."""
    said = []
    for alias, name in (("best_distilled", "distilled"), ("best_finetuned", "fine-tuned alone")):
        choice = results.choices.get(alias)
        if choice is None:
            said.append(f"The {name} cell is not chosen yet.")
            continue
        count = len(choice.get("candidates", []))
        label = setting_label(results, results.by_name[choice["cell"]])
        said.append(
            f"The {name} cell ({label}) was chosen among {count} setting{'s' * (count != 1)} by "
            f"{choice.get('criterion', 'an unknown criterion')}, "
            "before any benchmark was read."
        )
    return said


def unequal_tuning(results):
    """What to hold against a gain where the two sides were not tuned over as many settings; empty where they were."""
    counts = {alias: len(choice.get("candidates", [])) for alias, choice in results.choices.items()}
    ours, theirs = counts.get("best_distilled"), counts.get("best_finetuned")
    if not ours or not theirs or ours == theirs:
        return ""
    return (
        f"The distilled student was chosen among {ours} settings, the student fine-tuned alone among {theirs}: part of "
        f"a difference may be the wider search. A sweep with alpha 1 over {max(ours, theirs)} settings of other axes "
        "(learning_rate, epochs) would give both the same chance."
    )


def hyperparameters(results):
    """(field, value) of the config's parts that say how models were trained and sampled."""
    config = results.study.get("config", {})
    rows = []
    for part in ("vocabulary", "tokens", "training", "distillation", "generation", "grading"):
        for field, value in (config.get(part) or {}).items():
            if value is not None and not isinstance(value, dict):
                shown = ", ".join(map(repr, value)) if isinstance(value, list) else f"{value}"
                rows.append((part, field, shown))
    return [*rows, ("", "seeds", ", ".join(map(str, config.get("seeds", []))))]


def data(results):
    """(what, figure) of the corpus and the tokens, from their accounting; empty where not counted yet."""
    rows = []
    for what, path in (("corpus", "inputs/corpus/accounting.json"), ("tokens", "tokens/accounting.json")):
        rows += [(what, *pair) for pair in _leaves(results.optional(path) or {}) if isinstance(pair[1], int)]
    return rows


def _leaves(mapping, prefix=""):
    for key, value in mapping.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key} ")
        elif not isinstance(value, bool):
            yield f"{prefix}{key}".replace("_", " "), value


def compute(results, tables):
    """(what, figure) of the work that was spent: training by model, and jobs by rule."""
    rows, frame = [], tables["scores"]
    for role, name in (("teacher", "teacher"), ("cell", "cells")):
        seconds = frame[(frame["measure"] == "train_runtime") & (frame["role"] == role)]["value"]
        if len(seconds):
            rows.append((f"training, {name}", f"{len(seconds)}", f"{seconds.sum():,.0f}"))
    for rule, part in tables["timeline"].groupby("rule", sort=True):
        rows.append((f"rule {rule}", f"{len(part)}", f"{part['seconds'].sum():,.0f}"))
    return rows


def diagnoses(results):
    """(model, what its curves say) for each trained model whose diagnosis was written."""
    found = []
    for model in results.models:
        text = (results.trained(model, "eval_results") or {}).get("diagnosis")
        if text:
            found.append((model.name, text))
    return found
