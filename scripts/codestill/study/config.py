"""The study as typed data: every field of a config file, its meaning, its bounds and its default.

One config file is one study. `load_study` turns the mapping that YAML gives into a `Study` or raises a UserError of
one line that names the file, the field and the remedy. `schema()` is the JSON schema written to config/schema.json.
"""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from codestill.kit.program import UserError
from codestill.study.config_files import named
from codestill.study.mistakes import first_mistake
from codestill.study.plan_section import Plan
from codestill.study.section import Fraction, Name, Positive, Section, Seed, wrong

Precision = Literal["float32", "bf16", "fp16"]
Device = Literal["auto", "cpu", "cuda"]


@cache
def known_objectives():
    """The names in OBJECTIVES of distill/divergences.py, read with `ast`: importing it would import torch."""
    source = Path(__file__).parents[1] / "distill" / "divergences.py"
    found = []
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(target, ast.Name) and target.id == "OBJECTIVES":  # OBJECTIVES = {"name": ...}
            found += [key.value for key in node.value.keys]
        elif isinstance(target, ast.Subscript) and getattr(target.value, "id", None) == "OBJECTIVES":
            found.append(target.slice.value)  # OBJECTIVES["name"] = ...
    return found


@cache
def known_rules():
    """The names of the workflow's rules, which an experiment cannot have too."""
    root = Path(__file__).resolve().parents[3]
    files = [root / "Snakefile", *sorted((root / "rules").glob("*.smk"))]
    return {name for file in files for name in re.findall(r"^rule (\w+):", file.read_text(encoding="utf-8"), re.M)}


class Training(Section):
    """How a model is trained. The fields named in `codestill.study.grid.AXES` may also be axes of a grid."""

    epochs: float = Field(3, ge=0, description="passes over the training split; 0 leaves the model as it is")
    batch_size: Positive = Field(6, description="blocks (rows of tokens) in one forward pass")
    gradient_accumulation_steps: Positive = Field(2, description="forward passes summed into one optimiser step")
    eval_batch_size: Positive = Field(8, description="blocks in one forward pass of validation")
    learning_rate: float = Field(5e-5, gt=0, description="peak learning rate of AdamW, with linear decay")
    weight_decay: float = Field(0.01, ge=0, description="AdamW's weight decay")
    warmup_steps: int = Field(1000, ge=0, description="optimiser steps of linear warm-up")
    dropout: Fraction | None = Field(None, description="dropout of the trained model; null keeps the model's own")
    max_train_samples: Positive | None = Field(None, description="train on this many blocks only; null means all")
    max_eval_samples: Positive | None = Field(None, description="validate on this many blocks only; null means all")
    evaluations: Positive = Field(3, description="validations (and checkpoints) spread evenly over the training")
    precision: Precision = Field("float32", description="bf16 and fp16 need a device that has them")
    device: Device = Field("auto", description="auto takes CUDA where there is a device")
    threads: Positive = Field(4, description="CPU threads of torch; part of the science, since sums change with it")
    processes: Positive = Field(
        1, description="GPUs of one node that share a training; gradient_accumulation_steps is a multiple of it"
    )

    @model_validator(mode="after")
    def _shared_out(self):
        if self.gradient_accumulation_steps % self.processes:
            steps = f"gradient_accumulation_steps = {self.gradient_accumulation_steps}"
            raise wrong("processes", f"{self.processes} share out {steps}, no multiple of it; change one of the two")
        return self


class Model(Section):
    """Where a model comes from: the hub or a folder (`name`), or a shape that is trained from scratch (`shape`)."""

    name: str | None = Field(None, min_length=1, description="a model of the hub (owner/name) or a local folder")
    revision: str | None = Field(None, description="commit, tag or branch on the hub; null means main")
    shape: dict[str, str | int | float | bool] | None = Field(
        None, description="a transformers config (model_type and sizes) to start from random weights"
    )

    @model_validator(mode="after")
    def _one_origin(self):
        origins = [key for key in ("name", "shape", "every_layer_of_teacher") if getattr(self, key, None) is not None]
        if len(origins) != 1:
            raise ValueError(f"give exactly one origin of the model (name or shape), not {origins or 'none'}")
        if self.shape is not None and "model_type" not in self.shape:
            raise wrong("shape", "needs model_type, for example model_type: gpt2")
        if self.revision is not None and self.name is None:
            raise wrong("revision", "goes with name; remove it")
        return self


