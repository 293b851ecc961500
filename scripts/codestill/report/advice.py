"""What to do next: what keeps the study from saying more, and the lines of its config that would change that."""

import yaml

from codestill.grading.text_match import MEASURES
from codestill.report.comparisons import EXPLORATORY, HEADLINE, apart
from codestill.report.summary import headline_row
from codestill.statistics.min_f_prime import METHOD
from codestill.study.sections.selection import LOSS

ENOUGH = 3  # seeds below which an interval mostly tells how few there are
MOST = 10  # seeds that are asked for at once
TINY = 30_000_000  # parameters below which a model learns little of Python, and no MBPP
HARD = "is too hard for these models to be told apart"
EASY = "is too easy for these models to be told apart"
ALIKE = "tells none of these models from another"
OTHERS = {
    "pocket": "Pocket, whose functions they learn",
    "completions": "held-out functions of the corpus, where an edit similarity tells those apart that solve nothing",
    "mbpp+": "MBPP+, of more problems than most",
}


def steps(results, tables):
    """[(what is wrong and what to do, config lines to paste or "")], the most needed first."""
    found = [*_seeds(results, tables), *_finalists(results), *_tuning(results)]
    found += [*_benchmarks(results, tables), *_training(results)]
    return [
        (text, yaml.safe_dump(lines, sort_keys=False, default_flow_style=None) if lines else "")
        for text, lines in found
    ]


def _seeds(results, tables):
    config = results.study.get("config", {})
    fresh = list((config.get("selection") or {}).get("fresh_seeds") or [])
    seeds = fresh or list(config.get("seeds", []))  # those that the headline rests on
    rows = [row for row in (headline_row(tables, name) for name in results.benchmarks) if row]
    if len(seeds) < ENOUGH:
        what = "headline has" if fresh else "study has"
        text = f"The {what} {len(seeds)} seed{'s' * (len(seeds) != 1)}: train both sides on more."
        yield text, _more_seeds(seeds, ENOUGH, fresh)
        return
    for row in rows:
        if row["about"] != METHOD:
            text = f"On {row['benchmark']} one model a side is judged, which says nothing of the method: judge all."
            yield text, {"benchmarks": {row["benchmark"]: {"models": "all"}}}
    rows = [row for row in rows if row["about"] == METHOD]
    if not rows:
        return
    if not any(apart(row) for row in rows) and len(seeds) < MOST:
        row = max(rows, key=lambda one: abs(one["difference"]) / (one["high"] - one["low"]))
        # The half width falls with the square root of the seeds, as far as seeds are what widens it.
        short = ((row["high"] - row["low"]) / 2 / max(abs(row["difference"]), 1e-9)) ** 2
        wanted = min(MOST, max(len(seeds) + 2, round(len(seeds) * short)))
        text = f"No difference is shown at {len(seeds)} seeds; with {wanted} the interval may be narrower."
        yield text, _more_seeds(seeds, wanted, fresh)


def _more_seeds(seeds, wanted, fresh):
    last = max(seeds, default=41)
    more = [*seeds, *range(last + 1, last + 1 + wanted - len(seeds))]
    return {"selection": {"fresh_seeds": more}} if fresh else {"seeds": more}


def _finalists(results):
    """The best of many noisy values is better than it is: what one seed each chose wants more, and fresh ones."""
    config = results.study.get("config", {})
    asked, seeds = config.get("selection") or {}, list(config.get("seeds", []))
    single = {
        alias: sum(len(one.get("cells", [])) == 1 for one in choice.get("candidates", []))
        for alias, choice in results.choices.items()
    }
    if asked.get("finalists") or len(seeds) < 2 or not any(count >= ENOUGH for count in single.values()):
        return
    count = sum(len(choice.get("candidates", [])) for choice in results.choices.values())
    most = max(len(choice.get("candidates", [])) for choice in results.choices.values())
    text = (
        f"{sum(single.values())} of {count} candidates have one seed, and the best of many noisy values flatters "
        "itself: train the best few on all seeds before one is chosen, and judge what is chosen by seeds that did not "
        "choose."
    )
    # Of the larger side, which gains most by luck; a smaller one has all of its own as finalists.
    fresh = list(range(max(seeds) + 1, max(seeds) + 1 + ENOUGH))
    yield text, {"selection": {"finalists": min(ENOUGH, most), "fresh_seeds": fresh}}


def _tuning(results):
    counts = {alias: len(choice.get("candidates", [])) for alias, choice in results.choices.items()}
    ours, theirs = counts.get("best_distilled"), counts.get("best_finetuned")
    if ours and theirs and ours != theirs:
        rate = results.study.get("config", {}).get("training", {}).get("learning_rate", 5e-5)
        fewer = {"alpha": 1} if theirs < ours else {}
        lines = {"sweeps": {"equal_tuning": {"grid": fewer | {"learning_rate": [rate / 2, rate, 2 * rate]}}}}
        text = f"The sides were tuned over {ours} and {theirs} settings: give both the same number."
        yield text, lines


