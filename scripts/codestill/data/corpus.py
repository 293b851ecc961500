"""A corpus from its sources: what cannot teach is dropped and counted, and the rest is split so that nothing leaks.

Three passes, so that a quarter of a million functions need little memory: `Intake` reads each record once and keeps
of it a few numbers and its place in a spool file; `plan` decides from the numbers alone; `write` copies the chosen
lines.
"""

import ast
import json
from array import array
from collections import Counter

from codestill.data import instruct
from codestill.data.functions import digest, does_something, normalised, parse_code, parse_function
from codestill.data.normal_form import fingerprint, normal_form

SPLITS = ("train", "validation", "test")
# What is held back wins over what is learnt: of two near-identical functions the one in test stays.
_PRECEDENCE = {"test": 0, "validation": 1, "train": 2, None: 3}
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
    "over_max_samples",
)
SMALL_BODY = 12  # syntax nodes: a body this small (`return self.x`) is the same function only with the same docstring


def unit(*parts):
    """A number in [0, 1) that depends on `parts` alone."""
    return digest(repr(parts)) / 2**64


class Intake:
    """Pass 1: takes records in, judges each alone, and spools those that may stay."""

    def __init__(self, spool, benchmarks):
        self.spool, self.benchmarks = spool, benchmarks
        self.sources, self.partitions = [], []
        self.offsets = array("q")
        self.exact, self.normal, self.near = array("Q"), array("Q"), array("Q")
        self.read, self.dropped = Counter(), {}
        self.contaminated = []

    def take(self, row):
        """Judge one record {code, docstring, func_name, ..., source, partition?}."""
        source = row["source"]
        self.read[source] += 1
        row["code"], row["docstring"] = row.get("code") or "", row.get("docstring") or ""
        function = _READERS.get(row.get("format"), _function)(row)
        reason = _unfit(row, function)
        words, nodes = ([], 0) if reason or not function.body else normal_form(function)
        reason = reason or self._contaminated(row, function, words)
        if reason:
            self.dropped.setdefault(source, Counter())[reason] += 1
            return
        near = fingerprint(words)
        if nodes < SMALL_BODY:
            near = digest(f"{near} {' '.join(row['docstring'].split())}")
        self.sources.append(source)
        self.partitions.append(row.get("partition"))
        self.exact.append(digest(row["code"].strip() + "\x00" + row["docstring"].strip()))
        self.normal.append(instruct.said(row) if row.get("format") == "instruct" else normalised(function))
        self.near.append(near)
        self.offsets.append(self.spool.tell())
        self.spool.write(json.dumps(row).encode() + b"\n")

    def _contaminated(self, row, function, words):
        """The reason to drop a record that holds a benchmark's problem, which is noted; or None."""
        found = self.benchmarks.found_in(function, row["docstring"], words)
        if found is None:
            return None
        how, task = found
        where = {"source": row["source"], "func_name": row.get("func_name", "")}
        self.contaminated.append({**where, "task_id": task, "by": how})
        return f"benchmark_{how}"


def _function(row):
    return parse_function(row["code"])


_READERS = {"code": lambda row: parse_code(row["code"]), "instruct": instruct.code_of}


def _unfit(row, function):
    """The reason why a record cannot teach, or None. A docstring that only the code has is put in its field."""
    if not row["code"].strip():
        return "without_code"
    if row.get("format") == "instruct":
        return None if row["docstring"].strip() else "without_prompt"
    if function is None:
        return "does_not_parse"
    if function is False:
        return "not_a_function"
    if row.get("format") == "code":
        return None if function.body and does_something(function) else "without_code"
    if not row["docstring"].strip():
        row["docstring"] = ast.get_docstring(function) or ""
    if not row["docstring"].strip():
        return "without_docstring"
    return None if does_something(function) else "without_code"