class Teacher(Model):
    """The model that teaches, and how it is fine-tuned first."""

    training: Training = Field(default_factory=Training, description="overrides of `training` for the teacher")
    audit: Literal["stop", "warn"] = Field("stop", description="what a teacher that has not learned layout does")


class Student(Model):
    """The model that learns."""

    every_layer_of_teacher: int | None = Field(
        None, ge=2, description="build the student from every n-th layer of the teacher (DistilBERT's recipe: 2)"
    )


class Vocabulary(Section):
    """How teacher and student come to share token ids."""

    policy: Literal["transfer", "same", "shared"] = Field(
        "transfer", description="transfer: student takes the teacher's tokenizer; same; shared: teacher's extends it"
    )
    embeddings: Literal["pieces", "teacher"] = Field(
        "pieces", description="transfer only: new rows from the student's pieces, or the teacher's rows"
    )
    size: int = Field(
        2048, ge=258, description="tokens of the byte-level BPE that is trained where the teacher is a shape"
    )

    @model_validator(mode="after")
    def _acts(self):
        if self.policy != "transfer" and "embeddings" in self.model_fields_set:
            raise wrong("embeddings", f"acts where policy is transfer, not {self.policy}; remove it")
        return self


# Ours of a source's columns, as codestill.data.sources reads them.
Column = Literal["code", "docstring", "func_name", "repo", "path", "url", "partition"]
# field of a source: the kinds on which it acts
_ACTS_ON = {
    "name": ("hub",), "config_name": ("hub",), "revision": ("hub",), "path": ("files", "python"),
    "columns": ("hub", "files"),
}  # fmt: skip


class Source(Section):
    """One origin of documented Python functions."""

    kind: Literal["hub", "files", "python", "stdlib", "pocket"] = Field(description="which reader serves it")
    name: str | None = Field(None, description="hub: the data set (owner/name)")
    config_name: str | None = Field(None, description="hub: its configuration")
    revision: str | None = Field(None, description="hub: commit, tag or branch")
    path: str | None = Field(None, min_length=1, description="files, python: a file or folder")
    columns: dict[Column, str] = Field(
        default_factory=dict, description="our field: their column, e.g. code: whole_func"
    )
    max_samples: Positive | None = Field(None, description="take this many records only")
    seed: int = Field(0, ge=0, description="of that choice; pocket: seed of the grammar")

    @model_validator(mode="after")
    def _needs(self):
        needed = {"hub": "name", "files": "path", "python": "path"}.get(self.kind)
        if needed and getattr(self, needed) is None:
            raise ValueError(f"a source of kind {self.kind} needs {needed}")
        for field, kinds in _ACTS_ON.items():
            if getattr(self, field) and self.kind not in kinds:
                raise wrong(field, f"acts on the kind {' or '.join(kinds)}, not on {self.kind}; remove it")
        return self


class Corpus(Section):
    """The functions to learn from, and how they are split."""

    sources: dict[Name, Source] = Field(min_length=1, description="named origins, read in this order")
    validation_fraction: float = Field(0.05, gt=0, lt=0.5, description="of what comes without a split of its own")
    test_fraction: float = Field(0.05, gt=0, lt=0.5, description="of what comes without a split of its own")
    max_samples: Positive | None = Field(None, description="keep this many training functions only")
    seed: int = Field(42, ge=0, description="seed of the order and of the split")


class Tokens(Section):
    """How functions become rows of tokens."""

    max_seq_length: int = Field(512, ge=16, description="tokens in a row")
    layout: Literal["packed", "padded"] = Field("packed", description="many functions in a row, isolated; or one")


