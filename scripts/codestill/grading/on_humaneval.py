"""HumanEval on one model: samples and their grades in a folder, in one process but for the sandbox's."""

from pathlib import Path
from types import SimpleNamespace

from codestill.data.benchmarks import load
from codestill.grading.grade_samples import grade_samples
from codestill.kit.files import write_jsonl
from codestill.kit.program import log
from codestill.sampling.sampler import LoadedModel, sample
from codestill.sampling.settings import Settings

KS = (1, 10, 20, 100)


def evaluate_on_humaneval(model, folder, work_dir, n=20, max_new_tokens=256, device="auto", threads=0):
    """Write folder/{problems, samples, verdicts}.jsonl, protocol.json and results.json; returns the results.

    `n` samples of each problem by the config's defaults of `generation`.
    """
    folder = Path(folder)
    rows = load(SimpleNamespace(kind="humaneval", path=None))
    files = {name: str(folder / f"{name}.jsonl") for name in ("problems", "samples", "verdicts")}
    write_jsonl(files["problems"], rows)
    log(f"HumanEval: {n} samples a problem into {folder}")
    settings = Settings(model_dir=str(model), n=n, max_new_tokens=max_new_tokens, device=device, threads=threads)
    protocol = str(folder / "protocol.json")
    sample(LoadedModel(settings), settings, files["problems"], files["samples"], protocol, Path(work_dir) / "humaneval")
    scores, _ = grade_samples(
        files["problems"],
        files["samples"],
        files["verdicts"],
        str(folder / "results.json"),
        [k for k in KS if k <= n],
        protocol=protocol,
        workers=max(1, threads),
    )
    return scores
