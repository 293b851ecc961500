"""The teacher's final hidden states, stored once and read by every cell: exact for every T, alpha and divergence.

They lie in a folder of one teacher on one study's tokens: of each split the states [targets, width] that the teacher's
head receives at the positions that predict a target, row after row, and the targets of each row; the head; and
manifest.json, moved in last, with identities, sizes and checksums. A pass works in a folder of its own and goes on
there where it was interrupted. A training that takes fewer rows, or cuts them shorter, reads a prefix.
"""

import hashlib
import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import torch

from codestill.data.batches import FILLER, batches
from codestill.distill.teacher import STATE_TYPES, rounded
from codestill.kit.files import read_json, sha256, write_json
from codestill.kit.program import UserError, log, progress
from codestill.models.heads import Head
from codestill.study.teacher_states import HEAD, MANIFEST, SPLITS, STATES_FILES, counts_file, states_file

CHECKED_BYTES = 2**30  # up to this size the checksums are verified when states are opened, beyond it sizes only
KEEP_SECONDS = 60.0  # between two moments from which an interrupted pass goes on
PROGRESS = "progress.json"
SAMPLE = 1024  # target positions on which the error of the storage type is measured
_STORED = {2: np.int16, 4: np.int32}  # numpy has no bfloat16: bytes are read as integers of their size


def store_states(
    folder, work_dir, teacher, data, model_sha, dtype="float16", batch_size=8, every=KEEP_SECONDS, told=None
):
    """Run `teacher` (an OnlineTeacher) over `data` {split: Examples}; its states land in `folder`. The manifest.

    told: more facts for the manifest.

    Raises UserError where the disk or the quota has no room (before the pass), or a state does not fit the type.
    """
    work, width = Path(work_dir), teacher.head.weight.shape[1]
    counts = {split: examples.target_counts() for split, examples in data.items()}
    bytes_of = {split: int(count.sum()) * width * STATE_TYPES[dtype].itemsize for split, count in counts.items()}
    key = {"model": model_sha, "dtype": dtype, "batch_size": batch_size}
    key |= {"data": {split: [one.identity(), one.cut, len(one)] for split, one in data.items()}}
    work.mkdir(parents=True, exist_ok=True)
    done = _claim(work, key)
    _reserve(work, bytes_of)
    splits = {}
    with progress(total=sum(int(one.sum()) for one in counts.values()), unit=" tokens", unit_scale=True) as bar:
        for split, examples in data.items():
            bar.set_description(f"the teacher on {split}")
            digest = _write(work, split, teacher, examples, counts[split], dtype, batch_size, done, every, bar)
            np.save(work / counts_file(split), counts[split])
            splits[split] = {
                "tokens": examples.identity(),
                "max_seq_length": examples.cut,
                "rows": len(examples),
                "targets": int(counts[split].sum()),
                "bytes": bytes_of[split],
                "sha256": digest,
            }
    _save_head(work / HEAD, teacher.head_uncut)
    manifest = {
        "model": model_sha,
        "dtype": dtype,
        "width": width,
        "embeddings": teacher.embeddings,
        "head": {"scale": teacher.head.scale, "softcap": teacher.head.softcap},
        "kl_error": storage_error(teacher, data[SPLITS[0]], dtype, batch_size),
        "splits": splits,
        **(told or {}),
    }
    write_json(work / MANIFEST, manifest)
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name in STATES_FILES:
        shutil.move(work / name, Path(folder) / name)
    (work / PROGRESS).unlink()
    targets, error = sum(one["targets"] for one in splits.values()), manifest["kl_error"]["mean"]
    log(f"stored {targets:,} states in {folder}; {dtype} costs KL {error:.1e} a token")
    return manifest


def _claim(work, key):
    """{split: {rows, bytes}} that an interrupted pass of the same `key` left whole; what another left is dropped."""
    key = json.loads(json.dumps(key))
    known = read_json(work / PROGRESS) if (work / PROGRESS).is_file() else {}
    if known.get("key") == key:
        return {name: one for name, one in known.items() if name == "key" or (work / states_file(name)).is_file()}
    for split in SPLITS:
        (work / states_file(split)).unlink(missing_ok=True)
    return {"key": key}


