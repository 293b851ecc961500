"""Whether a training reads the teacher's stored states or runs the teacher: decided once per run and recorded."""

import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from codestill.distill import teacher_cache
from codestill.distill.checkpoints import decide
from codestill.distill.teacher import load_teacher
from codestill.kit.lease import lease
from codestill.kit.program import log
from codestill.models.loading import load_config
from codestill.models.weights import model_identity

WORTH_SECONDS = 60.0  # a cache of one run's own is made only where it saves more than this


def choose_teacher(run):
    """(teacher, facts for the provenance) of a `codestill.distill.training` run whose objective needs one."""
    options = run.options
    device = torch.device("cpu") if options.teacher_device == "cpu" else run.device
    plan = _Plan(run, device)
    way = run.agree(lambda: decide(options.work_dir, "teacher_pass", plan.way))
    facts = {"path": run.job.teacher_path, "pass": way["pass"], "reason": way["reason"], "device": str(device)}
    log(f"teacher: {way['pass']} ({way['reason']})")
    if way["pass"] == "online":
        packed = run.train_data.packed or run.validation_data.packed
        teacher = load_teacher(run.job.teacher_path, run.head.columns, device, run.dtype, packed)
    else:
        run.agree(plan.ensure)
        teacher = teacher_cache.CachedTeacher(*plan.staged(options.stage_cache_in), run.head.columns, run.dtype)
        facts |= {"cache": {key: teacher.manifest[key] for key in ("kind", "model", "tokens", "kl_error")}}
    return teacher, facts | {"columns": teacher.head.columns}


class _Plan:
    """The two caches of a run, and what they and the teacher would cost."""

    def __init__(self, run, device):
        self.run, self.device = run, device
        self.root = Path(run.options.teacher_cache or Path(run.options.work_dir) / "teacher_cache")
        self.data = (run.train_data, run.validation_data)
        self._folders = None

    @property
    def folders(self):
        """Where the caches of training and validation data lie."""
        if self._folders is None:
            sha = self.run.facts["teacher"]
            self._folders = [
                teacher_cache.cache_folder(self.root, sha, data, self.run.options.cache_dtype) for data in self.data
            ]
        return self._folders

    def complete(self):
        """Whether both caches are there."""
        return all(teacher_cache.is_complete(f, len(d)) for f, d in zip(self.folders, self.data, strict=True))

    def way(self):
        """{pass, reason}: what the flag says, or for auto the cheaper by measured speed."""
        wanted = self.run.options.teacher_pass
        if wanted != "auto":
            return {"pass": wanted, "reason": "as asked"}
        passes = self.run.options.epochs
        targets = self.data[0].all_targets()
        if self.complete():
            running, reading = targets * passes * self.second_per_token(), self._bytes() * passes / self.bandwidth()
            better = "cache" if reading < running else "online"
            return {"pass": better, "reason": f"reading takes about {reading:.3g} s, running {running:.3g} s"}
        saved = targets * (passes - 1) * self.second_per_token() - self._bytes() * passes / self.bandwidth()
        room = shutil.disk_usage(self._existing(self.root)).free > 2 * self._bytes()
        if saved > WORTH_SECONDS and room:
            return {"pass": "cache", "reason": f"a cache saves about {saved:.3g} s"}
        return {"pass": "online", "reason": f"a cache of this run's own would save {max(saved, 0):.2g} s"}

    def _bytes(self):
        config = load_config(self.run.job.teacher_path)
        return teacher_cache.estimated_bytes(self.data[0], config.get_text_config().hidden_size)

    @staticmethod
    def _existing(folder):
        while not folder.exists():
            folder = folder.parent
        return folder

    def second_per_token(self):
        """Cost model: 2 operations per weight of the body and token, at the speed of a matrix product here."""
        size, device = 512, self.device
        left = torch.randn(size, size, device=device)
        left @ left
        start, count = time.perf_counter(), 0
        while time.perf_counter() - start < 0.05:
            (left @ left)[0, 0].item()
            count += 1
        speed = 2 * size**3 * count / (time.perf_counter() - start)
        return 2 * self._body_size() / speed

    def _body_size(self):
        """Weights of the teacher that every token passes: all but its embeddings, from the sizes of its files."""
        config = load_config(self.run.job.teacher_path).get_text_config()
        total = sum(path.stat().st_size for path in Path(self.run.job.teacher_path).glob("*.safetensors")) / 4
        return max(total - config.vocab_size * config.hidden_size, 1.0)

    def bandwidth(self):
        """Bytes a second that scattered reads of the cache get; of a file written for the purpose where none is."""
        shards = sorted(self.folders[0].glob("states-*.bin"))
        if shards and shards[0].stat().st_size:
            return _read_speed(shards[0])
        self.root.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.root) as probe:
            probe.write(np.random.default_rng(0).bytes(2**24))
            probe.flush()
            return _read_speed(Path(probe.name))

    def ensure(self):
        """Make what is missing of the caches; one process at a time."""
        if self.complete():
            return
        self.root.mkdir(parents=True, exist_ok=True)
        with lease(self.root):
            make_caches(
                self.run.job.teacher_path,
                self.data,
                self.root,
                self.device,
                self.run.options.cache_dtype,
                self.run.options.eval_batch_size,
            )

    def staged(self, folder):
        """The caches' folders, copied first to a node-local folder where one is named."""
        if not folder:
            return self.folders
        self._stage = tempfile.TemporaryDirectory(dir=folder, prefix="teacher-cache-")
        self.run.on_exit(self._stage.cleanup)
        log(f"copying the teacher cache to {self._stage.name}")
        return [shutil.copytree(path, Path(self._stage.name) / path.name) for path in self.folders]


def _read_speed(path, reads=64, size=2**18):
    data = np.memmap(path, np.uint8, "r")
    size = min(size, len(data))
    starts = np.random.default_rng(0).integers(0, len(data) - size + 1, reads)
    begun = time.perf_counter()
    for start in starts:
        data[start : start + size].sum()
    return reads * size / (time.perf_counter() - begun)


def make_caches(teacher_path, data, root, device, kind, batch_size):
    """Make each missing cache of the token sets `data` under `root`, with one load of the teacher."""
    sha, teacher = model_identity(teacher_path), None
    folders = []
    for examples in data:
        folder = teacher_cache.cache_folder(root, sha, examples, kind)
        folders.append(folder)
        if teacher_cache.is_complete(folder, len(examples)):
            log(f"{folder}: complete already")
            continue
        if teacher is None:
            teacher = load_teacher(teacher_path, 2**62, device, torch.float32, any(one.packed for one in data))
        teacher_cache.build(folder, teacher, examples, sha, kind, batch_size)
    return folders
