"""Tokens per second of the sampler beside transformers' `generate`, on one machine, in turns.

    python tests/bench/bench_generate.py --threads 2 --tasks 4 --n 20 --max_new_tokens 64

The model has DistilGPT-2's shape (82 M, float32) with random weights whose logits are spread like a trained model's;
prompts are HumanEval's, of about the median length. `ends 0`: no sample ends early. `ends p`: a token ends a sample
with probability p, as end tokens and stop strings do; tokens behind a sample's end are not counted for anyone.
Three loops: one `generate` per problem with num_return_sequences (the common loop), `generate` on a batch of mixed
prompts (its best of the given sizes), and ours; a fourth is vLLM, where it is installed (--loops ours vllm). Figures
are of process time (--clock process, for a busy machine) or of wall time.
"""

import copy
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from codestill.kit.files import write_json
from codestill.kit.program import parser

LOOPS = ["ours", "problem", "batch", "vllm"]


def make(shape, ends):
    """A random GPT-2 of the shape; its end token, 0, has probability `ends` wherever the rest is usual."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    sizes = {
        "distilgpt2": {"vocab_size": 50257, "n_embd": 768, "n_layer": 6, "n_head": 12, "n_positions": 1024},
        "demo": {"vocab_size": 2048, "n_embd": 128, "n_layer": 4, "n_head": 4, "n_positions": 512},
    }[shape]
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=0, eos_token_id=0, tie_word_embeddings=False)).eval()
    width = sizes["n_embd"]
    head = model.lm_head.weight.data.normal_(std=4.5 / width**0.5)
    model.lm_head.weight = torch.nn.Parameter(head)
    model.transformer.ln_f.bias.data[0] = 8.0  # a constant feature that carries the end token's logit
    head[:, 0] = 0
    head[0] = 0
    with torch.no_grad():
        logits = model(torch.arange(1, 60)[None]).logits[0, :, 1:]
        level = torch.logsumexp(logits / 0.8, -1).mean() * 0.8
        head[0, 0] = (level + 0.8 * torch.tensor(ends).log()) / 8.0 if ends else -1e4
    return model


class Ids:
    """A stand-in for a tokenizer: texts are not at issue here, ids are."""

    eos_token_id, pad_token_id, all_special_ids, added_tokens_decoder = 0, 0, (0,), {}

    def __init__(self, size):
        self.size = size

    def get_vocab(self):
        return {str(number): number for number in range(self.size)}

    def decode(self, ids, **_):
        return ""


def prompts(count, size, longest, seed=0):
    """Random prompts of the lengths of HumanEval's (median 146 tokens, 5 in 100 over 331), none over `longest`."""
    import random

    draw = random.Random(seed)
    lengths = [min(longest, max(60, int(draw.lognormvariate(4.98, 0.48)))) for _ in range(count)]
    return [[draw.randrange(1, size) for _ in range(length)] for length in lengths]


def ours(model, tasks, args, clock):
    import torch

    from codestill.sampling.engines import LanesEngine
    from codestill.sampling.packed_layers import pack
    from codestill.sampling.settings import Settings

    model = pack(copy.deepcopy(model))
    shape = {"n": args.n, "max_new_tokens": args.max_new_tokens, "batch_size": args.batch_size}
    settings = Settings(**shape)
    engine = LanesEngine(model, Ids(model.config.vocab_size), (), settings, tasks)
    engine.rules.pieces = [b""] * model.config.vocab_size
    tokens = []
    pairs = [(task, index) for task in sorted(tasks, key=lambda task: -len(task.ids)) for index in range(args.n)]
    start = clock()
    with torch.inference_mode():
        engine.draw(pairs, lambda row: tokens.append(row["tokens"]))
    return sum(tokens) / (clock() - start), engine.facts()


def theirs(model, groups, args, clock):
    """`generate` on groups of (prompts, sequences for each), left-padded."""
    import torch

    tokens, start = 0, clock()
    for group, sequences in groups:
        longest = max(map(len, group))
        ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in group])
        mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in group])
        found = model.generate(
            ids, attention_mask=mask, do_sample=True, temperature=0.8, top_p=0.95, top_k=0, pad_token_id=0,
            max_new_tokens=args.max_new_tokens, num_return_sequences=sequences,
        )[:, longest:]  # fmt: skip
        for row in found.tolist():
            tokens += row.index(0) + 1 if 0 in row else len(row)
    return tokens / (clock() - start)


