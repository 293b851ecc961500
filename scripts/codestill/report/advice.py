"""What to do next: what keeps the study from saying more, and the lines of its config that would change that."""

import yaml

from codestill.report.summary import apart, headline_row
from codestill.statistics.min_f_prime import METHOD

ENOUGH = 3  # seeds below which an interval mostly tells how few there are
MOST = 10  # seeds that are asked for at once


def steps(results, tables):
    """[(what is wrong and what to do, config lines to paste or "")], the most needed first."""
    found = [*_seeds(results, tables), *_tuning(results), *_benchmarks(results, tables), *_training(results)]
    return [
        (text, yaml.safe_dump(lines, sort_keys=False, default_flow_style=None) if lines else "")
        for text, lines in found
    ]


def _seeds(results, tables):
    seeds = list(results.study.get("config", {}).get("seeds", []))
    rows = [row for row in (headline_row(tables, name) for name in results.benchmarks) if row]
    if len(seeds) < ENOUGH:
        last = max(seeds, default=41)
        text = f"The study has {len(seeds)} seed{'s' * (len(seeds) != 1)}: train both sides on more."
        yield text, {"seeds": [*seeds, *range(last + 1, last + 1 + ENOUGH - len(seeds))]}
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
        yield text, {"seeds": [*seeds, *range(max(seeds) + 1, max(seeds) + 1 + wanted - len(seeds))]}


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
    frame = tables["settings"]
    frame = frame[frame["measure"] == "pass@1"]
    for benchmark in results.benchmarks:
        part = frame[frame["benchmark"] == benchmark]
        if len(part) > 1 and part["value"].max() < 0.02:
            n = results.benchmarks[benchmark].get("n", 1)
            text = (
                f"{benchmark} is too hard for these models to be told apart: draw more samples a problem, or judge "
                "them on an easier benchmark, and read bits per byte meanwhile."
            )
            yield text, {"benchmarks": {benchmark: {"n": max(20, 2 * n), "k": [1, 10]}}}


def _training(results):
    texts = [
        (results.trained(model, "eval_results") or {}).get("diagnosis", "")
        for model in results.models
        if model.role == "cell"
    ]
    told = [text for text in texts if text]
    for kind, factor in (("underfitting", 2), ("overfitting", 0.5)):
        count = sum(text.startswith(kind) for text in told)
        if told and count > len(told) / 2:
            epochs = results.study.get("config", {}).get("training", {}).get("epochs", 3)
            word = "more" if factor > 1 else "fewer"
            yield (
                f"{count} of {len(told)} students show {kind}: {word} epochs.",
                {"training": {"epochs": epochs * factor}},
            )
