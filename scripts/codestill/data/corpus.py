"""A corpus from its sources: what cannot teach is dropped and counted, and the rest is split so that nothing leaks.

Three passes, so that ten million records need little memory: `Intake` (data/intake.py) judges each record once and
keeps a few numbers of it; `plan` decides from the numbers alone, as arrays; `write` copies the chosen lines.
"""

import os
from collections import Counter

import numpy as np

from codestill.data.functions import digest
from codestill.data.intake import PARTS

SPLITS = ("train", "validation", "test")
# What is held back wins over what is learnt: of two near-identical functions the one in test stays. By number of PARTS.
_PRECEDENCE = np.array([3, 2, 1, 0], np.int8)
_TRAIN, _VALIDATION, _TEST = (PARTS.index(split) for split in SPLITS)
DROPS = (
    "without_code",
    "without_docstring",
    "without_prompt",
    "does_not_parse",
    "not_a_function",
    "benchmark_solution",
    "benchmark_near_copy",
    "benchmark_docstring",
    "duplicate",
    "duplicate_but_for_layout",
    "near_identical_in_another_split",
    "origin_in_another_split",
    "over_max_samples",
)
_AT_ONCE = 2**16  # digests that are Python's numbers at a time


def unit(*parts):
    """A number in [0, 1) that depends on `parts` alone."""
    return digest(repr(parts)) / 2**64


def _units(*parts, of):
    """`unit(*parts, number)` for each number of the array `of`, float64."""
    found = np.empty(len(of))
    for start in range(0, len(of), _AT_ONCE):
        part = of[start : start + _AT_ONCE].tolist()
        found[start : start + len(part)] = [unit(*parts, number) for number in part]
    return found


def _firsts(values):
    """(where the `values` stand once they are sorted, equal ones in their own order; whether each is the first of its
    value). As np.unique finds them, in half the memory."""
    places = np.argsort(values, kind="stable")
    values = values[places]
    new = np.ones(len(values), bool)
    np.not_equal(values[1:], values[:-1], out=new[1:])
    return places, new


class _Plan:
    """Decides which records stay, and where: arrays of record numbers, and {source: Counter of reasons to drop}."""

    def __init__(self, records, sources, dropped):
        self.records, self.sources = records, sources
        self.dropped = {source: Counter(counts) for source, counts in dropped.items()}

    def drop(self, numbers, reason):
        """Count records as dropped."""
        counts = np.bincount(self.records["source"][numbers], minlength=len(self.sources))
        for source, count in zip(self.sources, counts.tolist(), strict=True):
            if count:
                self.dropped.setdefault(source, Counter())[reason] += count

    def first_of_each(self, order, field, reason):
        """Of the records of `order` those whose digest is new; the others are dropped."""
        places, new = _firsts(self.records[field][order])
        first = np.zeros(len(order), bool)
        first[places[new]] = True
        self.drop(order[~first], reason)
        return order[first]

    def asked(self, order, settings, by):
        """The split that each record of `order` asks for, by number: its own, or one by a hash of its digest `by`.

        A source that brings a split itself has nothing split off for it.
        """
        own = self.records["part"][order].astype(np.int8)
        found = np.full(len(order), _TRAIN, np.int8)
        chance = _units("split", settings.seed, of=self.records[by][order])
        for number in range(len(self.sources)):
            brings = np.unique(self.records["part"][self.records["source"] == number])
            test = 0.0 if _TEST in brings else settings.test_fraction
            validation = 0.0 if _VALIDATION in brings else settings.validation_fraction
            ours = self.records["source"][order] == number
            found[ours & (chance < test + validation)] = _VALIDATION
            found[ours & (chance < test)] = _TEST
        held = (own == _VALIDATION) | (own == _TEST)
        found[held] = own[held]
        return found

    def settle(self, order, asked, field):
        """The split where the first record of each digest in `order` asks to be, for each record of it."""
        places, new = _firsts(self.records[field][order])
        found = np.empty_like(asked)
        found[places] = np.repeat(asked[places[new]], np.diff(np.flatnonzero(new), append=len(order)))
        return found

    def by_split(self, order, asked, free):
        """(order, asked): first what is held back by its own partition, then what a hash put, then what is `free`."""
        place = np.where(free, np.int8(len(_PRECEDENCE)), _PRECEDENCE[asked])
        sequence = np.argsort(place, kind="stable")
        return order[sequence], asked[sequence]


