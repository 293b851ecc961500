"""The files of sampling: which samples a job draws, its journal of finished ones, and the gathering of shards."""

import hashlib
import json
import os
from pathlib import Path

from codestill.kit.files import read_json, read_jsonl, sha256, write_json, write_jsonl
from codestill.kit.model_files import MODEL_FILES
from codestill.kit.program import UserError, log
from codestill.kit.shards import read_shard
from codestill.models.weights import weight_files


def shard_of(pairs, text):
    """The shard `text` (kit/shards.py) of a list, cut into parts whose sizes differ by at most one."""
    part, parts = read_shard(text)
    return pairs[len(pairs) * (part - 1) // parts : len(pairs) * part // parts]


def fingerprint(model_dir, benchmark, settings):
    """A hash of all that the samples depend on: weights, config, tokenizer, prompts and settings."""
    state = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    files = {Path(model_dir) / name for name in MODEL_FILES} | set(weight_files(model_dir))
    for path in [*sorted(files), Path(benchmark)]:
        state.update(sha256(path).encode() if path.is_file() else b"-")
    return state.hexdigest()


class Journal:
    """Finished samples of a job that may be killed at any moment: one JSON line each, behind a first line that says
    what they were drawn from. A torn last line is dropped; a journal of other settings is begun anew."""

    def __init__(self, path, mark):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.rows = {}
        self.seconds = 0.0
        whole = self._read(mark)
        if whole:
            os.truncate(self.path, whole)
        self.handle = open(self.path, "ab" if whole else "wb")  # noqa: SIM115, closed by close()
        if not whole:
            self._write({"drawn_from": mark})
            self.flush()

    def _read(self, mark):
        """Take over the rows of an earlier run; returns how many bytes of the file are whole (0: begin anew)."""
        if not self.path.is_file():
            return 0
        whole = 0
        with open(self.path, "rb") as handle:
            for number, line in enumerate(handle):
                try:
                    row = json.loads(line) if line.endswith(b"\n") else None
                except ValueError:
                    row = None
                if row is None:
                    log(f"{self.path}: line {number + 1} is torn and dropped with what follows")
                    break
                if number == 0 and row.get("drawn_from") != mark:
                    log(f"{self.path}: from another model, benchmark or setting; begun anew")
                    return 0
                self._take(row)
                whole += len(line)
        return whole

    def _take(self, row):
        if "seconds" in row:
            self.seconds += row["seconds"]
        elif "task_id" in row:
            self.rows[row["task_id"], row["sample"]] = row

    def _write(self, row):
        self.handle.write((json.dumps(row) + "\n").encode())

    def add(self, rows, seconds=0.0):
        """Keep finished samples, and the time they took; on disk when this returns."""
        for row in rows:
            self._take(row)
            self._write(row)
        if seconds:
            self._take({"seconds": seconds})
            self._write({"seconds": seconds})
        self.flush()

    def flush(self):
        """Everything kept so far is on the disk when this returns."""
        self.handle.flush()
        os.fsync(self.handle.fileno())

    def close(self, remove=False):
        """End the journal; `remove` it once its rows are in the output."""
        self.handle.close()
        if remove:
            self.path.unlink()


def gather(benchmark, shards, protocols, output, protocol):
    """Join the shards of one model's samples into `output`, in the benchmark's order, and their protocols.

    Raises UserError where shards were drawn differently, overlap, or leave samples out.
    """
    facts = [read_json(path) for path in protocols]
    same = [key for key in facts[0] if key not in PER_SHARD]
    for path, fact in zip(protocols, facts, strict=True):
        differing = [key for key in same if fact.get(key) != facts[0][key]]
        if differing:
            raise UserError(f"{path}: {differing[0]} is not that of {protocols[0]}; draw all shards with one setting")
    names = [row["task_id"] for row in read_jsonl(benchmark)]
    wanted = {(name, sample) for name in names for sample in range(facts[0]["n"])}
    rows = {}
    for path in shards:
        for row in read_jsonl(path):
            pair = row["task_id"], row["sample"]
            if pair in rows:
                raise UserError(f"{path}: {pair[0]} sample {pair[1]} is in another shard too")
            if pair not in wanted:
                raise UserError(f"{path}: {pair[0]} sample {pair[1]} is not of this benchmark")
            rows[pair] = row
    missing = wanted - rows.keys()
    if missing:
        raise UserError(f"{output}: {len(missing)} samples are in no shard, first {min(missing)}; gather all shards")
    write_jsonl(output, (rows[name, sample] for name in names for sample in range(facts[0]["n"])))
    write_json(protocol, _joined(facts))


# What differs between shards, and how it is joined; None: the first shard's value is kept.
PER_SHARD = {
    "shard": None,
    "provenance": None,
    "samples": sum,
    "finish": "count",
    "tokens": sum,
    "seconds": sum,
    "tokens_per_second": None,
    "batch_size": None,
    "halved": sum,
    "exactness": "worst",
    "guarantee": "worst",
}


def _joined(facts):
    whole = dict(facts[0])
    for key, how in PER_SHARD.items():
        if how is sum:
            whole[key] = sum(fact[key] for fact in facts)
    whole["finish"] = {name: sum(fact["finish"][name] for fact in facts) for name in facts[0]["finish"]}
    worst = max(facts, key=lambda fact: fact["exactness"]["exceeded"])
    whole |= {"exactness": worst["exactness"], "guarantee": worst["guarantee"]}
    whole["tokens_per_second"] = whole["tokens"] / whole["seconds"] if whole["seconds"] else None
    whole["shard"] = f"1..{len(facts)}"
    return whole
