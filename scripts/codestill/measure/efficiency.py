"""What a model costs: parameters, bytes on disk, latency of one sequence, tokens per second in batches, peak memory.

Every figure is a median of a few repeats after a warm-up; repeats end when their time is spent. The sampler's own
lanes are timed (no end token, no stop strings), so that the figures are those of a study's generation.
"""

import functools
import resource
import statistics
import sys
import time

import numpy as np
import torch

from codestill.kit.program import UserError, progress
from codestill.models.weights import weight_files
from codestill.sampling.kv_cache import Lanes
from codestill.sampling.packed_layers import pack
from codestill.sampling.prompts import positions_of
from codestill.statistics.confidence_intervals import median_interval

PROMPT, NEW = 64, 32  # tokens of the timed prompt, and written after it
REPEATS = 25


def measure(model, folder, batch_sizes=(1, 8, 32), seconds=1.5):
    """The measures of a loaded `model` whose files are in `folder`, as a dict; its layers are packed for it.

    seconds: spent on each timing.
    """
    limit = positions_of(model.config)
    prompt = PROMPT if limit is None else min(PROMPT, limit // 2)
    new = NEW if limit is None else min(NEW, limit - prompt)
    if prompt < 1 or new < 2:
        raise UserError(f"{folder}: {limit} positions are too few to time it")
    found = {
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "bytes_on_disk": weights_on_disk(folder),
    }
    device = next(model.parameters()).device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    columns = model.get_output_embeddings().weight.shape[0]
    lanes = Lanes(pack(model), columns)
    timings, spread, found["intervals"] = {}, {}, {}
    with torch.inference_mode(), progress(batch_sizes, desc="efficiency", unit="batch size") as bar:
        for batch in bar:
            lanes.allocate(batch, prompt + new)
            runs = _repeat(functools.partial(_run, lanes, batch, prompt, new, device), seconds)
            timings[batch] = [statistics.median(column) for column in zip(*runs, strict=True)]
            spread[batch] = [run[1] for run in runs]
            slow, fast = (batch / step for step in reversed(median_interval(spread[batch])))
            found["intervals"][f"tokens_per_second_{batch}"] = [slow, fast]
            if batch == 1:
                whole = [1e3 * (first + (new - 1) * step) for first, step in runs]
                found["intervals"]["latency_ms"] = median_interval(whole)
    first, step = timings[batch_sizes[0]]
    if batch_sizes[0] == 1:
        found["latency_ms_first_token"] = 1e3 * first
        found["latency_ms_per_token"] = 1e3 * step
        found["latency_ms"] = 1e3 * (first + (new - 1) * step)
    for batch in batch_sizes:
        found[f"tokens_per_second_{batch}"] = batch / timings[batch][1]
    found["peak_memory_bytes"] = peak_memory(device)
    found["device"] = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    found["threads"] = torch.get_num_threads()
    found["dtype"] = str(model.dtype).removeprefix("torch.")
    found["prompt_tokens"], found["new_tokens"] = prompt, new
    found["repeats"] = {str(batch): len(runs) for batch, runs in spread.items()}
    found["fastest_over_median"] = {str(batch): min(runs) / statistics.median(runs) for batch, runs in spread.items()}
    return found


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


def _repeat(run, seconds):
    """Results of up to REPEATS runs behind a warm-up; fewer (but two) where they take longer than `seconds`."""
    run()
    begin = time.perf_counter()
    results = []
    while len(results) < 2 or (len(results) < REPEATS and time.perf_counter() - begin < seconds):
        results.append(run())
    return results


def weights_on_disk(folder):
    """Bytes of the weight files of a model folder. Raises UserError where there is none."""
    return sum(path.stat().st_size for path in weight_files(folder))


def peak_memory(device):
    """Bytes: on CUDA the most that was allocated there, else the largest size that this process has had."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def measure_folder(folder, batch_sizes=(1, 8, 32), seconds=1.5, device="auto", dtype=torch.float32):
    """`measure` for a model folder."""
    from codestill.models.loading import device_of, load_model

    model = load_model(folder).eval().requires_grad_(False).to(device_of(device), dtype)
    return measure(model, folder, batch_sizes, seconds)
