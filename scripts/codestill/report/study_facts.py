"""What the original study claimed, beside what is measured here; hyperparameters, data and compute of this study."""

from codestill.plan.token_lengths import told_lengths
from codestill.report.measures import describe, show
from codestill.report.objectives import objectives_that_ran
from codestill.report.summary import lookup, main_settings
from codestill.report.table import setting_label
from codestill.report.timeline import held_hours

# The pair about which the original study made its claims.
PAIR = ("microsoft/CodeGPT-small-py", "distilbert/distilgpt2")
GOOD_PART = 0.1  # of the student's KL to its teacher: from there on what few bits cost the teacher is a doubt


def claims(results, tables):
    """Rows (claim, what is true of it, what this study measured): of studies of the original pair, else none."""
    config = results.study.get("config", {})
    names = [str((config.get(part) or {}).get("name") or "") for part in ("teacher", "student")]
    if not all(name.startswith(known) for name, known in zip(names, PAIR, strict=True)):
        return []
    main, frame = main_settings(results), tables["settings"]
    ours = {one: lookup(frame, main["best distilled"], "", one) for one in ("parameters", "bytes_on_disk")}
    speed = next((one for one in dict.fromkeys(frame["measure"]) if one.startswith("tokens_per_second")), "none")
    size, fast = ours["parameters"], lookup(frame, main["best distilled"], "", speed)
    disk = [ours["bytes_on_disk"], lookup(frame, main["teacher"], "", "bytes_on_disk")]
    return [
        (
            "65 % fewer parameters",
            "34 % for DistilGPT-2 (81.9 M) against CodeGPT-small (124.2 M)",
            f"{100 * (1 - size['share']):.0f} % fewer" if size and size["share"] else "not measured",
        ),
        (
            "1.6 times the speed",
            "no protocol was given with it",
            f"{fast['share']:.2f} times the tokens per second" if fast and fast["share"] else "not measured",
        ),
        (
            "320 MB against 500 MB of memory",
            "these are the bytes of float32 weights, not memory in use",
            " against ".join(show(one["value"], "bytes") for one in disk) + " on disk" if all(disk) else "not measured",
        ),
        (
            "90-95 % of the teacher's pass@1",
            "its own results show pass@1 of .0003 against .02 to .03",
            "; ".join(_kept(frame, main, benchmark) for benchmark in results.benchmarks) or "not measured",
        ),
    ]


def _kept(frame, main, benchmark):
    """What is left of the teacher's pass@1 on a benchmark; of a teacher that solves nothing there is no share."""
    ours, teacher = (lookup(frame, main[column], benchmark, "pass@1") for column in ("best distilled", "teacher"))
    if not ours or not teacher:
        return f"{benchmark} not measured"
    if not teacher["value"]:
        return f"{benchmark} no share: the teacher solved nothing"
    ends = [ours["share_low"], ours["share_high"]]
    interval = "" if None in ends else f" [{100 * ends[0]:.0f}, {100 * ends[1]:.0f}]"
    return f"{benchmark} {100 * ours['value'] / teacher['value']:.0f} %{interval}"


def selection(results):
    """How the headline cells were chosen: a sentence each, with how many candidates had the same chance."""
    said = []
    for alias, name in (("best_distilled", "distilled"), ("best_finetuned", "fine-tuned alone")):
        choice = results.choices.get(alias)
        if choice is None or alias not in results.by_name:
            said.append(f"The {name} cell is not chosen yet.")
            continue
        said.append(f"The {name} cell ({setting_label(results, results.by_name[alias])}) was {chosen_how(choice)}.")
        fresh = [str(model.seed) for model in results.models if model.fresh_of == alias]
        if fresh:
            seeds = f"seed{'s' * (len(fresh) > 1)} {' '.join(fresh)}"
            said[-1] += f" The headline has that setting with {seeds}, which did not choose."
    return said


def chosen_how(choice):
    """How a model was chosen, in words: among how many, whether finalists were trained on all seeds, by what."""
    count, best = len(choice.get("candidates", [])), choice.get("finalists")
    rounds = f", the best {best} of them trained on all seeds first" if best else ""
    among = f"chosen among {count} setting{'s' * (count != 1)}{rounds}"
    return f"{among}, by {choice.get('criterion', 'an unknown criterion')}, before any reported benchmark was read"