def _reserve(work, bytes_of):
    """Take the disk space of all states now, so that a full disk or quota is met before the pass, not in it."""
    paths = {work / states_file(split): size for split, size in bytes_of.items() if size}
    fresh = [path for path in paths if not path.is_file()]
    wanted, free = sum(paths[path] for path in fresh), shutil.disk_usage(work).free
    log(f"teacher's states: {sum(paths.values()) / 2**20:,.1f} MiB in {work}, {free / 2**30:,.1f} GiB free")
    try:
        if wanted > 0.95 * free:
            raise OSError(28, "no room")
        for path in fresh:
            with open(path, "wb") as handle:
                os.posix_fallocate(handle.fileno(), 0, paths[path])
    except OSError as error:
        for path in fresh:
            path.unlink(missing_ok=True)
        raise UserError(
            f"{work}: no room for {wanted / 2**30:.2f} GiB of the teacher's states ({error.strerror}); free some, or "
            "run the teacher with each batch: scripts/distill.py --teacher_pass online"
        ) from error


def _write(work, split, teacher, examples, counts, dtype, batch_size, done, every, bar):
    """Write the states of one split after what is `done` of it already; the sha256 of its file."""
    path, kept = work / states_file(split), done.get(split, {"rows": 0, "bytes": 0})
    rows, size = kept["rows"], kept["bytes"]
    if rows:
        log(f"{split}: {rows:,} of {len(examples):,} rows are kept from an earlier pass")
    bar.update(int(counts[:rows].sum()))
    saved = time.monotonic()
    with open(path, "r+b" if path.is_file() else "w+b") as handle:
        digest = _digest(handle, size)
        for batch in batches(examples, batch_size, range(rows, len(examples))):
            data = _bytes(rounded(teacher.hidden(batch), dtype))
            digest.update(data)
            handle.write(data)
            rows += len(batch["example"])
            bar.update(int(counts[batch["example"].numpy()].sum()))
            if time.monotonic() - saved >= every or rows == len(examples):
                handle.flush()
                os.fsync(handle.fileno())
                done[split] = {"rows": rows, "bytes": handle.tell()}
                write_json(work / PROGRESS, done)
                saved = time.monotonic()
    return digest.hexdigest()


def _digest(handle, size):
    """The sha256 of the first `size` bytes of a file; the handle then stands behind them."""
    digest = hashlib.sha256()
    while handle.tell() < size:
        digest.update(handle.read(min(2**24, size - handle.tell())))
    return digest


def _bytes(states):
    """The states' bytes, row after row."""
    kind = {2: torch.int16, 4: torch.int32}[states.dtype.itemsize]
    return states.contiguous().view(kind).cpu().numpy().tobytes()


def _save_head(path, head):
    from safetensors.torch import save_file

    tensors = {"weight": head.weight.detach().float().cpu().contiguous()}
    if head.bias is not None:
        tensors["bias"] = head.bias.detach().float().cpu().contiguous()
    save_file(tensors, str(path))


def storage_error(teacher, examples, dtype, batch_size=8, sample=SAMPLE):
    """KL(exact || stored) in nats of the teacher's own predictions at T = 1: its mean and largest value."""

    def both(batch):
        states = teacher.hidden(batch)
        return states, states.to(STATE_TYPES[dtype])

    return _kl(teacher, both, examples, batch_size, sample)


def states_error(exact, other, examples, batch_size=8, sample=SAMPLE):
    """KL(exact || other) in nats of what two teachers with one head predict at T = 1: its mean and largest value."""
    return _kl(exact, lambda batch: (exact.hidden(batch), other.hidden(batch)), examples, batch_size, sample)


@torch.no_grad()
def _kl(teacher, both, examples, batch_size, sample):
    """Mean and largest KL of the predictions by the states `both(batch)` gives, over `sample` targets or more."""
    found, head = torch.empty(0, dtype=torch.float64), teacher.head_on(teacher.device)
    for batch in batches(examples, batch_size):
        for pair in zip(*(states.to(teacher.device).split(32) for states in both(batch)), strict=True):
            # Differences of probabilities in float64: the error is far below what float32 can tell from 0.
            p, q = (head.logits(one.to(head.weight.dtype)).double().log_softmax(-1) for one in pair)
            found = torch.cat([found, (p.exp() * (p - q)).sum(-1).cpu()])
        if len(found) >= sample:
            break
    return {"mean": found.mean().item(), "largest": found.max().item(), "positions": len(found)}


