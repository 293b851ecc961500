"""The measures of the table: their names for people, units, and which way is better."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Described:
    label: str
    unit: str
    better: str | None = None  # "more", "less", or None where neither is


KNOWN = {
    "eval_loss": Described("validation CE", "nats/token", "less"),
    "eval_loss_ce": Described("validation CE, as in the objective", "nats/token", "less"),
    "eval_loss_kl": Described("validation KL at T = 1", "nats/token", "less"),
    "eval_loss_total": Described("validation objective without smoothing", "nats/token"),
    "train_runtime": Described("training time", "s", "less"),
    "train_cpu_seconds": Described("CPU time of training", "s", "less"),
    "bits_per_byte": Described("bits per byte, held-out code", "bits/byte", "less"),
    "ce": Described("test CE", "nats/token", "less"),
    "kl": Described("KL to the teacher, T = 1", "nats/token", "less"),
    "agreement": Described("top-1 agreement with the teacher", "share", "more"),
    "accuracy": Described("next-token accuracy, held-out code", "share", "more"),
    "bodies_exact": Described("bodies predicted exactly", "share", "more"),
    "ece": Described("calibration error of next tokens (ECE)", "share", "less"),
    "edit_similarity": Described("edit similarity to the function that stands there", "share", "more"),
    "compiles": Described("completions that compile", "share", "more"),
    "calls": Described("calls of the original's made too", "share", "more"),
    "exact_lines": Described("lines predicted exactly", "share", "more"),
    "tokens_per_second": Described("tokens per second", "tokens/s", "more"),
    "latency_ms": Described("latency of a short completion", "ms", "less"),
    "parameters": Described("parameters", "count", "less"),
    "bytes_on_disk": Described("weights on disk", "bytes", "less"),
    "memory_bytes": Described("memory for weights and cache", "bytes", "less"),
}
# What a prefix says of the measures that a study may add (latency at several batch sizes, pass@k at any k).
PREFIXES = {
    "pass@": Described("pass@", "share", "more"),
    "funnel.": Described("", "share", "more"),
    "latency": Described("latency", "ms", "less"),
    "memory_bytes_": Described("memory for weights and cache", "bytes", "less"),
}
# Measures of what a model costs: of its architecture and machine, not of a training.
COSTS = ("parameters", "bytes_on_disk", "latency_ms", "tokens_per_second", "memory_bytes")
# The stages a completion goes through, each a subset of the one before.


def describe(name):
    """What is known of the measure called `name`; unknown ones keep their own name, have no unit and no better side."""
    if name in KNOWN:
        return KNOWN[name]
    if name.startswith("tokens_per_second_"):
        return Described(f"tokens per second, batch {name.removeprefix('tokens_per_second_')}", "tokens/s", "more")
    kind, _, rest = name.partition(".")
    if kind in ("parts", "sources"):
        place, _, inner = rest.rpartition(".")
        known = describe(inner)
        return Described(f"{known.label}, {place}", known.unit, known.better)
    for prefix, measure in PREFIXES.items():
        if name.startswith(prefix):
            return Described(name.removeprefix("funnel.").replace("_", " "), measure.unit, measure.better)
    return Described(name.replace("_", " "), "")


def title(name):
    """The label of a measure for a table's head, with its unit where the numbers do not carry it."""
    known = describe(name)
    return f"{known.label} ({known.unit})" if known.unit in ("nats/token", "ms", "s") else known.label


def show_p(p):
    """A p-value as people read it: two digits, and none smaller than a simulation can resolve."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def pass_at(scores):
    """The names `pass@k` in a mapping or list of measures, by rising k."""
    return sorted((name for name in scores if name.startswith("pass@")), key=lambda name: int(name[5:]))


def show(value, unit):
    """A value as people read it: shares with three decimals, bytes in MB, counts in thousands or millions."""
    if value is None or value != value:
        return "missing"
    if unit == "bytes":
        return f"{value / 1e6:.1f} MB"
    if unit == "count":
        return f"{value / 1e6:.2f} M" if value >= 1e6 else f"{value:,.0f}"
    if unit == "share":
        return f"{value:.3f}"
    if unit in ("ms", "tokens/s", "s"):
        return f"{value:,.1f}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:#.4g}".rstrip(".")


def show_interval(low, high, unit):
    """` [low, high]` in the unit of its value, empty where there is no interval."""
    if low is None or low != low:
        return ""
    return f"[{show(low, unit)}, {show(high, unit)}]"
