"""What a distillation step costs, as ratios measured in one run: time and peak memory of several ways to do it.

    python tests/bench/bench_distill.py --shape study --threads 2 --steps 3

Each way runs in a process of its own on the same random models and tokens: plain fine-tuning with our chunked loss
(the unit), ours with the teacher run online and with its states cached, plain fine-tuning and distillation with full
logits (what the original study did), and, where they are installed (pip install -r requirements-bench.txt), TRL's
chunked divergence and Liger's fused JSD on cached states. Ours use models as we load them, the others as transformers
does. Prints a Markdown table with the machine's description. `--shape study` is an 82 M student and a 124 M teacher, a
vocabulary of 50,001 and 3,072 tokens a step; `small` is for a quick look.
Last, steps on the student's own text (on_policy) beside steps on the corpus with stored states, in turns in one
process: the demo's models and functions, a row of 256 tokens a step, its functions completed by at most 64 new tokens
each. Random models write all 64 of them; those that have learnt end their functions, as in a real training.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

SHAPES = {
    "study": {"vocabulary": 50_001, "student": (6, 768, 12), "teacher": (12, 768, 12), "rows": 6, "length": 512},
    "small": {"vocabulary": 8_000, "student": (2, 128, 4), "teacher": (4, 192, 4), "rows": 4, "length": 128},
}
WAYS = {
    "plain": "plain fine-tuning, chunked",
    "cache": "ours, teacher's states cached",
    "online": "ours, teacher online",
    "plain_full": "plain fine-tuning, full logits",
    "naive": "the original study's loss, full logits",
    "trl": "TRL's chunked divergence, states cached",
    "liger": "Liger's fused JSD, states cached",
}
OURS = ("plain", "cache", "online")  # with models as we load them
LOSSES = ("plain", "cache", "naive")  # of these the loss alone is measured too: on given states, without a body
TEMPERATURE, ALPHA = 2.0, 0.5


def build(layers, width, heads, vocabulary, seed):
    """A random GPT-2 of the given shape."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(seed)
    shape = {"n_layer": layers, "n_embd": width, "n_head": heads, "n_positions": 1024, "vocab_size": vocabulary}
    return AutoModelForCausalLM.from_config(AutoConfig.for_model("gpt2", bos_token_id=0, eos_token_id=0, **shape))


def batch_of(shape, device):
    """One padded batch without padding: random ids, all but the first of each row a target."""
    import torch

    torch.manual_seed(0)
    ids = torch.randint(shape["vocabulary"], (shape["rows"], shape["length"]), device=device)
    labels = ids.clone()
    labels[:, 0] = -100
    positions = torch.arange(shape["length"], device=device).expand_as(ids)
    return {"input_ids": ids, "position_ids": positions, "labels": labels}


class StoredStates:
    """The teacher as its cache: states in half precision and the head; the body is gone."""

    def __init__(self, teacher, batch):
        self._head = teacher.head_on(batch["input_ids"].device)
        self._states = teacher.hidden(batch).half()

    def head_on(self, device):
        return self._head

    def hidden(self, batch, training=True):
        return self._states


def random_states(shape, device):
    """A StoredStates without a teacher to load: what a cache gives a training."""
    import torch

    from codestill.models.heads import Head

    stored = StoredStates.__new__(StoredStates)
    width = shape["teacher"][1]
    stored._head = Head(torch.randn(shape["vocabulary"], width, device=device) * 0.02)
    stored._states = torch.randn(shape["rows"] * (shape["length"] - 1), width, device=device).half()
    return stored


def make_loss(way, shape, student, batch, device):
    """A function that returns the loss of one step of `way`."""
    import torch

    from codestill.distill.objective import PLAIN, Objective
    from codestill.distill.teacher import OnlineTeacher
    from codestill.distill.trainer import student_forward

    count = shape["rows"] * (shape["length"] - 1)
    if way == "plain":
        return lambda: student_forward(student, batch, count, PLAIN, None, torch.float32)[0]
    if way in ("online", "naive"):
        teacher = build(*shape["teacher"], shape["vocabulary"], 2).to(device).eval()
    if way in ("cache", "online"):
        taught = random_states(shape, device) if way == "cache" else OnlineTeacher(teacher, shape["vocabulary"], device)
        objective = Objective(TEMPERATURE, ALPHA)
        return lambda: student_forward(student, batch, count, objective, taught, torch.float32)[0]
    if way == "plain_full":
        return lambda: student(**batch, use_cache=False).loss
    if way == "naive":
        return lambda: naive_loss(student(**batch, use_cache=False), teacher, batch)
    return library_loss(way, shape, student, batch, device)