def fault(folder, data, model_sha, dtype):
    """None where a folder's states serve a training of that teacher, data and type; else what is wrong, in words."""
    if not (Path(folder) / MANIFEST).is_file():
        return f"no states there ({MANIFEST} is missing)"
    manifest = read_json(Path(folder) / MANIFEST)
    if manifest["model"] != model_sha:
        return "the states of another teacher"
    if manifest["dtype"] != dtype:
        return f"states in {manifest['dtype']}, where {dtype} is asked for"
    for split, examples in data.items():
        stored = manifest["splits"][split]
        if stored["tokens"] != examples.identity():
            return f"the states of other tokens than {examples.source}"
        if stored["max_seq_length"] and stored["max_seq_length"] < (examples.cut or 2**62):
            return f"states of rows cut at {stored['max_seq_length']} tokens, fewer than are asked for"
        if stored["rows"] < len(examples):
            return f"the states of {stored['rows']} rows of {examples.source}, where {len(examples)} are asked for"
    return None


class CachedTeacher:
    """Hidden states read from `folder` for `data` {split: Examples}; the teacher's body is never loaded.

    `columns` cuts its head. In a training whose products are in half precision (`dtype`) the head is in the type of
    the states.
    """

    kind = "cache"

    def __init__(self, folder, data, columns, dtype=torch.float32):
        self.manifest = read_json(Path(folder) / MANIFEST)
        kind = STATE_TYPES[self.manifest["dtype"]]
        _verify(folder, self.manifest)
        self._readers = {split: _Reader(folder, self.manifest, split, one) for split, one in data.items()}
        self.embeddings = self.manifest["embeddings"]
        head = _load_head(folder, self.manifest)
        head = head.cut(min(columns, head.columns))
        self.head = head if dtype == torch.float32 else head.to(dtype=kind)
        self._head_by_device = {}

    def head_on(self, device):
        """The teacher's head where the student's loss is computed."""
        if device not in self._head_by_device:
            self._head_by_device[device] = self.head.to(device)
        return self._head_by_device[device]

    def hidden(self, batch, training=True):
        """States [targets, width] of the batch's rows, in their stored type, of the training or validation split."""
        reader = self._readers[SPLITS[0] if training else SPLITS[1]]
        return reader.states(batch["example"].tolist()).to(batch["input_ids"].device)


def _load_head(folder, manifest):
    from safetensors.torch import load_file

    tensors = load_file(str(Path(folder) / HEAD))
    return Head(tensors["weight"], tensors.get("bias"), manifest["head"]["scale"], manifest["head"]["softcap"])


def _verify(folder, manifest):
    """Raise UserError where a file of states is torn or altered."""
    total = sum(stored["bytes"] for stored in manifest["splits"].values())
    for split, stored in manifest["splits"].items():
        path = Path(folder) / states_file(split)
        size = path.stat().st_size if path.is_file() else 0
        if size != stored["bytes"]:
            what = f"have {size} bytes in place of {stored['bytes']}"
        elif total <= CHECKED_BYTES and sha256(path) != stored["sha256"]:
            what = "fail their checksum"
        else:
            continue
        raise UserError(f"{path}: the teacher's states {what}; delete {folder} and make them again")


class _Reader:
    """Memory-mapped states of one split, as far as `examples` take them."""

    def __init__(self, folder, manifest, split, examples):
        width, self.dtype = manifest["width"], STATE_TYPES[manifest["dtype"]]
        kind = _STORED[self.dtype.itemsize]
        path = Path(folder) / states_file(split)
        empty = not manifest["splits"][split]["bytes"]
        self._states = np.empty((0, width), kind) if empty else np.memmap(path, kind, "r").reshape(-1, width)
        self._starts = np.concatenate([[0], np.cumsum(np.load(Path(folder) / counts_file(split)))])
        self._counts = examples.target_counts()  # of a row that is cut shorter, fewer than are stored

    def states(self, rows):
        """States of the given rows, one after the other, [targets, width]."""
        spans = [(self._starts[row], self._counts[row]) for row in rows if row != FILLER]
        parts = [self._states[start : start + count] for start, count in spans]
        return torch.from_numpy(np.concatenate([self._states[:0], *parts])).view(self.dtype)