class Distillation(Section):
    """Defaults of the distilling axes: a cell differs from them only where an experiment or sweep says so."""

    temperature: float = Field(2.0, gt=0, description="T: softens both distributions; the KL term is scaled by T^2")
    alpha: Fraction = Field(0.5, description="weight of the hard labels: alpha CE + (1 - alpha) T^2 KL")
    objective: str = Field("forward_kl", description="divergence from the teacher, of codestill/distill/divergences.py")
    beta: float = Field(0.5, gt=0, lt=1, description="jsd only: weight of the teacher in the mixture")
    teacher: Literal["teacher"] = Field("teacher", description="which model of the study teaches (reserved)")
    teacher_pass: Literal["auto", "cache", "online"] = Field("auto", description="store hidden states, or run it anew")
    teacher_device: Literal["auto", "cpu"] = Field("auto", description="cpu keeps the teacher out of a small GPU")

    @field_validator("objective")
    @classmethod
    def _known_objective(cls, name):
        if name not in known_objectives():
            raise ValueError(f"{name!r} is no objective; known: {', '.join(known_objectives())}")
        return name


# bool stands here, and first, so that `true` arrives as itself and is refused, rather than as 1.
Scalar = bool | str | int | float | None
Values = Scalar | list[Scalar]


class Query(Section):
    """A set of cells: the product of `grid`'s lists and of the rows of `zip`, less `exclude`, for each seed."""

    grid: dict[str, Values] = Field(default_factory=dict, description="axis: value or list; all combinations")
    zip: dict[str, list[Scalar]] = Field(default_factory=dict, description="axis: list; walked in step")
    exclude: list[dict[str, Scalar]] = Field(default_factory=list, description="partial cells to leave out")
    seeds: list[Seed] | None = Field(None, min_length=1, description="seeds of these cells; null means the study's")


class Benchmark(Section):
    """Prompts with tests, and how many samples each gets."""

    kind: Literal["humaneval", "mbpp", "pocket", "file"] = Field(description="which reader serves it")
    path: str | None = Field(None, min_length=1, description="file, mbpp: a JSON-lines file")
    seed: int = Field(0, ge=0, description="pocket: seed of the grammar (the same as the source's)")
    problems: Positive | None = Field(None, description="take so many problems only, spread evenly over all")
    n: Positive = Field(20, description="samples a problem")
    k: list[Positive] = Field([1, 10, 20], min_length=1, description="the k of pass@k")
    models: Literal["all", "headline"] = Field(
        "all", description="headline: teacher, student and the two cells chosen on validation"
    )

    @model_validator(mode="after")
    def _sound(self):
        if max(self.k) > self.n:
            raise wrong("k", f"{max(self.k)} exceeds n = {self.n}; raise n or drop that k")
        if (self.kind in ("file", "mbpp")) != (self.path is not None):
            raise wrong("path", "goes with the kinds file and mbpp, and only with them")
        return self


class Generation(Section):
    """How samples are drawn: the protocol stored beside them."""

    temperature: float = Field(0.8, ge=0, description="0 is greedy decoding")
    top_p: float = Field(0.95, gt=0, le=1, description="nucleus: the smallest set of tokens with this mass")
    max_new_tokens: Positive = Field(256, description="at most so many tokens a sample")
    strip_prompt: Literal["newline", "whitespace", "none"] = Field(
        "newline", description="what is taken off a prompt's end; the model then writes it as it learnt to"
    )
    stop: list[Annotated[str, Field(min_length=1)]] = Field(
        ["\nclass", "\ndef", "\n#", "\n@", "\nprint", "\nif", "\n```"],
        description="a sample ends before any of these",
    )
    seed: int = Field(0, ge=0, description="run seed: each sample's seed derives from it, the task and its index")
    precision: Precision = Field("float32", description="weights and activations while sampling")
    engine: Literal["auto", "lanes", "transformers", "vllm"] = Field("auto", description="what runs the model")
    memory: float = Field(4.0, gt=0, description="GiB for weights, caches and logits; sets the batch size")
    device: Device = Field("auto", description="auto takes CUDA where there is a device")
    threads: Positive = Field(4, description="CPU threads of torch")
    compile: bool = Field(
        False, description="run steps through torch.compile: made for GPUs, does not pay on a CPU; needs a C++ compiler"
    )
    samples_per_job: Positive | None = Field(
        None, description="about so many samples a job: a model's are drawn by several and gathered; null: by one job"
    )