def naive_loss(output, teacher, batch):
    """Cross-entropy plus a KL divergence divided by the rows only, both on full logits with nothing masked."""
    import torch
    from torch.nn import functional

    with torch.no_grad():
        logits = teacher(input_ids=batch["input_ids"], use_cache=False).logits
    soft = functional.kl_div(
        functional.log_softmax(output.logits / TEMPERATURE, -1),
        functional.softmax(logits / TEMPERATURE, -1),
        reduction="batchmean",
    )
    return ALPHA * output.loss + (1 - ALPHA) * soft * TEMPERATURE**2


def library_loss(way, shape, student, batch, device):
    """The loss of another library on the student's states and the teacher's, float32."""
    stored = random_states(shape, device)
    teacher_states = stored.hidden(batch).float().view(shape["rows"], shape["length"] - 1, -1)
    weights = student.get_output_embeddings().weight, stored.head_on(device).weight
    labels = batch["labels"][:, 1:]

    def states():
        hidden = student.base_model(
            input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False
        ).last_hidden_state
        return hidden[:, :-1]

    if way == "trl":
        from trl.trainer.distillation_trainer import _chunked_divergence_loss

        return lambda: _chunked_divergence_loss(states(), teacher_states, *weights, labels != -100, 0.0)[0]
    from liger_kernel.chunked_loss import LigerFusedLinearJSDLoss

    fused = LigerFusedLinearJSDLoss(temperature=TEMPERATURE, compiled=device.type == "cuda")
    flat = teacher_states.flatten(0, 1)
    return lambda: fused(states().flatten(0, 1), weights[0], flat, weights[1], labels.flatten())


def alone(way, shape, device):
    """A function that computes loss and gradients of `way` from given states: no body, no optimiser."""
    import torch
    from torch.nn import functional

    from codestill.distill.objective import PLAIN, Objective, distillation_loss
    from codestill.models.heads import Head

    width, rows = shape["student"][1], shape["rows"] * (shape["length"] - 1)
    hidden = torch.randn(rows, width, device=device, requires_grad=True)
    weight = (torch.randn(shape["vocabulary"], width, device=device) * 0.02).requires_grad_()
    targets = torch.randint(shape["vocabulary"], (rows,), device=device)
    stored = random_states(shape, device)

    def chunked():
        taught = () if way == "plain" else (stored.hidden(None), stored.head_on(device))
        objective = PLAIN if way == "plain" else Objective(TEMPERATURE, ALPHA)
        return distillation_loss(hidden, targets, Head(weight), objective, rows, *taught).loss

    def naive():
        logits = hidden @ weight.T
        teacher = stored.hidden(None).float() @ stored.head_on(device).weight.T
        log_q, p = functional.log_softmax(logits / TEMPERATURE, -1), functional.softmax(teacher / TEMPERATURE, -1)
        soft = functional.kl_div(log_q, p, reduction="batchmean") * TEMPERATURE**2
        return ALPHA * functional.cross_entropy(logits, targets) + (1 - ALPHA) * soft

    return naive if way == "naive" else chunked


OWN_LENGTH, OWN_TOKENS, OWN_REFRESH = 256, 64, (1, 8, 16)
OWN_LEARNT = (0, 400)  # steps on the corpus that both models have made before


def demo():
    """(student, teacher, tokenizer, batches of one row): the demo's shapes and its functions, random weights."""
    import torch
    from datasets import Dataset
    from pyarrow import Table
    from transformers import AutoConfig, AutoModelForCausalLM

    from codestill.data.batches import Examples, batches
    from codestill.data.encoding import TextEncoder
    from codestill.data.packing import columns_of, rows_of
    from codestill.data.pocket import training_functions
    from codestill.data.text import function_text
    from codestill.data.token_file import batch_of
    from codestill.models.tokenizers import train_tokenizer

    texts = [function_text(row) for row in training_functions(400)]
    tokenizer = train_tokenizer(texts, 1024)
    functions = TextEncoder(tokenizer, OWN_LENGTH).encode(texts)
    rows = columns_of(functions, rows_of(functions.lengths, "packed", OWN_LENGTH))
    rows = Dataset(Table.from_batches([batch_of(rows)]))
    shape = {"hidden_size": 192, "intermediate_size": 512, "num_attention_heads": 6, "max_position_embeddings": 768}
    shape |= {"vocab_size": len(tokenizer), "tie_word_embeddings": True}
    torch.manual_seed(1)
    made = [
        AutoModelForCausalLM.from_config(AutoConfig.for_model("llama", num_hidden_layers=layers, **shape)).eval()
        for layers in (1, 2)
    ]
    return *made, tokenizer, list(batches(Examples(rows), 1))