def served(model, tasks, args, clock):
    """vLLM, on a copy of the model in a folder, once it is ready."""
    import torch
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    from codestill.sampling.vllm_requests import VllmRequests

    size = model.config.vocab_size
    words = Tokenizer(models.WordLevel({str(number): number for number in range(size)}, unk_token="0"))
    settings = {"temperature": 0.8, "top_p": 0.95, "max_tokens": args.max_new_tokens, "stop_token_ids": [0]}
    requests = {
        f"{task.name}/{index}": (task.ids, settings | {"seed": index}) for task in tasks for index in range(args.n)
    }
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        PreTrainedTokenizerFast(tokenizer_object=words, eos_token="0").save_pretrained(folder)
        positions = model.config.n_positions
        engine = VllmRequests(folder, torch.device("cpu"), "float32", positions, 2**32, args.batch_size, 0)
        list(engine.complete({"first": next(iter(requests.values()))}))
        start = clock()
        tokens = sum(len(ids) for _, ids in engine.complete(requests))
    return tokens / (clock() - start)


def compared(rates):
    """A row of the table: tokens per second by loop, and our ratios to those that ran."""
    row = {name: round(rate, 1) for name, rate in rates.items()}
    batches = [rate for name, rate in rates.items() if name.startswith("batch")]
    if "ours" in rates and "per problem" in rates:
        row["over_common_loop"] = round(rates["ours"] / rates["per problem"], 2)
    if "ours" in rates and "vllm" in rates:
        row["over_vllm"] = round(rates["ours"] / rates["vllm"], 2)
    if "ours" in rates and batches:
        row["over_best_batch"] = round(rates["ours"] / max(batches), 2)
    return row


def main():
    cli = parser(__doc__)
    cli.add_argument("--shape", choices=["distilgpt2", "demo"], default="distilgpt2")
    cli.add_argument("--tasks", type=int, default=4)
    cli.add_argument("--n", type=int, default=20, help="samples per problem")
    cli.add_argument("--max_new_tokens", type=int, default=64)
    cli.add_argument("--ends", type=float, nargs="+", default=[0.0, 0.02], help="chance of the end at each token")
    cli.add_argument("--batch_size", type=int, default=128, help="of our loop")
    cli.add_argument("--batches", type=int, nargs="+", default=[8, 32], help="tried for generate's best")
    cli.add_argument("--loops", nargs="+", choices=LOOPS, default=LOOPS[:3], help="a long measurement is made in parts")
    cli.add_argument("--threads", type=int, default=2)
    cli.add_argument("--repeats", type=int, default=1)
    cli.add_argument("--clock", choices=["wall", "process"], default="wall")
    cli.add_argument("--output", help="JSON to write")
    args = cli.parse_args()

    import torch
    from transformers.utils import logging

    from codestill.sampling.prompts import Task

    logging.set_verbosity_error()
    torch.set_num_threads(args.threads)
    clock = time.perf_counter if args.clock == "wall" else time.process_time
    table = []
    for ends in args.ends:
        model = make(args.shape, ends)
        room = model.config.n_positions - args.max_new_tokens
        ids = prompts(args.tasks, model.config.vocab_size, min(620, room))
        tasks = [Task(str(number), prompt, args.max_new_tokens) for number, prompt in enumerate(ids)]
        mixed = sorted((prompt for prompt in ids for _ in range(args.n)), key=len)
        loops = {}
        if "problem" in args.loops:
            loops["per problem"] = [([prompt], args.n) for prompt in ids]
        for size in args.batches if "batch" in args.loops else ():
            loops[f"batch {size}"] = [(mixed[i : i + size], 1) for i in range(0, len(mixed), size)]
        rates, facts = {}, None
        for _ in range(args.repeats):
            if "ours" in args.loops:
                rate, facts = ours(model, tasks, args, clock)
                rates.setdefault("ours", []).append(rate)
            if "vllm" in args.loops:
                rates.setdefault("vllm", []).append(served(model, tasks, args, clock))
            for name, groups in loops.items():
                rates.setdefault(name, []).append(theirs(model, groups, args, clock))
        row = {"shape": args.shape, "ends": ends, **compared({name: max(values) for name, values in rates.items()})}
        if facts:
            row["alone"] = facts["exactness"]["decided_alone"]
            row["largest_difference"] = facts["exactness"]["largest_difference"]
        table.append(row)
        print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
    if args.output:
        write_json(args.output, {"threads": args.threads, "clock": args.clock, "n": args.n, "rows": table})


if __name__ == "__main__":
    main()