def _benchmarks(results, tables):
    """Of each benchmark that tells nothing: more samples where they are drawn, and another that could tell."""
    sampled = (results.study.get("config", {}).get("generation") or {}).get("temperature", 0) > 0
    for benchmark, entry in results.benchmarks.items():
        why = _tells_nothing(tables, benchmark)
        if why is None:
            continue
        n, asked, lines = entry.get("n", 1), [], {}
        if sampled and why != EASY:  # greedy decoding writes the same sample n times
            asked.append("draw more samples a problem")
            lines[benchmark] = {"n": max(20, 2 * n), "k": [1, 10]}
        name, another = _another(results, why, n if sampled else 1)
        if name:
            asked.append(f"judge them on {OTHERS[another['kind']]} too")
            lines[name] = another
        told = [", and ".join(asked)] if asked else []
        told.append("read bits per byte meanwhile")
        yield f"{benchmark} {why}: {'; '.join(told)}.", {"benchmarks": lines} if lines else {}


def _tells_nothing(tables, benchmark):
    """Why a benchmark cannot tell these models apart, as words after its name; None where it does, or may yet.

    The student before training is left out: who solves nothing yet is told from all others.
    """
    settings, gaps = (
        frame[(frame["measure"] == "pass@1") & (frame["benchmark"] == benchmark) & (frame["role"] != "student")]
        for frame in (tables["settings"], tables["comparisons"])
    )
    every = tables["settings"]
    near = every[(every["benchmark"] == benchmark) & every["measure"].isin(MEASURES)]
    if len(settings) < 2 or len(near):  # judged by its text, how near it came tells them apart
        return None
    if settings["value"].max() < 0.02:
        return HARD
    if settings["value"].min() > 0.98:
        return EASY
    gaps = [row for row in gaps.to_dict("records") if row["label"] in (HEADLINE, EXPLORATORY)]
    return ALIKE if gaps and not any(map(apart, gaps)) else None


def _another(results, why, n):
    """(name, section) of a benchmark that could tell, of a kind that the study does not have; (None, None)."""
    config = results.study.get("config", {})
    sources = ((config.get("corpus") or {}).get("sources") or {}).values()
    learnt = next((one for one in sources if one.get("kind") == "pocket"), None)
    known = config.get("benchmarks") or {}
    used = {one.get("kind") for one in known.values()}
    teacher = next((model for model in results.models if model.role == "teacher"), None)
    size = ((results.efficiency(teacher) if teacher else None) or {}).get("parameters", TINY)
    kinds = ["pocket"] * (learnt is not None and why != EASY)
    kinds += ["completions"] if size < TINY else ["completions", "mbpp+"] if why == HARD else ["mbpp+", "completions"]
    for kind in kinds:
        if kind not in used:
            name = kind.replace("+", "_plus")
            seed = {"seed": learnt.get("seed", 0)} if kind == "pocket" else {}
            return f"{name}_too" if name in known else name, {"kind": kind, **seed, "n": n, "k": [1]}
    return None, None


def _training(results):
    choice = results.choices.get("best_distilled") or results.choices.get("best_finetuned") or {}
    by, epochs = choice.get("by", LOSS), results.study.get("config", {}).get("training", {}).get("epochs", 3)
    tried = _epochs_tried(choice)
    if by != LOSS and len(tried) > 1:  # the measure that chooses has been asked
        best = tried[0]
        for end, word, factor in ((max(tried), "more", 2), (min(tried), "fewer", 0.5)):
            if best == end:
                text = f"Of {len(tried)} numbers of epochs the {word} the better, by {by}: try {word} still."
                yield text, {"sweeps": {f"{word}_epochs": {"grid": {"epochs": [best, best * factor]}}}}
        return
    texts = [
        (results.trained(model, "eval_results") or {}).get("diagnosis", "")
        for model in results.models
        if model.role == "cell"
    ]
    told = [text for text in texts if text]
    for kind, factor in (("underfitting", 2), ("overfitting", 0.5)):
        count = sum(text.startswith(kind) for text in told)
        if not told or count <= len(told) / 2:
            continue
        word = "more" if factor > 1 else "fewer"
        if factor < 1 and by != LOSS:
            text = (
                f"{count} of {len(told)} students show {kind} by validation CE, which does not choose here: {by} may "
                "gain from more epochs all the same. Let it choose among fewer and more."
            )
            yield text, {"sweeps": {"epochs": {"grid": {"epochs": [epochs / 2, epochs, epochs * 2]}}}}
        else:
            yield (
                f"{count} of {len(told)} students show {kind}: {word} epochs.",
                {"training": {"epochs": epochs * factor}},
            )


def _epochs_tried(choice):
    """The epochs of the candidates that differ from the chosen setting in nothing else, its own first."""
    axes = [one.get("axes") or {} for one in choice.get("candidates", [])]
    same = [one for one in axes if {**one, "epochs": None} == {**axes[0], "epochs": None}]
    return list(dict.fromkeys(one["epochs"] for one in same if "epochs" in one))