def own_text(options):
    """Seconds of the processor for steps on the corpus and on own text, in turns, and for its writing, as JSON."""
    import torch

    from codestill.distill.objective import PLAIN, Objective
    from codestill.distill.on_policy import OwnText, StudentWriter
    from codestill.distill.teacher import OnlineTeacher
    from codestill.distill.trainer import student_forward

    torch.set_num_threads(options.threads)
    student, teacher, tokenizer, corpus = demo()
    mixed = Objective(TEMPERATURE, ALPHA)

    def stepper(model, objective):
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)

        def step(batch, taught):
            begun = time.process_time()
            count = int((batch["labels"][:, 1:] != -100).sum())
            model.train()
            student_forward(model, batch, count, objective, taught, torch.float32)[0].backward()
            optimizer.step()
            optimizer.zero_grad()
            return time.process_time() - begun

        return step

    steps, corpus_steps, found = max(OWN_REFRESH) * options.steps, [], []
    for learnt in OWN_LEARNT:
        for model in (student, teacher):
            learn = stepper(model.requires_grad_(True), PLAIN)
            for number in range(learnt):
                learn(corpus[number % len(corpus)], None)
        taught = OnlineTeacher(teacher, len(tokenizer))
        stored = [StoredStates(taught, batch) for batch in corpus]
        writer = StudentWriter(student, tokenizer, len(tokenizer), 768, OWN_TOKENS, 0)
        step = stepper(student, mixed)
        for refresh in OWN_REFRESH:
            own, source, times, tokens = OwnText(writer, 1.0, refresh, 1, len(corpus)), iter(corpus), [], 0
            for number in range(steps):
                begun = time.process_time()
                batch = own.batches(source, 1, number, steps)[0]
                written = time.process_time() - begun
                times.append((written + step(batch, taught), written))
                tokens += int((batch["labels"] != -100).sum())
                corpus_steps.append(step(corpus[number], stored[number]))
            found.append({"learnt": learnt, "refresh": refresh, "tokens": tokens / steps, "times": times})
    print(json.dumps({"corpus": corpus_steps, "own": found}))