def _first_of_each(order, taken, reason, drop):
    """Of the records of `order` those whose number in `taken` is new; the others are dropped for `reason`."""
    seen = set()
    for number in order:
        if taken[number] in seen:
            drop(number, reason)
        else:
            seen.add(taken[number])
            yield number


def _fractions(partitions, sources, fractions):
    """{source: fractions to split off by hash}: nothing of a split that the source brings itself."""
    brings = {}
    for source, partition in zip(sources, partitions, strict=True):
        brings.setdefault(source, set()).add(partition)
    return {
        source: {split: 0.0 if split in own else fraction for split, fraction in fractions.items()}
        for source, own in brings.items()
    }


def _split_of(number, intake, fractions, seed):
    """The split that a record asks for: its own, or one by hash, equal for near-identical functions."""
    own = intake.partitions[number]
    share = fractions[intake.sources[number]]
    if own in ("validation", "test"):
        return own
    chance = unit("split", seed, intake.near[number])
    if chance < share["test"]:
        return "test"
    return "validation" if chance < share["test"] + share["validation"] else "train"


def plan(intake, validation_fraction, test_fraction, seed, max_samples=None):
    """Pass 2: ({split: record numbers in the order to write}, {source: Counter of reasons to drop}).

    A record keeps the partition that its source gives. One without, or of a source that brings no validation (test)
    part, is put by a hash of what it does. No two records with the same body, names aside, end in two splits. With
    `max_samples`, at most so many stay in train, and the others shrink in proportion.
    """
    dropped = {source: Counter(counts) for source, counts in intake.dropped.items()}

    def drop(number, reason):
        dropped.setdefault(intake.sources[number], Counter())[reason] += 1

    order = sorted(range(len(intake.offsets)), key=lambda number: _PRECEDENCE[intake.partitions[number]])
    order = list(_first_of_each(order, intake.exact, "duplicate", drop))
    order = list(_first_of_each(order, intake.normal, "duplicate_but_for_layout", drop))
    fractions = _fractions(
        intake.partitions, intake.sources, {"validation": validation_fraction, "test": test_fraction}
    )
    splits, home = {split: [] for split in SPLITS}, {}
    for split, number in _by_split(order, intake, fractions, seed):
        settled = home.setdefault(intake.near[number], split)
        if settled == split or intake.partitions[number] is None:
            splits[settled].append(number)
        else:
            drop(number, "near_identical_in_another_split")
    _shorten(splits, intake, seed, max_samples, drop)
    for split, numbers in splits.items():
        numbers.sort(key=lambda number: (unit("order", seed, split, intake.exact[number]), number))
    return splits, dropped


def _by_split(order, intake, fractions, seed):
    """(split, number) pairs: first what the sources hold back themselves, then what the hash does, then train."""
    asked = [(_split_of(number, intake, fractions, seed), number) for number in order]
    given = [pair for pair in asked if intake.partitions[pair[1]] is not None]
    free = [pair for pair in asked if intake.partitions[pair[1]] is None]
    return sorted(given, key=lambda pair: _PRECEDENCE[pair[0]]) + free


def _shorten(splits, intake, seed, max_samples, drop):
    if not max_samples or len(splits["train"]) <= max_samples:
        return
    share = max_samples / len(splits["train"])
    for numbers in splits.values():
        keep = min(len(numbers), max(1, round(share * len(numbers))))
        numbers.sort(key=lambda number: (unit("sample", seed, intake.exact[number]), number))
        for number in numbers[keep:]:
            drop(number, "over_max_samples")
        del numbers[keep:]


def write(handle, spool, intake, numbers):
    """Pass 3: copy the spooled lines of `numbers` to `handle`, in that order."""
    for number in numbers:
        spool.seek(intake.offsets[number])
        handle.write(spool.readline())


def accounting(intake, splits, dropped):
    """Every record that was read, as kept or dropped, by source; the sums are checked."""
    kept = {source: Counter() for source in intake.read}
    for split, numbers in splits.items():
        for number in numbers:
            kept[intake.sources[number]][split] += 1
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
