"""The measures of the table: their names for people, units, and which way is better."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    label: str
    unit: str
    better: str | None = None  # "more", "less", or None where neither is


KNOWN = {
    "eval_loss": Measure("validation CE", "nats/token", "less"),
    "eval_loss_ce": Measure("validation CE, as in the objective", "nats/token", "less"),
    "eval_loss_kl": Measure("validation KL at T = 1", "nats/token", "less"),
    "eval_loss_total": Measure("validation objective", "nats/token"),
    "train_runtime": Measure("training time", "s", "less"),
    "bits_per_byte": Measure("bits per byte, held-out code", "bits/byte", "less"),
    "ce": Measure("test CE", "nats/token", "less"),
    "kl": Measure("KL to the teacher, T = 1", "nats/token", "less"),
    "agreement": Measure("top-1 agreement with the teacher", "share", "more"),
    "accuracy": Measure("next-token accuracy, held-out code", "share", "more"),
    "exact_lines": Measure("lines predicted exactly", "share", "more"),
    "tokens_per_second": Measure("tokens per second", "tokens/s", "more"),
    "latency_ms": Measure("latency of a short completion", "ms", "less"),
    "parameters": Measure("parameters", "count", "less"),
    "bytes_on_disk": Measure("weights on disk", "bytes", "less"),
    "peak_memory_bytes": Measure("peak memory", "bytes", "less"),
}
# What a prefix says of the measures that a study may add (latency at several batch sizes, pass@k at any k).
PREFIXES = {
    "pass@": Measure("pass@", "share", "more"),
    "funnel.": Measure("", "share", "more"),
    "latency": Measure("latency", "ms", "less"),
    "peak_": Measure("peak", "bytes", "less"),
}
# The stages a completion goes through, each a subset of the one before.
FUNNEL = ("finished", "parses", "compiles", "defines", "runs", "passes")


def describe(name):
    """The Measure called `name`; unknown ones keep their own name, have no unit and no better side."""
    if name in KNOWN:
        return KNOWN[name]
    if name.startswith("tokens_per_second_"):
        return Measure(f"tokens per second, batch {name.removeprefix('tokens_per_second_')}", "tokens/s", "more")
    for prefix, measure in PREFIXES.items():
        if name.startswith(prefix):
            return Measure(name.removeprefix("funnel.").replace("_", " "), measure.unit, measure.better)
    return Measure(name.replace("_", " "), "")


def title(name):
    """The label of a measure for a table's head, with its unit where the numbers do not carry it."""
    known = describe(name)
    return f"{known.label} ({known.unit})" if known.unit in ("nats/token", "ms", "s") else known.label


def show_p(p):
    """A p-value as people read it: two digits, and never smaller than what the bootstrap can resolve."""
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
