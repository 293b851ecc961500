"""The records of a corpus as they come in: each judged alone, and what may stay put by for the plan.

A record that may stay is a line in a spool file and a few numbers in another, so that memory does not grow with the
text. Both lie in a work folder with a record of how far they have come: a killed program goes on from there.
"""

import ast
import json
import time
from collections import Counter
from pathlib import Path

import numpy as np

from codestill.data import instruct
from codestill.data.functions import digest, does_something, normalised, parse_code, parse_function
from codestill.data.normal_form import fingerprint, normal_form
from codestill.data.sources import PARTITIONS
from codestill.kit.files import line_chunks, read_json, row_of, write_json
from codestill.kit.program import UserError, progress
from codestill.kit.workers import in_order

SMALL_BODY = 12  # syntax nodes: a body this small (`return self.x`) is the same function only with the same docstring
PARTS = (None, "train", "validation", "test")  # a record's own partition, by number
# Of each record: numbers of its source and partition, where its line begins, and digests of all of it, of it up to
# layout, of what it does, and of what stands in one split with it.
_DIGESTS = [(name, "u8") for name in ("exact", "normal", "near", "group")]
RECORD = np.dtype([("source", "u2"), ("part", "u1"), ("offset", "i8"), *_DIGESTS])
KEEP_SECONDS = 30.0  # between two moments from which a killed program goes on
_PROGRESS, _LINES, _RECORDS = "progress.json", "lines.jsonl", "records.bin"


def judge(row, benchmarks, split_by="function"):
    """(reason to drop it or None, (exact, normal, near, group), what was found of a benchmark or None) of one record.

    The row {code, docstring, func_name, ...} is put in order. `group` is its repository's or file's, or its near form's
    where it names none.
    """
    row["code"], row["docstring"] = row.get("code") or "", row.get("docstring") or ""
    function = _READERS.get(row.get("format"), _function)(row)
    reason = _unfit(row, function)
    if reason:
        return reason, None, None
    words, nodes = normal_form(function) if function.body else ([], 0)
    found = benchmarks.found_in(function, row["docstring"], words)
    if found:
        how, task = found
        where = {"source": row["source"], "func_name": row.get("func_name", "")}
        return f"benchmark_{how}", None, {**where, "task_id": task, "by": how}
    near = fingerprint(words)
    if nodes < SMALL_BODY:
        near = digest(f"{near} {' '.join(row['docstring'].split())}")
    exact = digest(row["code"].strip() + "\x00" + row["docstring"].strip())
    normal = instruct.said(row) if row.get("format") == "instruct" else normalised(function)
    home = group_of(row, split_by)
    return None, (exact, normal, near, near if home is None else digest(home)), None


def group_of(row, split_by):
    """What a record shares its split with by the config's `split_by`; None: with what does the same."""
    if split_by == "function" or not row.get(split_by):
        return None
    return row["repo"] if split_by == "repo" else f"{row.get('repo') or ''}\x00{row['path']}"


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


