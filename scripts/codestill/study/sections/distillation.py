"""The config's section `distillation`: what is asked of a student. Flags of distill.py are made from it."""

from typing import Annotated, Literal

from pydantic import Field

from codestill.study.entries import divergences
from codestill.study.recipe_names import RECIPES
from codestill.study.section import Fraction, Positive, Reference, Section, Seed, field

Pair = Annotated[str, Field(pattern=r"^\d{1,3}:\d{1,3}$")]


class Distillation(Section):
    """Defaults of the distilling axes: a cell differs from them only where an experiment or sweep says so."""

    temperature: float = field(
        2.0, "T: softens both distributions; the KL term is scaled by T^2; 2 to 4 are good starts",
        axis="T", taught=True, gt=0,
    )  # fmt: skip
    alpha: Fraction = field(0.5, "weight of the labels, 0 to 1: alpha CE + (1 - alpha) T^2 KL", axis="alpha")
    objective: Literal[tuple(divergences())] = field(
        "forward_kl", "divergence from the teacher, of codestill/distill/divergences.py", axis="objective", taught=True
    )
    beta: float = field(
        0.5, "where the divergence uses it (jsd, skew_kl, skew_reverse_kl): weight of the teacher in the mixture",
        axis="beta", taught=True, gt=0, lt=1,
    )  # fmt: skip
    on_policy: Fraction = field(
        0.0, "lambda: share of the batches whose text the student writes itself, as it is at that step (GKD); the "
        "divergence alone is learnt from it", axis="on_policy", taught=True,
    )  # fmt: skip
    on_policy_tokens: Positive = field(
        64, "new tokens with which the student completes a function's prompt, at most", axis="own_tokens", taught=True
    )
    on_policy_refresh: Positive = field(
        1, "optimiser steps for which the student writes at once; 1: it writes as it is at each step", axis="refresh",
        taught=True,
    )  # fmt: skip
    hidden_weight: float = field(
        0.0, "weight of a loss between hidden states of student and teacher, beside alpha; above 0 the teacher runs on "
        "each batch", axis="hidden", taught=True, ge=0,
    )  # fmt: skip
    hidden_loss: Literal["cosine", "mse"] = field(
        "cosine", "1 - cosine, or the mean squared difference; by a learnt map where the widths differ",
        axis="hidden_loss", taught=True,
    )  # fmt: skip
    hidden_layers: list[Pair] | None = field(
        None, "pairs student:teacher of layers, counted from 1 (0: embeddings), such as 1:2; null: each of the "
        "student's, evenly spaced on the teacher's", taught=True,
    )  # fmt: skip
    teacher: Reference = field(
        "teacher",
        "which model teaches: of the study, best_distilled, or an experiment of one setting",
        axis="teacher",
        flag=False,
        taught=True,
    )
    teacher_seed: Seed | None = field(
        None, "the teacher trained (a shape: drawn too) with this seed in place of its own", axis="teacher_seed",
        flag=False, taught=True,
    )  # fmt: skip
    student: Reference = field("student", "which model of the study learns", axis="student", flag=False)
    init: Literal["weights", "random"] = field(
        "weights", "the student's start: its weights, or its shape drawn anew from the cell's seed; in a study random "
        "where the student is a shape, else weights", axis="init", flag="student_init",
    )  # fmt: skip
    recipe: Literal[RECIPES] = field(
        "corpus", "the text learnt from: the corpus; teacher: the cell's teacher's completions of the corpus' training "
        "prompts; verified: its completions of benchmarks of use training that pass their tests; unverified: as many "
        "of these completions, drawn at random", axis="recipe", flag=False,
    )  # fmt: skip
    teacher_pass: Literal["auto", "cache", "online"] = field(
        "auto",
        "cache: the teacher's states are stored once and read; online: it runs on each batch; auto: in a study by the "
        "passes and the disk of the whole grid, else cache where --teacher_cache is given",
        taught=True,
        machine=True,
    )
    cache_dtype: Literal["float16", "bfloat16", "float32"] = field(
        "float16", "type of the teacher's final states, stored or not; float32 is exact", taught=True
    )
    max_states_gib: float = field(
        200, "auto stores states of at most so many GiB", flag=False, taught=True, machine=True, ge=0
    )
    stored_states: Literal["kept", "temporary"] = field(
        "kept",
        "temporary: removed once no cell reads them; a taught cell that is added later then trains all of them anew",
        flag=False,
        taught=True,
        machine=True,
    )
    teacher_device: Literal["auto", "cpu"] = field(
        "auto", "cpu keeps the teacher out of a small GPU", taught=True, machine=True
    )