class Grading(Section):
    """How samples are run and judged."""

    timeout: float = Field(3.0, gt=0, description="seconds a sample may run")
    workers: Positive = Field(2, description="samples run side by side")


class Measures(Section):
    """What is measured without running a model's programs."""

    max_rows: Positive | None = Field(None, description="rows of the test split to measure on; null means all")


class Study(Section):
    """One study: what the workflow makes, from download to report."""

    study: Name = Field(description="its name: results land in results/<study>")
    teacher: Teacher = Field(description="the model that teaches")
    student: Student = Field(description="the model that learns")
    vocabulary: Vocabulary = Field(default_factory=Vocabulary, description="how token ids are shared")
    corpus: Corpus = Field(description="what is learned from")
    tokens: Tokens = Field(default_factory=Tokens, description="how text becomes tokens")
    training: Training = Field(default_factory=Training, description="defaults of every training")
    distillation: Distillation = Field(default_factory=Distillation, description="defaults of the distilling axes")
    seeds: list[Seed] = Field([42, 43, 44], min_length=1, description="seeds of experiments and controls")
    experiments: dict[Name, Query] = Field(default_factory=dict, description="named cells to compare")
    sweeps: dict[Name, Query] = Field(default_factory=dict, description="named grids; `snakemake sweep_NAME`")
    benchmarks: dict[Name, Benchmark] = Field(min_length=1, description="what models are judged on")
    generation: Generation = Field(default_factory=Generation, description="how samples are drawn")
    measures: Measures = Field(default_factory=Measures, description="how language is measured")
    grading: Grading = Field(default_factory=Grading, description="how samples are judged")
    plan: Plan = Field(default_factory=Plan, description="what `make plan` reckons with; changes no result")

    @model_validator(mode="before")
    @classmethod
    def _teacher_trains_by_default_like_the_student(cls, raw):
        teacher = raw.get("teacher") if isinstance(raw, dict) else None
        if isinstance(teacher, dict) and isinstance(raw.get("training", {}), dict):
            own = teacher.get("training", {})
            if isinstance(own, dict):
                raw = {**raw, "teacher": {**teacher, "training": {**raw.get("training", {}), **own}}}
        return raw

    @field_validator("seeds")
    @classmethod
    def _seeds(cls, seeds):
        if len(set(seeds)) < len(seeds):
            raise ValueError("must be distinct")
        return seeds

    @model_validator(mode="after")
    def _names(self):
        for name in self.experiments:
            if name in self.sweeps:
                raise wrong(f"experiments.{name}", f"{name} is an experiment and a sweep; rename one")
            if name in known_rules() | {f"sweep_{sweep}" for sweep in self.sweeps}:
                raise wrong(f"experiments.{name}", f"{name} is a target of the workflow; rename the experiment")
        if self.teacher.shape is not None and self.student.name is not None:
            raise wrong("student.name", "a teacher from scratch needs a student from scratch: give student.shape")
        return self


def load_study(raw, origin="config"):
    """The `Study` in the mapping `raw`. Raises UserError naming `origin`, the field and the remedy in one line.

    `origin` is a name, or the `ConfigFiles` that `raw` was merged from.
    """
    if not isinstance(raw, dict):
        raise UserError(f"{origin}: a config is a mapping of fields, not {type(raw).__name__}")
    try:
        return Study.model_validate(raw)
    except ValidationError as error:
        location, remedy, more = first_mistake(error, Study)
        field = ".".join(map(str, location)) or "study"
        others = f" (and {more} more)" if more else ""
        raise UserError(f"{named(origin, location)}: {field}: {remedy}{others}") from None


def schema():
    """The JSON schema of a config file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Study.model_json_schema()}
