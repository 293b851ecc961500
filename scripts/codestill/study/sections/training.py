"""The config's section `training`: how a model is trained. The flags of teach.py and distill.py are made from it."""

from typing import Literal

from pydantic import model_validator

from codestill.study.section import Device, Fraction, Positive, Precision, Section, field, wrong

Bits = Literal["int8", "nf4"]


class Adapter(Section):
    """A low-rank adapter (LoRA: Hu et al. 2021, arXiv 2106.09685): W + alpha / rank * B A, of which B and A learn."""

    rank: Positive = field(16, "columns of B, rows of A")
    alpha: float | None = field(None, "scale of the change, over the rank; null: twice the rank", gt=0)
    dropout: float = field(0.0, "dropout of what A reads", ge=0, lt=1)
    targets: list[str] | None = field(
        None, "layers that get one, by the last part of their name (q_proj); null: every linear layer but the head",
        min_length=1,
    )  # fmt: skip
    keep: bool = field(
        False, "keep it beside the merged model, too: adapter/, as peft loads it on the model it began as"
    )


class Training(Section):
    """How a model is trained; a field with a key in cells' names may also be an axis of a grid."""

    learning_rate: float = field(5e-5, "peak learning rate of AdamW, with linear decay", axis="lr", gt=0)
    epochs: float = field(
        3,
        "passes over the training split; 0 leaves the model as it is",
        axis="epochs",
        flag="num_train_epochs",
        ge=0,
        le=1e6,
    )
    weight_decay: float = field(0.01, "AdamW's weight decay; biases and norms are exempt", axis="wd", ge=0)
    dropout: Fraction | None = field(None, "dropout of the trained model; null: its own", axis="dropout")
    batch_size: Positive = field(
        6, "blocks (rows of tokens) in one forward pass", axis="batch", flag="train_batch_size"
    )
    gradient_accumulation_steps: Positive = field(
        2, "forward passes summed into one optimiser step (shared out among processes)", axis="accumulation"
    )
    warmup_steps: int = field(
        1000, "optimiser steps of linear warm-up; at most a tenth of all steps", axis="warmup", ge=0
    )
    max_train_samples: Positive | None = field(
        None, "train on the first so many blocks only; null: all", axis="samples"
    )
    label_smoothing: float = field(
        0.0, "of the labels: the weight of the uniform distribution among them; alpha 1 with it is a control for "
        "softer targets", axis="smoothing", ge=0, lt=1,
    )  # fmt: skip
    max_eval_samples: Positive | None = field(None, "validate on the first so many blocks only; null: all")
    evaluations: Positive = field(3, "validations (and checkpoints) spread evenly over the training")
    precision: Precision = field("float32", "of the matrix products; bf16 and fp16 need a device that has them")
    optimizer: Literal["adamw_8bit", "paged_adamw_8bit", "adafactor"] | None = field(
        None, "transformers' name of one that takes less memory (those of 8 bits need bitsandbytes); null: AdamW"
    )
    threads: Positive = field(4, "CPU threads of torch; part of the science, since sums change with it")
    processes: Positive = field(
        1, "GPUs of one node that share a training; gradient_accumulation_steps is a multiple of it", flag=False
    )
    gradient_checkpointing: bool = field(
        False, "activations are computed again in the backward pass: less memory, a third more time, the same result",
        machine=True,
    )  # fmt: skip
    eval_batch_size: Positive = field(8, "blocks in one forward pass of validation", machine=True)
    device: Device = field("auto", "auto takes CUDA where there is a device", machine=True)
    preflight: Literal["stop", "warn"] = field("stop", "what a failed check before training does", machine=True)
    save_seconds: float = field(600, "seconds between checkpoints", machine=True, gt=0)

    @model_validator(mode="after")
    def _shared_out(self):
        if self.gradient_accumulation_steps % self.processes:
            steps = f"gradient_accumulation_steps = {self.gradient_accumulation_steps}"
            raise wrong("processes", f"{self.processes} share out {steps}, no multiple of it; change one of the two")
        return self
