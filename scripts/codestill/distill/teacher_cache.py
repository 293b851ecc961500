"""The teacher's final hidden states, stored once and read by every cell: exact for every T, alpha and divergence.

A cache is a folder of one teacher on one token set: `states-NNNNN.bin`, the states [targets, width] that its head
receives at the positions that predict a target, in half precision, row after row and memory-mapped when read;
`head.safetensors`, the head; `manifest.json`, written last, with keys, sizes and checksums. A pass that is
interrupted goes on after its last finished shard.
"""

import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import torch

from codestill.data.batches import FILLER, batches
from codestill.kit.files import read_json, sha256, write_json
from codestill.kit.program import UserError, log, progress
from codestill.models.heads import Head

SHARD_BYTES = 2**28
CHECKED_BYTES = 2**30  # up to this size all checksums are verified when a cache is opened, beyond it sizes only
KINDS = {"float16": torch.float16, "bfloat16": torch.bfloat16}
SAMPLE = 1024  # target positions on which the error of the storage type is measured


def cache_folder(root, model_sha, examples, kind):
    """Where the states of a model on a token set lie under `root`: a name that its contents determine."""
    key = json.dumps([model_sha, examples.identity(), kind])
    return Path(root) / hashlib.sha256(key.encode()).hexdigest()[:20]


def is_complete(folder, rows):
    """Whether a finished cache of at least `rows` rows lies in `folder`."""
    path = Path(folder) / "manifest.json"
    return path.is_file() and read_json(path)["rows"] >= rows


def estimated_bytes(examples, width):
    """Bytes of the states of all targets."""
    return examples.all_targets() * width * 2


