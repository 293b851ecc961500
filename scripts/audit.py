"""Audit a teacher before anyone learns from it: has it learned code, with its layout?

    python scripts/audit.py --model results/demo/models/teacher \\
        --functions results/demo/inputs/corpus/validation.jsonl --output results/demo/inputs/audit.json

Measures bits per byte on the functions as they are, with all white space collapsed, and re-indented; the same text
under xz; and how many greedy completions of real prompts parse. It fails (exit code 2, OUTPUT written all the same)
where raw text costs no less than under xz, or more than 0.1 bits per byte above collapsed text: a teacher whose
pretraining erased newlines and indentation must be fine-tuned on raw code first. --audit warn says so and goes on.
"""

import os

from codestill.kit import attempts
from codestill.kit.files import write_json
from codestill.kit.program import UserError, log, parser, run
from codestill.kit.provenance import provenance
from codestill.kit.whole import given
from codestill.study.flags import add_flags
from codestill.study.sections.models import Teacher


def main():
    """The program."""
    arguments = parser(__doc__)
    add = arguments.add_argument
    add("--model", type=given, required=True, help="folder of the teacher")
    add("--functions", type=given, required=True, help="JSON lines of validation functions (prepare_corpus.py)")
    add("--output", required=True, help="JSON file that receives the figures and the judgement")
    add_flags(arguments, Teacher, ["audit"])
    add("--max_functions", type=int, default=200, help="read the first so many functions")
    add("--max_seq_length", type=int, default=512, help="tokens; longer functions are cut")
    add("--samples", type=int, default=32, help="greedy completions")
    add("--max_new_tokens", type=int, default=96, help="tokens of a completion")
    add("--device", choices=["auto", "cpu", "cuda"], default="auto", help="auto takes CUDA if any")
    add("--threads", type=int, default=os.cpu_count(), help="CPU threads of torch")
    options = arguments.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")

    import itertools

    import torch

    from codestill.data.text import read_texts
    from codestill.measure.audit import judgement, measure
    from codestill.models.loading import device_of, load_model
    from codestill.models.tokenizers import load_tokenizer

    torch.set_num_threads(options.threads)
    device = device_of(options.device)
    texts = list(itertools.islice(filter(None, read_texts(options.functions)), options.max_functions))
    if not texts:
        raise UserError(f"{options.functions}: no functions; give a validation split that has some")
    model = load_model(options.model, quantised=True).to(device).eval()
    longest = min(options.max_seq_length, getattr(model.config, "max_position_embeddings", None) or 2**31)
    figures = measure(
        model, load_tokenizer(options.model), texts, longest, device, options.samples, options.max_new_tokens
    )
    wrong = judgement(figures)
    write_json(options.output, {"passed": not wrong, "wrong": wrong, **figures, "provenance": provenance()})
    bits = ", ".join(f"{name} {value:.3f}" for name, value in figures["bits_per_byte"].items())
    log(f"bits per byte: {bits}; xz {figures['xz']:.3f}; greedy completions that parse: {figures['greedy']['rate']}")
    if wrong and options.audit == "stop":
        remedy = "fine-tune it longer (scripts/teach.py), or --audit warn"
        raise UserError(f"{options.model}: {'; '.join(wrong)}; {remedy}", attempts.PREFLIGHT)
    log("; ".join(wrong) or "the teacher may teach")


if __name__ == "__main__":
    run(main)
