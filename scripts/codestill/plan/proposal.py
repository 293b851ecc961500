"""A config proposed for somebody's own code: what `codestill new` writes, and the reasons beside each value."""

import math
import os
import re
import shutil
import statistics
import subprocess
from dataclasses import dataclass, field

from codestill.data.functions import documented_functions, functions_in, parse, read_source
from codestill.data.units import units
from codestill.kit.files import read_jsonl
from codestill.kit.program import UserError
from codestill.plan.amounts import KNOWN_CORPORA, UNKNOWN_CORPUS
from codestill.study.sections.corpus import Tokens
from codestill.study.sections.plan import PlanSettings

CHARACTERS_A_TOKEN = 3.2  # of Python code, in the byte-level vocabularies of code models
VOCABULARY = 4096
# Llama shapes from scratch: (layers, width), with that vocabulary 0.9, 4.2, 12, 34 and 88 M parameters.
SHAPES = ((2, 128), (4, 256), (6, 384), (8, 576), (12, 768))
HELD_OUT = 0.2  # of the functions, in two halves: own code is little, and a test of 20 functions tells nothing
PROBLEMS = 100
MOST_EPOCHS = 8  # of a student
COLUMNS = {
    "code": ("code", "whole_func_string", "func_code_string", "function", "source", "body", "content"),
    "docstring": ("docstring", "func_documentation_string", "summary", "description", "comment"),
}


@dataclass
class Code:
    """What was found: functions with a docstring and without, files none can read, and how long what is learnt is.

    characters: of each documented function; units: of each unit of any Python (data/units.py). assumed: functions of a
    data set that was not looked at.
    """

    documented: int = 0
    undocumented: int = 0
    unreadable: int = 0
    characters: list = field(default_factory=list)
    units: list = field(default_factory=list)
    assumed: int = 0

    def take(self, code, docstring):
        """Count one function."""
        if docstring:
            self.documented += 1
            self.characters.append(len(code))
        else:
            self.undocumented += 1

    @property
    def form(self):
        """The `format` of its source: any code where most functions have no docstring, else documented functions."""
        return "code" if self.undocumented > self.documented else "functions"

    @property
    def lengths(self):
        """Characters of each record of that format."""
        return self.units if self.form == "code" else self.characters

    @property
    def tokens(self):
        """Tokens of all records together, about; of what was not looked at, as a plan guesses them."""
        return sum(self.lengths) / CHARACTERS_A_TOKEN or self.assumed * PlanSettings().tokens_per_function

    def kept(self, row):
        """Tokens that are learnt, about: of each record what a row of so many tokens holds."""
        return sum(min(one / CHARACTERS_A_TOKEN, row) for one in self.lengths) or self.tokens

    def cut(self, row):
        """In words: how many records are longer than a row, and what share of the text is lost; empty where none is."""
        longer = sum(one > row * CHARACTERS_A_TOKEN for one in self.lengths)
        if not longer:
            return ""
        lost = 1 - self.kept(row) / self.tokens
        return f"{longer:,} of {len(self.lengths):,} are cut at {row} tokens, {lost:.0%} of the text"

    @property
    def longest(self):
        """Tokens that 19 of 20 records do not exceed, about."""
        lengths = self.lengths
        return statistics.quantiles(lengths, n=20)[-1] / CHARACTERS_A_TOKEN if len(lengths) > 1 else 0

    @property
    def told(self):
        """In words: what is learnt, and what is left out."""
        if self.assumed:
            guess = f"{self.assumed:,} functions of {PlanSettings().tokens_per_function:g} tokens"
            return f"not looked at, since the data set is not downloaded before a run; reckoned with {guess}"
        learnt = f"{self.documented:,} documented functions, about {self.tokens:,.0f} tokens"
        if self.form == "functions":
            return f"{learnt}; {self.undocumented:,} undocumented ones left out"
        return (
            f"{self.documented:,} documented functions and {self.undocumented:,} undocumented ones, taken as any code: "
            f"{len(self.units):,} functions, classes and scripts, about {self.tokens:,.0f} tokens"
        )