def plan(records, sources, dropped, settings):
    """Pass 2: ({split: record numbers in the order to write}, {source: Counter of reasons to drop}).

    records: RECORD [n] of Intake; sources: their names; dropped: what is dropped already. settings: the config's Split.
    A record keeps the partition that its source gives. One without, or of a source that brings no validation (test)
    part, is put by a hash of what it does. No two records with the same body, names aside, end in two splits; and by
    `split_by` no two of one repository or file. With `max_samples`, at most so many stay in train, and the others
    shrink in proportion.
    """
    made = _Plan(records, sources, dropped)
    order = np.argsort(_PRECEDENCE[records["part"]], kind="stable")
    order = made.first_of_each(order, "exact", "duplicate")
    order = made.first_of_each(order, "normal", "duplicate_but_for_layout")
    grouped = settings.split_by != "function"
    asked = made.asked(order, settings, "group" if grouped else "near")
    free = records["part"][order] == 0
    order, asked = made.by_split(order, asked, free)
    free = records["part"][order] == 0
    if grouped:
        home = made.settle(order, asked, "group")
        stays = free | (home == asked)
        made.drop(order[~stays], "origin_in_another_split")
        order, asked = made.by_split(order[stays], home[stays], np.zeros(stays.sum(), bool))
        free = np.zeros(len(order), bool)  # what moved alone would leave its origin
    home = made.settle(order, asked, "near")
    stays = free | (home == asked)
    made.drop(order[~stays], "near_identical_in_another_split")
    order, home = order[stays], home[stays]
    splits = {split: order[home == PARTS.index(split)] for split in SPLITS}
    if settings.max_samples and len(splits["train"]) > settings.max_samples:
        _shorten(splits, made, settings)
    for split, numbers in splits.items():
        chance = _units("order", settings.seed, split, of=records["exact"][numbers])
        splits[split] = numbers[np.lexsort((numbers, chance))]
    return splits, made.dropped


def _shorten(splits, made, settings):
    """Keep `max_samples` records of train, and the same share of the other splits."""
    share = settings.max_samples / len(splits["train"])
    for split, numbers in splits.items():
        keep = min(len(numbers), max(1, round(share * len(numbers))))
        chance = _units("sample", settings.seed, of=made.records["exact"][numbers])
        ranked = numbers[np.lexsort((numbers, chance))]
        made.drop(ranked[keep:], "over_max_samples")
        splits[split] = ranked[:keep]


def write(handle, spool, records, numbers):
    """Pass 3: copy the spooled lines of `numbers`, an iterable, to `handle`, in that order."""
    offsets = records["offset"]
    for number in numbers:
        start = int(offsets[number])
        stop = int(offsets[number + 1]) if number + 1 < len(offsets) else os.fstat(spool.fileno()).st_size
        handle.write(os.pread(spool.fileno(), stop - start, start))


def accounting(intake, records, splits, dropped):
    """Every record that was read, as kept or dropped, by source; the sums are checked."""
    kept = {source: Counter() for source in intake.read}
    for split, numbers in splits.items():
        counts = np.bincount(records["source"][numbers], minlength=len(intake.sources))
        for source, count in zip(intake.sources, counts.tolist(), strict=True):
            kept[source][split] = count
    sources = {}
    for source, read in intake.read.items():
        lost = dropped.get(source, Counter())
        assert read == kept[source].total() + lost.total(), f"{source}: records went missing"
        sources[source] = _account(read, kept[source], lost)
    whole = _account(intake.read.total(), sum(kept.values(), Counter()), sum(dropped.values(), Counter()))
    return {**whole, "sources": sources, "contaminated": intake.contaminated}


def _account(read, kept, lost):
    return {
        "read": read,
        "kept": {split: kept[split] for split in SPLITS},
        "dropped": {reason: lost[reason] for reason in DROPS},
    }