def build(folder, teacher, examples, model_sha, kind="float16", batch_size=8, shard_bytes=SHARD_BYTES):
    """Run `teacher` (an OnlineTeacher) over `examples` and store its states. Returns the manifest.

    Raises UserError where the disk or the quota has no room (before the pass), or a state does not fit the type.
    """
    folder = Path(folder)
    width = teacher.head.weight.shape[1]
    counts = examples.target_counts()
    shards = _shards(counts, max(1, shard_bytes // (2 * width)))
    (folder / "manifest.json").unlink(missing_ok=True)
    _reserve(folder, [counts[start:stop].sum() * width * 2 for start, stop in shards])
    finished = []
    bar = progress(total=int(counts.sum()), desc="caching the teacher", unit=" tokens", unit_scale=True)
    for number, (start, stop) in enumerate(shards):
        finished.append(_shard(folder, number, (start, stop), counts, teacher, examples, kind, batch_size))
        bar.update(int(counts[start:stop].sum()))
    bar.close()
    np.save(folder / "counts.npy", counts)
    _save_head(folder / "head.safetensors", teacher.head_uncut)
    manifest = {
        "model": model_sha,
        "tokens": examples.identity(),
        "kind": kind,
        "width": width,
        "rows": len(examples),
        "targets": int(counts.sum()),
        "embeddings": teacher.embeddings,
        "head": {"scale": teacher.head.scale, "softcap": teacher.head.softcap},
        "kl_error": storage_error(teacher, examples, kind, batch_size),
        "shards": finished,
    }
    write_json(folder / "manifest.json", manifest)
    error = manifest["kl_error"]
    log(f"cached {manifest['targets']:,} states in {folder}; {kind} costs KL {error['mean']:.1e} a token")
    return manifest


def _shards(counts, most):
    """[(first row, row after the last)] so that no shard has more than `most` targets, unless one row has."""
    shards, start, size = [], 0, 0
    for index, count in enumerate(counts):
        if size and size + count > most:
            shards.append((start, index))
            start, size = index, 0
        size += int(count)
    return [*shards, (start, len(counts))]


def _paths(folder, number):
    return folder / f"states-{number:05d}.bin", folder / f"states-{number:05d}.json"


def _draft(path):
    return path.with_suffix(".part")


def _reserve(folder, sizes):
    """Take the disk space of all shards now, so that a full disk or quota is met before the pass, not in it."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = sum(int(size) for number, size in enumerate(sizes) if not _paths(folder, number)[1].is_file())
    free = shutil.disk_usage(folder).free
    log(f"teacher cache: {sum(map(int, sizes)) / 2**20:,.1f} MiB in {folder}, {free / 2**30:,.1f} GiB free")
    try:
        if wanted > 0.95 * free:
            raise OSError(28, "no room")
        for number, size in enumerate(sizes):
            path, record = _paths(folder, number)
            if size and not record.is_file():
                with open(_draft(path), "wb") as handle:
                    os.posix_fallocate(handle.fileno(), 0, int(size))
    except OSError as error:
        shutil.rmtree(folder)
        raise UserError(
            f"{folder}: no room for a teacher cache of {wanted / 2**30:.2f} GiB ({error.strerror}); use another "
            "--teacher_cache, or --teacher_pass online"
        ) from error


def _shard(folder, number, rows, counts, teacher, examples, kind, batch_size):
    """Write one shard unless it is there already; returns its record for the manifest."""
    path, record_path = _paths(folder, number)
    start, stop = rows
    size = int(counts[start:stop].sum()) * teacher.head.weight.shape[1] * 2
    if record_path.is_file() and path.is_file() and path.stat().st_size == size:
        return read_json(record_path)
    digest = hashlib.sha256()
    with open(_draft(path), "r+b" if _draft(path).is_file() else "wb") as handle:
        for batch in batches(examples, batch_size, range(start, stop)):
            states = teacher.hidden(batch).to(KINDS[kind])
            if not torch.isfinite(states).all():
                raise UserError(f"{folder}: a state of the teacher does not fit {kind}; use --cache_dtype bfloat16")
            data = states.contiguous().view(torch.int16).cpu().numpy().tobytes()
            digest.update(data)
            handle.write(data)
        handle.truncate()
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(_draft(path), path)  # never written in place: another training may be reading the old file
    record = {"file": path.name, "first": start, "rows": stop - start, "bytes": size, "sha256": digest.hexdigest()}
    write_json(record_path, record)
    return record


def _save_head(path, head):
    from safetensors.torch import save_file

    tensors = {"weight": head.weight.detach().float().cpu().contiguous()}
    if head.bias is not None:
        tensors["bias"] = head.bias.detach().float().cpu().contiguous()
    save_file(tensors, str(path))


@torch.no_grad()
def storage_error(teacher, examples, kind, batch_size=8, sample=SAMPLE):
    """KL(exact || stored) in nats of the teacher's own predictions at T = 1: its mean and largest value."""
    found = torch.empty(0, dtype=torch.float64)
    for batch in batches(examples, batch_size):
        head = teacher.head_on(teacher.device)
        for states in teacher.hidden(batch).to(teacher.device).split(32):
            # Differences of probabilities in float64: the error is far below what float32 can tell from 0.
            exact = head.logits(states).double().log_softmax(-1)
            stored = head.logits(states.to(KINDS[kind]).to(head.weight.dtype)).double().log_softmax(-1)
            found = torch.cat([found, (exact.exp() * (exact - stored)).sum(-1).cpu()])
        if len(found) >= sample:
            break
    return {"mean": found.mean().item(), "largest": found.max().item(), "positions": len(found)}


class CachedTeacher:
    """Hidden states read from caches; the teacher's body is never loaded. `columns` cuts its head.

    In a training whose products are in half precision (`dtype`) the teacher's head is too, in the type of its states.
    """

    kind = "cache"

    def __init__(self, train_folder, validation_folder, columns, dtype=torch.float32):
        self._train, self._validation = _Reader(train_folder), _Reader(validation_folder)
        self.manifest = self._train.manifest
        self.embeddings = self.manifest["embeddings"]
        head = _load_head(train_folder, self.manifest)
        head = head.cut(min(columns, head.columns))
        self.head = head if dtype == torch.float32 else head.to(dtype=self._train.dtype)
        self._head_by_device = {}

    def head_on(self, device):
        """The teacher's head where the student's loss is computed."""
        if device not in self._head_by_device:
            self._head_by_device[device] = self.head.to(device)
        return self._head_by_device[device]

    def hidden(self, batch, training=True):
        """States [targets, width] of the batch's rows, in half precision, from the training or validation cache."""
        reader = self._train if training else self._validation
        return reader.states(batch["example"].tolist()).to(batch["input_ids"].device)


def _load_head(folder, manifest):
    from safetensors.torch import load_file

    tensors = load_file(str(Path(folder) / "head.safetensors"))
    return Head(tensors["weight"], tensors.get("bias"), manifest["head"]["scale"], manifest["head"]["softcap"])


class _Reader:
    """Memory-mapped states of one token set."""

    def __init__(self, folder):
        self.folder, self.manifest = Path(folder), read_json(Path(folder) / "manifest.json")
        self.dtype, width = KINDS[self.manifest["kind"]], self.manifest["width"]
        self._verify()
        self._offsets = np.concatenate([[0], np.cumsum(np.load(self.folder / "counts.npy"))])
        self._firsts = np.array([shard["first"] for shard in self.manifest["shards"]])
        self._maps = [
            np.memmap(self.folder / shard["file"], np.int16, "r").reshape(-1, width) if shard["bytes"] else None
            for shard in self.manifest["shards"]
        ]

    def _verify(self):
        total = sum(shard["bytes"] for shard in self.manifest["shards"])
        for shard in self.manifest["shards"]:
            path = self.folder / shard["file"]
            size = path.stat().st_size if path.is_file() else 0
            if shard["bytes"] and size != shard["bytes"]:
                what = f"has {size} bytes in place of {shard['bytes']}"
            elif shard["bytes"] and total <= CHECKED_BYTES and sha256(path) != shard["sha256"]:
                what = "fails its checksum"
            else:
                continue
            raise UserError(f"{path}: this shard of the teacher cache {what}; delete {self.folder} and run again")

    def states(self, rows):
        """States of the given rows, one after the other, [targets, width]."""
        parts = []
        for row in rows:
            if row == FILLER:
                continue
            shard = int(np.searchsorted(self._firsts, row, side="right")) - 1
            base = self._offsets[self._firsts[shard]]
            start, stop = self._offsets[row] - base, self._offsets[row + 1] - base
            if stop > start:
                parts.append(self._maps[shard][start:stop])
        if not parts:
            return torch.empty(0, self.manifest["width"], dtype=self.dtype)
        return torch.from_numpy(np.concatenate(parts)).view(self.dtype)
