"""Loading and preparing models: weights or a fresh start, and the student's dropout."""

from pathlib import Path

from codestill.kit.program import UserError, log


def load_config(path):
    """The transformers config of a model folder. Raises UserError where there is none."""
    from transformers import AutoConfig

    if not (Path(path) / "config.json").is_file():
        raise UserError(f"{path}: no config.json; give a model folder in Hugging Face format")
    return AutoConfig.from_pretrained(path, local_files_only=True)


def fuse_activations(model):
    """Give `model` the one-kernel form of a GELU by tanh that is spelled out in eight operations; returns the model.

    Both are the same function (Hendrycks & Gimpel 2016, arXiv:1606.08415, section 2) up to rounding. The long form
    keeps seven arrays as wide as the feed-forward layer for its gradient, more than half of a GPT-2 block's memory.
    """
    from torch.nn import GELU
    from transformers.activations import FastGELUActivation, NewGELUActivation

    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, NewGELUActivation | FastGELUActivation):
                setattr(module, name, GELU(approximate="tanh"))
    return model


def load_model(path, dropout=None, init="weights", seed=0):
    """A causal language model in float32: its weights, or its shape with weights drawn anew from `seed`."""
    import torch
    from transformers import AutoModelForCausalLM, set_seed

    config = load_config(path)
    if dropout is not None:
        set_dropout(config, dropout)
    if init == "random":
        set_seed(seed)
        return fuse_activations(AutoModelForCausalLM.from_config(config, dtype=torch.float32))
    try:
        # float32 said outright: by default a half-precision checkpoint stays in half precision.
        model = AutoModelForCausalLM.from_pretrained(path, config=config, dtype=torch.float32, local_files_only=True)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot load the model ({str(error).splitlines()[0]})") from error
    return fuse_activations(model)


def dropouts(config):
    """{field: probability} of the config's dropout fields that act on a causal language model."""
    skipped = ("classifier", "summary", "layerdrop")
    return {
        name: value
        for name, value in config.to_dict().items()
        if ("dropout" in name or name.endswith("pdrop"))
        and isinstance(value, int | float)
        and not isinstance(value, bool)
        and not any(word in name for word in skipped)
    }


def set_dropout(config, probability):
    """Set every dropout field of the config; one without any is left and said."""
    if not 0 <= probability < 1:
        raise UserError(f"--dropout {probability}: must be at least 0 and below 1")
    fields = dropouts(config)
    if not fields:
        log(f"{config.model_type} has no dropout: --dropout {probability} changes nothing")
    for name in fields:
        setattr(config, name, probability)


def device_of(name):
    """The torch device for `--device`: auto takes CUDA where there is one."""
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: torch sees no CUDA device; use --device cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