def own_text_table(options):
    """Steps on the student's own text as multiples of a step on the corpus."""
    command = [sys.executable, __file__, "--own_text", "--steps", str(options.steps), "--threads", "1"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    found = json.loads(done.stdout.strip().splitlines()[-1])
    corpus = statistics.fmean(found["corpus"])
    print(f"\nThe demo's shapes, one thread, mean processor time: a step on a row of the corpus, states stored, takes "
          f"{1000 * corpus:.1f} ms\n")  # fmt: skip
    print("| steps learnt before | refresh | new tokens a step | ms a step | of it writing | to a corpus step |")
    print("|---|---|---|---|---|---|")
    for row in found["own"]:
        whole, written = (statistics.fmean(one[part] for one in row["times"]) for part in (0, 1))
        print(f"| {row['learnt']} | {row['refresh']} | {row['tokens']:.0f} | {1000 * whole:.1f} "
              f"| {100 * written / whole:.0f} % | {whole / corpus:.2f} |")  # fmt: skip


def resident(device):
    """(bytes now, largest so far) of the process, or of the device's allocator."""
    if device.type == "cuda":
        import torch

        return torch.cuda.memory_allocated(), torch.cuda.max_memory_allocated()
    import psutil

    return psutil.Process().memory_info().rss, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(options):
    """Time and memory of one way, as JSON on standard output."""
    import torch

    from codestill.models.loading import fuse_activations

    torch.set_num_threads(options.threads)
    shape, device = SHAPES[options.shape], torch.device(options.device)
    if options.alone:
        step = alone(options.way, shape, device)
        optimizer = None
    else:
        student = build(*shape["student"], shape["vocabulary"], 1).to(device).train()
        if options.way in OURS:
            fuse_activations(student)
        optimizer = torch.optim.AdamW(student.parameters(), lr=1e-4, fused=True)
        step = make_loss(options.way, shape, student, batch_of(shape, device), device)
    before, seconds = resident(device)[0], []
    for _ in range(options.steps + 1):
        begun = time.perf_counter()
        loss = step()
        loss.backward()
        if optimizer:
            optimizer.step()
            optimizer.zero_grad()
        value = loss.item()
        seconds.append(time.perf_counter() - begun)
        del loss
    peak = resident(device)[1]
    print(json.dumps({"seconds": seconds[1:], "peak": peak, "rise": peak - before, "loss": value}))


def call(options, way, alone=False):
    """The figures of one way measured in a process of its own, or None with the reason."""
    command = [sys.executable, __file__, "--way", way, "--shape", options.shape, "--steps", str(options.steps)]
    command += ["--threads", str(options.threads), "--device", options.device, *(["--alone"] if alone else [])]
    # Memory freed by one array must not be kept for the next: the peak would be the allocator's, not the method's.
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads), "MALLOC_MMAP_THRESHOLD_": "1048576"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        return None, done.stderr.strip().splitlines()[-1][:100]
    return json.loads(done.stdout.strip().splitlines()[-1]), None


def table(options):
    """All ways, rounds of them interleaved so that a busy machine disturbs each alike."""
    import torch

    name = torch.cuda.get_device_name() if options.device == "cuda" else platform.processor() or platform.machine()
    print(f"{name}, {options.threads} threads, torch {torch.__version__}, float32, shape {options.shape}, "
          f"{options.rounds} rounds of {options.steps} steps, medians\n")  # fmt: skip
    found, missing = {}, {}
    for _ in range(options.rounds):
        for way in WAYS:
            figures, reason = call(options, way)
            if figures:
                found.setdefault(way, []).append(figures)
            else:
                missing[way] = reason
    time_of = {way: statistics.median(s for one in many for s in one["seconds"]) for way, many in found.items()}
    peak_of = {way: statistics.median(one["peak"] for one in many) for way, many in found.items()}
    print("| way | s a step | time, ratio | peak, GiB | peak, ratio |\n|---|---|---|---|---|")
    for way, label in WAYS.items():
        if way in found:
            ratios = time_of[way] / time_of["plain"], peak_of[way] / peak_of["plain"]
            print(f"| {label} | {time_of[way]:.3g} | {ratios[0]:.2f} | {peak_of[way] / 2**30:.2f} | {ratios[1]:.2f} |")
        else:
            print(f"| {label} | not measured: {missing[way]} | | | |")
    if "naive" in found:
        print(f"\nPeak of ours (cached) to the original study's: {peak_of['cache'] / peak_of['naive']:.2f}.")
    print("\n| loss alone, on given states | s | peak above inputs, GiB | to the original study's |\n|---|---|---|---|")
    rises = {way: call(options, way, alone=True)[0] for way in LOSSES}
    for way in LOSSES:
        rise, seconds = rises[way]["rise"], statistics.median(rises[way]["seconds"])
        print(f"| {WAYS[way]} | {seconds:.3g} | {rise / 2**30:.2f} | {rise / rises['naive']['rise']:.2f} |")
    own_text_table(options)


def main():
    """The program."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--shape", choices=list(SHAPES), default="study", help="sizes of models and batch")
    arguments.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads of torch")
    arguments.add_argument("--steps", type=int, default=3, help="steps that are timed, after one that is not")
    arguments.add_argument("--rounds", type=int, default=1, help="times that every way is measured")
    arguments.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="where to measure")
    arguments.add_argument("--way", choices=list(WAYS), help="measure this one here (used by the program itself)")
    arguments.add_argument("--alone", action="store_true", help="with --way: the loss without the models")
    arguments.add_argument("--own_text", action="store_true", help="measure own text alone (used by the program)")
    options = arguments.parse_args()
    if options.own_text:
        own_text(options)
    elif options.way:
        measure(options)
    else:
        table(options)


if __name__ == "__main__":
    main()
