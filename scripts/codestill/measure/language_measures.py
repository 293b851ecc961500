"""The language measures as ratios of sums over functions: what is kept of each function, and what follows from it.

Everything is linear in functions, so that a measure has an interval over functions even of one model, two models are
paired by function, and any part or source is one selection of them. `parts.body.ce` is a measure of a part,
`sources.NAME.ce` of one source of the corpus.
"""

import math

import numpy

from codestill.statistics import confidence_intervals
from codestill.statistics.observations import POSITIVE, SHARE, of_rates, of_ratios

PARTS = ("head", "body")  # signature and docstring; what follows them, the end token included
SUMS = ("nats", "kl", "agree", "right", "tokens", "bytes", "lines", "exact")  # of a function, for each part
# measure: (sum above, sum below, factor, scale)
RATIOS = {
    "bits_per_byte": ("nats", "bytes", 1 / math.log(2), POSITIVE),
    "ce": ("nats", "tokens", 1.0, POSITIVE),
    "kl": ("kl", "tokens", 1.0, POSITIVE),
    "agreement": ("agree", "tokens", 1.0, SHARE),
    "accuracy": ("right", "tokens", 1.0, SHARE),
    "exact_lines": ("exact", "lines", 1.0, SHARE),
}
TAUGHT = ("kl", "agreement")  # only beside a teacher
BODIES = "bodies_exact"  # share of functions whose body is predicted to its last token


def _chosen(functions, measure):
    """(the measure's own name, its part or None, bool [functions] of those it is about)."""
    kind, _, rest = measure.partition(".")
    if kind == "parts":
        part, _, name = rest.partition(".")
        return name, part, numpy.ones(len(functions["source"]), bool)
    if kind == "sources":
        source, _, name = rest.rpartition(".")
        return name, None, numpy.array(functions["source"]) == source
    return measure, None, numpy.ones(len(functions["source"]), bool)


def _sum(functions, name, part):
    parts = [part] if part else PARTS
    return numpy.sum([numpy.asarray(functions[f"{one}_{name}"], dtype=float) for one in parts], axis=0)


def observations(documents, measure, seeds=None, fixed=False):
    """The Observations of a language measure from the documents of a setting's models; None where it has none."""
    functions = [document.get("functions") for document in documents]
    if not all(functions) or len({len(one["source"]) for one in functions}) > 1:
        return None
    name, part, kept = _chosen(functions[0], measure)
    if name == BODIES and part is None:
        kept = kept & (numpy.array(functions[0]["body_tokens"]) > 0)
        tables = [numpy.array(one["body_right"]) == numpy.array(one["body_tokens"]) for one in functions]
        if not kept.any():
            return None
        return of_rates(numpy.array(tables)[:, kept] * 1.0, seeds, numpy.flatnonzero(kept).tolist(), fixed)
    if name not in RATIOS or any(f"head_{RATIOS[name][0]}" not in one for one in functions):
        return None
    above, below, factor, scale = RATIOS[name]
    bottoms = numpy.array([_sum(one, below, part) for one in functions])
    kept = kept & (bottoms > 0).all(axis=0)
    if not kept.any():
        return None
    tops = factor * numpy.array([_sum(one, above, part) for one in functions])
    return of_ratios(tops[:, kept], bottoms[:, kept], seeds, numpy.flatnonzero(kept).tolist(), fixed, scale)


def summary(functions):
    """The document of a model from the sums of its functions: each measure, by part and by source, with intervals."""
    taught = "head_kl" in functions
    names = [name for name in (*RATIOS, BODIES) if taught or name not in TAUGHT]
    found, intervals = dict.fromkeys((*RATIOS, BODIES)), {}
    wanted = {name: (found, name) for name in names}
    parts, sources = {part: {} for part in PARTS}, {source: {} for source in dict.fromkeys(functions["source"])}
    for part, own in parts.items():
        wanted |= {f"parts.{part}.{name}": (own, name) for name in names if name != BODIES}
    if len(sources) > 1:
        for source, own in sources.items():
            wanted |= {f"sources.{source}.{name}": (own, name) for name in names}
    for measure, (place, name) in wanted.items():
        one = observations([{"functions": functions}], measure)
        place[name] = None if one is None else one.mean
        if one is not None:
            intervals[measure] = confidence_intervals.interval(one)
    counts = {name: int(_sum(functions, name, None).sum()) for name in ("tokens", "bytes", "lines")}
    found |= {"parts": parts, "sources": sources if len(sources) > 1 else {}, "intervals": intervals, **counts}
    return found | {"functions": functions}
