"""What models cost: parameters, bytes on disk, latency of one sequence, tokens per second in batches, memory.

All models of a study are timed in one process, in turns: whatever else the machine does meets each of them alike.
Timing behind a warm-up goes on until each median is known to within STABLE, or its time is spent; what did not become
stable by then is marked `busy`. Models of one architecture are timed once and share the figures. The sampler's own
lanes are timed (no end token, no stop strings), so that the figures are those of a study's generation.
"""

import json
import statistics
import time
from pathlib import Path

import numpy as np
import torch

from codestill.kit.program import UserError, progress
from codestill.models.weights import weights_on_disk
from codestill.sampling.kv_cache import Lanes
from codestill.sampling.packed_layers import pack
from codestill.sampling.prompts import positions_of
from codestill.statistics.confidence_intervals import median_interval

PROMPT, NEW = 64, 32  # tokens of the timed prompt, and written after it
LEAST, MOST = 6, 60  # turns of each model at a batch size; of six, the interval is the whole range
STABLE = 0.05  # half width of the median's 95 % interval, as a share of the median


class TimedModel:
    """A model being timed: its lanes, and its runs by batch size: seconds to the first token, and to each other."""

    def __init__(self, model, folder):
        self.folder, self.device = folder, next(model.parameters()).device
        limit = positions_of(model.config)
        self.prompt = PROMPT if limit is None else min(PROMPT, limit // 2)
        self.new = NEW if limit is None else min(NEW, limit - self.prompt)
        if self.prompt < 1 or self.new < 2:
            raise UserError(f"{folder}: {limit} positions are too few to time it")
        self.parameters = model.num_parameters()  # of a quantised one, too, whose weights are packed
        self.weights = bytes_of([*model.parameters(), *model.buffers()])
        self.dtype = str(model.dtype).removeprefix("torch.")
        columns = model.get_output_embeddings().weight.shape[0]
        self.lanes = Lanes(pack(model), columns)
        self.runs, self.memory = {}, {}

    def start(self, batch):
        """Make room for a batch size and warm up; its runs begin anew."""
        self.lanes.allocate(batch, self.prompt + self.new)
        layers = self.lanes.cache.layers
        self.memory[batch] = self.weights + bytes_of([one for layer in layers for one in (layer.keys, layer.values)])
        self.turn(batch)
        self.runs[batch] = []

    def stop(self):
        """Give the room for a batch back, so that models timed in turns need one cache each at a time."""
        self.lanes.cache = None

    def turn(self, batch):
        """One more run of `batch` sequences."""
        self.runs.setdefault(batch, []).append(_run(self.lanes, batch, self.prompt, self.new, self.device))

    def stable(self, batch):
        """Whether the median of the steps' times is known well enough."""
        steps = [step for _, step in self.runs[batch]]
        low, high = median_interval(steps)
        return len(steps) >= LEAST and (high - low) / 2 <= STABLE * statistics.median(steps)

    def figures(self):
        """The measures, as a dict."""
        found = {"parameters": self.parameters, "bytes_on_disk": weights_on_disk(self.folder), "intervals": {}}
        for batch, runs in self.runs.items():
            steps, name = [step for _, step in runs], f"tokens_per_second_{batch}"
            found[name] = batch / statistics.median(steps)
            found["intervals"][name] = [batch / step for step in reversed(median_interval(steps))]
            if batch == 1:
                whole = [1e3 * (first + (self.new - 1) * step) for first, step in runs]
                found["latency_ms"], found["intervals"]["latency_ms"] = statistics.median(whole), median_interval(whole)
                found["latency_ms_first_token"] = 1e3 * statistics.median(first for first, _ in runs)
                found["latency_ms_per_token"] = 1e3 * statistics.median(steps)
        smallest = min(self.memory)
        found["memory_bytes"] = self.memory[smallest]
        found |= {f"memory_bytes_{batch}": size for batch, size in self.memory.items() if batch != smallest}
        found["busy"] = {str(batch): not self.stable(batch) for batch in self.runs}
        found["repeats"] = {str(batch): len(runs) for batch, runs in self.runs.items()}
        found["device"] = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "cpu"
        found["threads"], found["dtype"] = torch.get_num_threads(), self.dtype
        return found | {"prompt_tokens": self.prompt, "new_tokens": self.new}


def measure(models, batch_sizes=(1, 8, 32), seconds=10.0):
    """Time the TimedModels in turns; returns the figures of each. seconds: at most, for each model and batch size."""
    with torch.inference_mode(), progress(batch_sizes, desc="efficiency", unit="batch size") as bar:
        for batch in bar:
            for one in models:
                one.start(batch)
            begin = time.perf_counter()
            for number in range(MOST):
                for shift in range(len(models)):  # each goes first in turn
                    models[(number + shift) % len(models)].turn(batch)
                spent = time.perf_counter() - begin > seconds * len(models)
                if number + 1 >= LEAST and (spent or all(one.stable(batch) for one in models)):
                    break
            for one in models:
                one.stop()
    return [one.figures() for one in models]


def _run(lanes, batch, prompt, new, device):
    """(seconds to the first token, seconds per further step) of `batch` sequences."""
    ids = [number % lanes.columns for number in range(prompt)]
    start = _now(device)
    state = lanes.prefill(ids)
    token = int(state.logits.argmax())
    first = _now(device) - start
    for lane in range(batch):
        lanes.admit(lane, state)
    tokens, positions = np.full(batch, token), np.full(batch, prompt)
    start = _now(device)
    for _ in range(new - 1):
        tokens = lanes.step(tokens, positions).argmax(-1).cpu().numpy()
        positions = positions + 1
    return first, (_now(device) - start) / (new - 1)


def _now(device):
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def bytes_of(tensors):
    """Bytes of memory behind tensors, each piece of memory once."""
    held = {one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in tensors}
    return sum(held.values())


def architecture(folder):
    """What two models must share to share their figures: their config but for its history, and their files' size."""
    config = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
    told = {name: value for name, value in config.items() if name not in ("_name_or_path", "transformers_version")}
    return json.dumps([told, weights_on_disk(folder)], sort_keys=True)


def measure_folders(folders, batch_sizes=(1, 8, 32), seconds=10.0, device="auto", dtype=torch.float32):
    """The figures of each of the model folders, measured side by side; one of each architecture is timed."""
    from codestill.models.loading import device_of, load_model, place

    kinds = [architecture(folder) for folder in folders]
    timed = {}
    for kind, folder in zip(kinds, folders, strict=True):
        if kind not in timed:
            model = place(load_model(folder, quantised=True).requires_grad_(False), device_of(device), dtype)
            timed[kind] = TimedModel(model, folder)
    figures = dict(zip(timed, measure(list(timed.values()), batch_sizes, seconds), strict=True))
    return [figures[kind] for kind in kinds]