def not_looked_at(name):
    """The `Code` of a data set of the hub: as many functions as a plan reckons with before it is downloaded."""
    return Code(assumed=sum(KNOWN_CORPORA.get(name, ())) or UNKNOWN_CORPUS)


def look_at_files(files):
    """The `Code` of Python files."""
    found = Code()
    for path in files:
        source = read_source(path)
        tree = None if source is None else parse(source)
        if tree is None:
            found.unreadable += 1
            continue
        documented = list(documented_functions(source))
        for _, code, docstring in documented:
            found.take(code, docstring)
        found.undocumented += len(functions_in(tree)) - len(documented)
        found.units += [len(text) for _, text in units(source)]
    return found


def look_at_rows(path, columns):
    """The `Code` of a file of JSON lines, whose columns {code, docstring: theirs} are known."""
    found = Code()
    for row in read_jsonl(path):
        code = str(row.get(columns["code"]) or "")
        found.take(code, row.get(columns.get("docstring")))
        found.units.append(len(code))
    return found


def columns_of(path):
    """Which columns of a file of JSON lines hold code and, if any, docstring, by the names that data sets give them."""
    first = next(read_jsonl(path), None)
    names = first.keys() if isinstance(first, dict) else ()
    found = {ours: next((one for one in theirs if one in names), None) for ours, theirs in COLUMNS.items()}
    if found["code"] is None:
        raise UserError(f"{path}: no column for code and docstring among {', '.join(names) or 'no fields'}")
    return {ours: theirs for ours, theirs in found.items() if theirs}


@dataclass
class Machine:
    """What a study can use: cores, GPUs and the memory of one, in GiB."""

    cores: int
    gpus: int = 0
    memory: float = 0.0


def this_machine():
    """The machine that this runs on. GPUs are asked for from nvidia-smi: torch takes seconds to say the same."""
    cores = len(os.sched_getaffinity(0))
    if not shutil.which("nvidia-smi"):
        return Machine(cores)
    query = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    done = subprocess.run(query, capture_output=True, text=True, check=False)
    sizes = [float(line) / 1024 for line in done.stdout.split() if line.replace(".", "").isdigit()]
    return Machine(cores, len(sizes), min(sizes, default=0.0))


def size_of(name):
    """The parameters that a model's name tells: `12M`, or the last such part of `Qwen/Qwen2.5-Coder-0.5B`; or None."""
    told = re.findall(r"(?<![\w.])(\d+(?:\.\d+)?)([MB])(?![a-z])", name.replace("-", " ").replace("_", " "), re.I)
    return float(told[-1][0]) * {"M": 1e6, "B": 1e9}[told[-1][1].upper()] if told else None


def is_size(name):
    """Whether a word is a size, for a model from scratch, and no model's name."""
    return re.fullmatch(r"\d+(\.\d+)?[MB]", name, re.I) is not None


def _parameters(layers, width):
    return VOCABULARY * width + 12 * layers * width**2


def _nearest(size):
    return min(SHAPES, key=lambda one: abs(math.log(_parameters(*one) / size)))