def texts(results):
    """What models wrote to be learnt from, a sentence each: how much of it passed, and how much was taken."""
    said = []
    for name, one in _texts(results):
        recipe, _, author = name.partition("/")
        passed = "" if one["passed"] is None else f", of which {one['passed']:,} passed their tests"
        said.append(
            f"The text of the recipe {recipe} is {one['kept']:,} of {one['completions']:,} completions by {author}"
            f"{passed}, of {one['prompts_kept']:,} of {one['prompts']:,} prompts."
        )
    return said


def _texts(results):
    """(name, accounts) of the texts that models wrote, as far as they are there."""
    for path in sorted(results.folder.glob("recipes/*/*/text.json")):
        accounts = results.optional(path.relative_to(results.folder).as_posix())
        if accounts:
            yield path.parent.relative_to(results.folder / "recipes").as_posix(), accounts


def few_bits(results):
    """{(teacher, bits): facts} of teachers that taught with weights in few bits: mean, largest and positions of the KL
    that this costs them, in nats a token, as the cells recorded it (of several the largest mean)."""
    found = {}
    for model in results.models:
        told = (results.trained(model, "provenance") or {}).get("teacher")
        cost = told.get("load_in") if isinstance(told, dict) else None
        if cost:
            key = model.axes.get("teacher") or "teacher", cost["bits"]
            found[key] = max(found.get(key, cost), cost, key=lambda one: one["mean"])
    return found


def few_bits_told(results):
    """What few bits cost each such teacher, a sentence each."""
    return [
        f"The model {teacher} taught with its weights in {bits}: the KL from full precision to that is "
        f"{cost['mean']:.2g} nats a token (the largest {cost['largest']:.2g}) on {cost['positions']:,} validation "
        f"positions. What is judged as {teacher} here is the model in full precision."
        for (teacher, bits), cost in few_bits(results).items()
    ]


def few_bits_doubt(results, rows):
    """What to hold against a student's distance from its teacher where few bits are a good part of it; else empty.

    rows: of the headline table.
    """
    kl = next((row["cells"]["best distilled"]["value"] for row in rows if row["label"] == describe("kl").label), None)
    worst = max(few_bits(results).items(), key=lambda one: one[1]["mean"], default=None)
    if worst is None or not kl or worst[1]["mean"] < GOOD_PART * kl:
        return ""
    (teacher, bits), cost = worst
    return (
        f"In {bits} the model {teacher} is {cost['mean']:.2g} nats a token from itself in full precision, where the "
        f"distilled student is {kl:.2g}: it was taught by another model than the one that it is measured against. "
        f"Let it teach in full precision{', or in int8' if bits == 'nf4' else ''} to see what that cost."
    )


def doubts(results, rows):
    """[(title, sentence)] of what is to be held against the figures that the report opens with."""
    found = [
        ("Unequal tuning", unequal_tuning(results)),
        ("A teacher in few bits", few_bits_doubt(results, rows)),
    ]
    return [(title, words) for title, words in found if words]


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


# Parts of a config that say what was compared rather than how anything was made.
NOT_HYPERPARAMETERS = ("study", "experiments", "sweeps", "plan")


def hyperparameters(results):
    """(part, field, value) of all that says how models were made, trained, sampled and judged.

    Beside the config: the objectives that ran, the rows used of the rows there were, how long it took to warm up and
    whether the teacher's states were stored, as each training recorded it.
    """
    rows = []
    for part, section in results.study.get("config", {}).items():
        if part not in NOT_HYPERPARAMETERS:
            pairs = _leaves(section) if isinstance(section, dict) else [("", section)]
            rows += [(part, field, _shown(value)) for field, value in pairs if value is not None]
    rows += [("objective", "", words) for words, _ in objectives_that_ran(results)]
    rows.append(("schedule", "", "AdamW; linear warm-up, then linear decay to 0"))
    return rows + [row for row in map(_training_facts(results), results.models) if row]


