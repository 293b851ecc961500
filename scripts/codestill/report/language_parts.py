"""Loss, distance from the teacher and bits per byte by part of the function and by source, of the four main models."""

from codestill.measure.language_measures import PARTS
from codestill.report.measures import describe, show, show_interval, title
from codestill.report.summary import lookup, main_model, main_settings, seeds_of

NAMES = {"head": "signature and docstring", "body": "body"}
MEASURES = ("ce", "kl", "bits_per_byte")


def rows(results, tables):
    """[{place, bytes, measure, cells {column: text}}] of what is measured: a row a place and measure, in fixed order.

    bytes: the place's share of the held-out text. Its share of each model's loss is a row of its own, of one seed.
    """
    frame, main = tables["settings"], main_settings(results)
    documents, seeds = {}, {}
    for column, setting in main.items():
        model = main_model(results, setting) if setting else None
        found = results.language(model) if setting else None
        if (found or {}).get("functions"):
            documents[column], seeds[column] = found["functions"], model.seed
    if not documents:
        return []
    first, made = next(iter(documents.values())), []
    for place, name in _places(first):
        size = f"{100 * _share(first, place, 'bytes'):.0f} %"
        lost = {column: f"{100 * _share(own, place, 'nats'):.0f} %" for column, own in documents.items()}
        lost |= {column: f"{lost[column]}, seed {seed}" for column, seed in seeds.items() if seed is not None}
        told = [("share of the loss", {column: lost.get(column, "missing") for column in main})]
        for measure in MEASURES:
            cells = {column: _cell(frame, main[column], f"{place}.{measure}") for column in main}
            told.append((title(measure), cells))
        made += [{"place": name, "bytes": size, "measure": measure, "cells": cells} for measure, cells in told]
    return made


def _places(functions):
    """(prefix of its measures, its name) of each part, and of each source where there are several."""
    sources = list(dict.fromkeys(functions["source"]))
    found = [(f"parts.{part}", NAMES[part]) for part in PARTS]
    return found + ([(f"sources.{name}", f"source {name}") for name in sources] if len(sources) > 1 else [])


def _share(functions, place, what):
    """The share of a sum over all functions that a place has."""
    kind, _, name = place.partition(".")
    sums = {part: sum(functions[f"{part}_{what}"]) for part in PARTS}
    if kind == "parts":
        return sums[name] / sum(sums.values())
    whole = zip(functions["source"], *(functions[f"{part}_{what}"] for part in PARTS), strict=True)
    return sum(sum(values) for source, *values in whole if source == name) / sum(sums.values())


def _cell(frame, setting, measure):
    """A value with its interval and seeds; a dash for what has no meaning (the teacher's distance from itself)."""
    row = lookup(frame, setting, "", measure)
    if row is None:
        return "–" if setting == "teacher" and measure.endswith(".kl") else "missing"
    unit = describe(measure).unit
    told = f"{show(row['value'], unit)} {show_interval(row['low'], row['high'], unit)}".strip()
    return ", ".join(filter(None, (told, seeds_of(row))))