def shape_of(size):
    """The lines of a shape of about `size` parameters. Raises UserError where none is near."""
    layers, width = _nearest(size) if 0 < size < math.inf else SHAPES[0]
    if not 0.5 * size < _parameters(layers, width) < 2 * size:
        ready = ", ".join(f"{_parameters(*one) / 1e6:.0f}M" for one in SHAPES)
        raise UserError(f"{size / 1e6:g}M: no shape from scratch is near; take one of {ready}, or a model's name")
    inner = -(-8 * width // 3 // 32) * 32
    return {
        "model_type": "llama", "num_hidden_layers": layers, "hidden_size": width, "intermediate_size": inner,
        "num_attention_heads": width // 64 * 2, "max_position_embeddings": 2048, "tie_word_embeddings": True,
    }  # fmt: skip


def fitting_size(machine, minutes):
    """The size from scratch that the machine can train well: on a CPU with some 20 tokens a parameter in half of the
    minutes (Hoffmann et al. 2022, arXiv 2203.15556)."""
    operations = 60 * minutes / 2 * machine.cores * PlanSettings().core.float32
    size = 4e6 if machine.gpus else (operations / (6 * 20)) ** 0.5
    return f"{_parameters(*_nearest(size)) / 1e6:.0f}M"


def not_smaller(teacher, student):
    """In words, where names or sizes tell it: the student has as many parameters as its teacher, or more."""
    sizes = size_of(teacher), size_of(student)
    if teacher != student and (None in sizes or sizes[1] < sizes[0]):
        return None
    return f"the student, {student}, is not smaller than its teacher, {teacher}: what it learns costs no less to use"


def parameters_of(name, otherwise):
    """Parameters of a model of that name or size, `otherwise` where neither tells."""
    return size_of(name) or otherwise


@dataclass
class Proposal:
    """The numbers of a study, each with the reason that stands beside it in the config."""

    row: int
    batch: int
    accumulation: int
    epochs: float
    teacher_epochs: float
    precision: str
    reasons: dict


def propose(code, machine, teacher, student, minutes):
    """The `Proposal` for these models on this code: what fits the machine and, without a GPU, the minutes."""
    scratch, row = is_size(teacher), row_of(code, machine)
    share, tokens = 1 - HELD_OUT, code.kept(row)
    rows = max(1.0, share * tokens / row)
    records = "records" if code.form == "code" else "functions"
    reasons = {"row": code.cut(row) or f"no {records[:-1]} is longer, about"}
    if code.assumed:
        reasons["row"] = "the default: the data set was not looked at"
    sizes = parameters_of(teacher, 1.2e8), parameters_of(student, 0.6 * parameters_of(teacher, 1.2e8))
    if machine.gpus:
        batch = _batch(machine, sizes, row)
        reasons["batch"] = f"what {machine.memory:.0f} GiB hold beside weights, gradients and AdamW's two moments"
        accumulation = max(1, round(32 / batch))
        return Proposal(row, batch, accumulation, 3, 3, "bf16", reasons | {"epochs": "look at the curves, then more"})
    budget = 60 * minutes * machine.cores * PlanSettings().core.float32 / (6 * share * tokens)
    # Three parts for the teacher where it starts from nothing, one each for two cells, one for samples and measures.
    most = budget / (6 if scratch else 4)
    teacher_epochs = _rounded((3 if scratch else 1) * most / sizes[0])
    epochs = _rounded(most / sizes[1])
    reasons["epochs"] = "the most that is proposed: more would learn the same text by heart"
    if epochs < MOST_EPOCHS:
        reasons["epochs"] = f"what the trainings' share of the minutes on {machine.cores} cores allows"
    reasons["batch"] = f"{rows:.0f} rows in all: small batches make more steps of them"
    return Proposal(row, 2, 1, min(epochs, MOST_EPOCHS), min(teacher_epochs, 12), "float32", reasons)


def row_of(code, machine):
    """The least length of a row that holds 19 of 20 records whole, else the longest that the machine has time for."""
    if code.assumed:
        return Tokens().max_seq_length
    lengths = (256, 512, 1024) if machine.gpus else (256, 512)
    return next((row for row in lengths if row >= code.longest), lengths[-1])


def _rounded(epochs):
    return max(0.02, float(f"{epochs:.2g}"))


def _batch(machine, sizes, row):
    """Rows at once: what is left of a GPU beside both models, at 34 bytes of activations a layer's width and token
    (Korthikanti et al. 2022, arXiv 2205.05198, without attention's scores) and a chunk's logits."""
    teacher, student = sizes
    free = 0.8 * machine.memory * 2**30 - 16 * student - 2 * teacher
    layers = (student / 49_152) ** (1 / 3)  # of width 64 times their number, as most models are
    fits = int(free // (34 * layers * 64 * layers * row))
    if fits < 1:
        raise UserError(f"these models need more than the GPU's {machine.memory:.0f} GiB; take smaller ones")
    return 2 ** min(5, int(math.log2(fits)))


def _origin(name, indent="  "):
    """The lines of a model by its name or size."""
    if not is_size(name):
        return [f"{indent}name: {name}"]
    return [
        f"{indent}shape:",
        *(f"{indent}  {key}: {str(one).lower()}" for key, one in shape_of(size_of(name)).items()),
    ]


def _problems(code):
    """As many as the held-out part has, about, and no more than PROBLEMS."""
    held_out = round(len(code.lengths) * HELD_OUT / 2)
    return f"{held_out} # about all that is held out" if code.lengths and held_out < PROBLEMS else PROBLEMS


def config_text(study, source, code, machine, teacher, student, numbers):
    """The config file as text. source: lines of the corpus' source; student: None for layers of the teacher."""
    why, scratch, any_code = numbers.reasons, is_size(teacher), code.form == "code"
    lines = [
        f"# {study}: written by `codestill new`. config/README.md explains every field and has the defaults of others.",
        f"# {'Source' if code.assumed else 'Found'}: {code.told}.",
        *([f"# Left out: {code.unreadable:,} unreadable files."] if code.unreadable else []),
        f"study: {study}",
        "",
        "teacher:",
        *_origin(teacher),
        f"  training: {{epochs: {numbers.teacher_epochs:g}, learning_rate: {'2.0e-3' if scratch else '5.0e-5'}}}",
    ]
    if scratch:
        lines += ["  audit: warn # in so few minutes it may not learn to beat xz; stop: end the run there"]
    if student is None:
        lines += [
            "student:",
            "  every_layer_of_teacher: 2 # starts as half of the teacher's layers (DistilBERT's recipe)",
        ]
    else:
        lines += ["student:", *_origin(student)]
    if scratch:
        lines += ["vocabulary:", "  policy: same", f"  size: {VOCABULARY} # a tokenizer is trained on this corpus"]
    elif student is not None:
        same = teacher.split("/")[0] == student.split("/")[0]
        told = (
            "one maker: the run stops if their tokens differ" if same else "the student takes the teacher's tokenizer"
        )
        lines += ["vocabulary:", f"  policy: {'same' if same else 'transfer'} # {told}"]
    lines += [
        "",
        "corpus:",
        "  sources:",
        "    own:",
        *(f"      {line}" for line in source),
        *(["      format: code # most functions have no docstring: name and comments are their prompt"] * any_code),
        f"  validation_fraction: {HELD_OUT / 2:g} # the curves are drawn on it; nothing is chosen here",
        f"  test_fraction: {HELD_OUT / 2:g} # is reported",
        "",
        "tokens:",
        f"  max_seq_length: {numbers.row} # {why['row']}",
        "training:",
        f"  epochs: {numbers.epochs:g} # {why['epochs']}",
        f"  batch_size: {numbers.batch} # {why['batch']}",
        f"  gradient_accumulation_steps: {numbers.accumulation}",
        f"  learning_rate: {'1.0e-3' if scratch else '5.0e-5'}",
        "  warmup_steps: 50",
        f"  precision: {numbers.precision}",
    ]
    if not machine.gpus:
        lines += [f"  threads: {machine.cores}"]
    lines += [
        "distillation:",
        "  temperature: 2.0 # how much the teacher's distribution is softened",
        "  alpha: 0.5 # weight of the labels; alpha 1, the student without a teacher, is always trained beside it",
        f"seeds: [{'42, 43, 44' if machine.gpus else '42'}] # one seed speaks of two models, three of the method",
        "",
        "experiments:",
        "  distilled: {} # the values above; a grid of others, as in config/config.yaml, compares settings",
        "",
        "benchmarks:",
        "  completions: # the test functions of this code: are they written as they stand there, and how near?",
        "    kind: completions",
        f"    problems: {_problems(code)}",
        "    n: 1",
        "    k: [1]",
        "generation:",
        "  temperature: 0",
        f"  max_new_tokens: {numbers.row // 2}",
    ]
    if not machine.gpus:
        lines += [f"  threads: {machine.cores}"]
    lines += ["measures:", "  max_rows: 40"] if not machine.gpus else []
    lines += ["plan: # `make plan` reckons with it; no result depends on it", f"  gpus: {machine.gpus}"]
    if code.lengths:
        lines += [f"  functions: {round((1 - HELD_OUT) * len(code.lengths))}"]
        lines += [f"  tokens_per_function: {code.kept(numbers.row) / len(code.lengths):.0f}"]
    return "\n".join(lines) + "\n"