class Intake:
    """What was taken in of the files `paths`, in the folder `work`; key: what it rests on beside them."""

    def __init__(self, work, paths, benchmarks, split_by="function", key=()):
        self.work, self.paths = Path(work), [str(path) for path in paths]
        self.benchmarks, self.split_by = benchmarks, split_by
        self.work.mkdir(parents=True, exist_ok=True)
        files = [[path, Path(path).stat().st_size, Path(path).stat().st_mtime_ns] for path in self.paths]
        self._key = json.loads(json.dumps([files, split_by, key]))
        record = read_json(self.work / _PROGRESS) if (self.work / _PROGRESS).is_file() else {}
        sizes = record.get("sizes", {})
        there = all((self.work / name).is_file() and (self.work / name).stat().st_size >= sizes[name] for name in sizes)
        kept = record if record.get("key") == self._key and there else {}
        self.done = kept.get("done", [0] * len(self.paths))  # lines of each file
        self.sources, self.contaminated = kept.get("sources", []), kept.get("contaminated", [])
        self.read, self.unnamed = Counter(kept.get("read")), Counter(kept.get("unnamed"))
        self.dropped = {source: Counter(counts) for source, counts in kept.get("dropped", {}).items()}
        self.spool, self._records = (self._opened(name, kept.get("sizes", {})) for name in (_LINES, _RECORDS))

    def _opened(self, name, sizes):
        """A file of the folder, cut to what was kept of it, with the handle at its end."""
        handle = open(self.work / name, "r+b" if name in sizes else "w+b")  # noqa: SIM115 - as long as the intake
        handle.truncate(sizes.get(name, 0))
        handle.seek(0, 2)
        return handle

    def take_all(self, workers=1):
        """Judge what is not judged yet, by so many processes."""
        saved = time.monotonic()
        with progress(unit="function", desc="reading") as bar:
            bar.update(sum(self.done))
            for number, judged in in_order(self._judged, self._chunks(), workers):
                self._take(number, *judged)
                bar.update(sum(judged[0].values()))
                if time.monotonic() - saved > KEEP_SECONDS:
                    self._keep()
                    saved = time.monotonic()
        self.spool.flush()
        self._records.flush()

    def records(self):
        """The numbers of what may stay, RECORD [n], in the order in which it came."""
        size = self._records.tell() // RECORD.itemsize
        return np.memmap(self._records.name, RECORD, "r") if size else np.zeros(0, RECORD)

    def _chunks(self):
        for number, path in enumerate(self.paths):
            for chunk in line_chunks(path, skip=self.done[number]):
                yield number, chunk

    def _judged(self, piece):
        """(number of the file, (read, unnamed, dropped, contaminated, sources, records, lines)) of a chunk of lines."""
        file, chunk = piece
        path, read, unnamed, dropped, contaminated = self.paths[file], Counter(), Counter(), {}, []
        name = Path(path).name.removesuffix(".gz").removesuffix(".jsonl")
        sources, records, lines, size = {}, [], [], 0
        for number, line in chunk:
            row = row_of(path, number, line)
            row["source"] = source = row.get("source") or name
            if row.get("partition") not in (None, *PARTITIONS.values()):
                told = f"{path}:{number}: field partition is {row['partition']!r}"
                raise UserError(f"{told}; give train, validation or test")
            read[source] += 1
            reason, digests, found = judge(row, self.benchmarks, self.split_by)
            contaminated += [found] if found else []
            if reason:
                dropped.setdefault(source, Counter())[reason] += 1
                continue
            unnamed[source] += group_of(row, self.split_by) is None
            part = PARTS.index(row.get("partition"))
            records.append((sources.setdefault(source, len(sources)), part, size, *digests))
            lines.append(json.dumps(row).encode() + b"\n")
            size += len(lines[-1])
        told = read, unnamed, dropped, contaminated, list(sources)
        return file, (*told, np.array(records, RECORD), b"".join(lines))

    def _take(self, file, read, unnamed, dropped, contaminated, sources, records, lines):
        self.done[file] += read.total()
        self.read.update(read)
        self.unnamed.update(unnamed)
        for source, counts in dropped.items():
            self.dropped.setdefault(source, Counter()).update(counts)
        self.contaminated += contaminated
        self.sources += [source for source in sources if source not in self.sources]
        numbers = np.array([self.sources.index(source) for source in sources], "u2")
        if len(records):
            records["source"] = numbers[records["source"]]
            records["offset"] += self.spool.tell()
        self._records.write(records.tobytes())
        self.spool.write(lines)

    def _keep(self):
        """Record what was taken in: from here a killed program goes on."""
        for handle in (self.spool, self._records):
            handle.flush()
        sizes = {_LINES: self.spool.tell(), _RECORDS: self._records.tell()}
        names = ("done", "sources", "read", "unnamed", "dropped", "contaminated")
        write_json(
            self.work / _PROGRESS, {"key": self._key, "sizes": sizes, **{name: getattr(self, name) for name in names}}
        )