def _training_facts(results):
    def facts(model):
        trained = results.trained(model, "train_results") or {}
        record = results.trained(model, "provenance") or {}
        if "steps" not in trained:
            return None
        rows, states = rows_used(results, model), states_of(results, model)
        told = [f"{trained['steps']} steps", *([f"{rows[0]} rows of {rows[1]}"] if rows else [])]
        told += [f"teacher's states: {states}"] if states else []
        start = (record.get("facts") or {}).get("init")
        return ("trained", model.name, ", ".join([*told, *([f"start: {start}"] if start else [])]))

    return facts


def rows_used(results, model):
    """(rows that a model was trained on, rows there were or `unknown`), as its training recorded it; None without."""
    rows = (results.trained(model, "train_results") or {}).get("rows")
    there = (results.optional("tokens/accounting.json") or {}).get("splits", {}).get("train") or {}
    return None if rows is None else (rows, there.get("rows", "unknown"))


def states_of(results, model):
    """`cache` where a model's teacher's states were stored, `online` where they were not; None where none is said."""
    states = (results.trained(model, "provenance") or {}).get("teacher")
    return states.get("pass") if isinstance(states, dict) else None


def _shown(value):
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


# Licences of the home study's models and data, for manifests that were written without asking the hub.
LICENCES = {"distilbert/distilgpt2": "Apache-2.0", "google/code_x_glue_ct_code_to_text": "C-UDA"}


def licences(results):
    """[(what, name, licence)] of the models and data that a study brought, as each source names its licence."""
    found = []
    for key, entry in (results.optional("inputs/manifest.json") or {}).items():
        if isinstance(entry, dict):
            kind, name = entry.get("kind"), entry.get("name") or entry.get("path")
            what = {"corpus": "training text"}.get(entry.get("what"), entry.get("what") or "model")
            found.append((what, name or kind or key, entry.get("license") or LICENCES.get(name) or "not named"))
    return found


def data(results):
    """(what, of what, figure) of the corpus and the tokens, from their accounting, as far as they are counted; and the
    licences of all that was brought."""
    rows = [("licence", f"{what} {name}", licence) for what, name, licence in licences(results)]
    for what, path in (("corpus", "inputs/corpus/accounting.json"), ("tokens", "tokens/accounting.json")):
        rows += [(what, *pair) for pair in _leaves(results.optional(path) or {}) if type(pair[1]) is int]
    lengths = told_lengths(results.optional("tokens/accounting.json") or {})
    rows += [("tokens", f"by {whose}", told) for whose, told in lengths]
    for name, accounts in _texts(results):
        rows += [(f"text {name}", *pair) for pair in _leaves(accounts) if type(pair[1]) is int]
    return rows


def _leaves(mapping, prefix=""):
    for key, value in mapping.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key} ")
        else:
            yield f"{prefix}{key}".replace("_", " "), value


def compute(results, tables):
    """(what, jobs, seconds, what they held) of the work that was spent: training by model, and jobs by rule."""
    rows, frame, plan = [], tables["scores"], results.study.get("config", {}).get("plan") or {}
    priced = {"price": plan.get("price_per_gpu_hour"), "currency": plan.get("currency")}
    for role, name in (("teacher", "teacher"), ("cell", "cells")):
        seconds = frame[(frame["measure"] == "train_runtime") & (frame["role"] == role)]["value"]
        if len(seconds):
            rows.append((f"training, {name}", f"{len(seconds)}", f"{seconds.sum():,.0f}", ""))
    for rule, part in tables["timeline"].groupby("rule", sort=True):
        rows.append((f"rule {rule}", f"{len(part)}", f"{part['seconds'].sum():,.0f}", held_hours(part, **priced)))
    part = tables["timeline"]
    if len(part):
        rows.append(("all rules", f"{len(part)}", f"{part['seconds'].sum():,.0f}", held_hours(part, **priced)))
    return rows


def diagnoses(results):
    """(model, what its curves say) for each trained model whose diagnosis was written."""
    found = []
    for model in results.models:
        text = (results.trained(model, "eval_results") or {}).get("diagnosis")
        if text:
            found.append((model.name, text))
    return found
