"""HumanEval on a freshly trained student: samples and their grades beside the model."""

from pathlib import Path

from codestill.distill.sources import call
from codestill.kit.program import log


def evaluate_on_humaneval(options):
    """Write OUTPUT_DIR/humaneval_results/{samples.jsonl, verdicts.jsonl, results.json} for distill.py's flags."""
    folder = Path(options.output_dir) / "humaneval_results"
    folder.mkdir(parents=True, exist_ok=True)
    problems, samples = folder / "problems.jsonl", folder / "samples.jsonl"
    log(f"HumanEval: {options.humaneval_samples} samples a problem into {folder}")
    call("download", "benchmark", "--kind", "humaneval", "--output", problems, "--manifest", folder / "problems.json")
    generate = ["--model", options.output_dir, "--benchmark", problems, "--output", samples]
    generate += ["--protocol", folder / "protocol.json", "--work_dir", Path(options.work_dir) / "humaneval"]
    generate += ["--n", options.humaneval_samples, "--device", options.device, "--threads", options.threads]
    generate += ["--max_new_tokens", options.humaneval_max_new_tokens]
    call("generate", *generate)
    ks = [k for k in (1, 10, 20, 100) if k <= options.humaneval_samples]
    call(
        "grade",
        *("--benchmark", problems, "--samples", samples, "--verdicts", folder / "verdicts.jsonl"),
        *(
            "--protocol",
            folder / "protocol.json",
            "--scores",
            folder / "results.json",
            "--k",
            *ks,
            "--workers",
            max(1, options.threads),
        ),
    )
