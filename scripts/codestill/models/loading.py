"""Loading models: one way for all programs, which refuses what would pass for a model and is none."""

import collections
import contextlib
import math
import sys
from pathlib import Path

from codestill.kit.program import UserError, log
from codestill.models.weights import check_whole, refuse_misfits, refuse_not_finite, weight_files

# The field's short names of precisions, and torch's.
PRECISIONS = {"float32": "float32", "bf16": "bfloat16", "fp16": "float16"}
# Those of safetensors that a weight may have, and torch's.
_STORED = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def dtype_of(precision):
    """The torch dtype of a precision: float32, bf16 or fp16."""
    import torch

    return getattr(torch, PRECISIONS[precision])


def short(error):
    """An error's message on one line, cut where it runs on (transformers lists every class that it knows)."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."


def quiet():
    """Silence the progress bars of transformers where standard error is not a terminal."""
    from transformers.utils import logging as of_transformers

    if not sys.stderr.isatty():
        of_transformers.disable_progress_bar()


def load_config(folder):
    """The transformers config of a model folder. Raises UserError where there is none, or it needs code of its own."""
    from transformers import AutoConfig

    if not (Path(folder) / "config.json").is_file():
        raise UserError(f"{folder}: no config.json; give a model folder in Hugging Face format")
    try:
        # False said outright: by default transformers asks on standard input whether a folder's own code may run.
        return AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except Exception as error:  # each config class checks its fields with errors of its own
        raise UserError(f"{folder}/config.json: {_reason(error)}") from error


def _reason(error):
    if "trust_remote_code" in str(error):
        return "it needs code of its own (auto_map), which is never run; choose a model that transformers has itself"
    return short(error)


def load_model(folder, dtype="float32", dropout=None, init="weights", seed=0, quantised=False):
    """The causal language model of a folder, in eval mode: its weights, or its shape drawn anew from `seed`.

    dtype: torch's, or its name, or "auto" for the type that the weights are stored in. Raises UserError where the
    folder holds no such model, its weights are missing, unexpected, of another shape, torn or not finite, it needs
    code of its own, or it is quantised: `quantised` takes one that bitsandbytes serves, to run and not to train.
    """
    import torch
    from transformers import AutoModelForCausalLM, set_seed

    quiet()
    config = load_config(folder)
    if dropout is not None:
        set_dropout(config, dropout)
    if init == "random":
        set_seed(seed)
        return fuse_activations(AutoModelForCausalLM.from_config(config, dtype=torch.float32)).eval()
    in_few_bits = quantised and _by_bitsandbytes(folder, config)
    if not in_few_bits:
        refuse_quantised(folder, config)
    check_whole(folder)
    if not in_few_bits:
        _refuse_packed(folder)
    how = {"config": config, "dtype": dtype, "local_files_only": True, "trust_remote_code": False}
    try:
        with _quiet_warnings():
            model, report = AutoModelForCausalLM.from_pretrained(str(folder), output_loading_info=True, **how)
    except Exception as error:  # one cause, files that hold no such model, shows in many ways
        raise UserError(f"{folder}: cannot load the model ({_reason(error)})") from error
    refuse_misfits(folder, model, report)
    refuse_not_finite(folder, model)
    return fuse_activations(model).eval()


@contextlib.contextmanager
def _quiet_warnings():
    """No table of misfits from transformers: they are told in one line."""
    from transformers.utils import logging as of_transformers

    before = of_transformers.get_verbosity()
    of_transformers.set_verbosity_error()
    try:
        yield
    finally:
        of_transformers.set_verbosity(before)


def _method(config):
    """How a config's weights are quantised, in transformers' word; None where they are not."""
    found = getattr(config, "quantization_config", None)
    method = found.get("quant_method") if isinstance(found, dict) else getattr(found, "quant_method", None)
    return getattr(method, "value", method)


def refuse_quantised(folder, config):
    """Raise UserError where a folder's weights are quantised."""
    if getattr(config, "quantization_config", None) is not None:
        raise UserError(
            f"{folder}: its weights are quantised ({_method(config)}), which this step cannot take; "
            "give the model in float32, bfloat16 or float16"
        )


def _by_bitsandbytes(folder, config):
    if _method(config) != "bitsandbytes":
        return False
    check_bitsandbytes(folder)
    return True


def check_bitsandbytes(what):
    """Raise UserError where bitsandbytes is not installed."""
    try:
        with _quiet_warnings():
            import bitsandbytes  # noqa: F401
    except ImportError:
        raise UserError(f"{what}: needs bitsandbytes; pip install -e '.[quantise]' in the workflow's folder") from None


def load_quantised(folder, how, device, config):
    """The model of a folder, quantised as transformers' config `how` says, on a device in eval mode."""
    from transformers import AutoModelForCausalLM

    quiet()
    check_whole(folder)
    options = {"config": config, "dtype": "float32", "device_map": {"": str(device)}}
    options |= {"local_files_only": True, "trust_remote_code": False}
    try:
        with _quiet_warnings():
            model = AutoModelForCausalLM.from_pretrained(str(folder), quantization_config=how, **options)
    except Exception as error:  # one cause, a model that cannot be quantised, shows in many ways
        raise UserError(f"{folder}: cannot be quantised ({_reason(error)})") from error
    return model.eval()


def place(model, device, dtype=None):
    """`model` on a device and in a type; a quantised one has types of its own and is moved alone."""
    return model.to(device) if getattr(model, "is_quantized", False) or dtype is None else model.to(device, dtype)


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


def stored_type(folder):
    """The torch dtype that most of a folder's weights are stored in; where no safetensors tell, its config's."""
    import torch
    from safetensors import safe_open

    counts = collections.Counter()
    for path in weight_files(folder):
        if path.suffix == ".safetensors":
            with safe_open(path, "numpy") as file:
                for name in file.keys():  # noqa: SIM118 - no mapping
                    piece = file.get_slice(name)
                    counts[piece.get_dtype()] += math.prod(piece.get_shape())
    if not counts:
        return load_config(folder).dtype or torch.float32
    return getattr(torch, _STORED[counts.most_common(1)[0][0]])


def _refuse_packed(folder):
    """Raise UserError where a weight is stored in integers or 8-bit floats: without a quantization_config in
    config.json, nobody knows what its numbers mean."""
    from safetensors import safe_open

    for path in weight_files(folder):
        if path.suffix != ".safetensors":
            continue
        with safe_open(path, "numpy") as file:
            for name in file.keys():  # noqa: SIM118 - no mapping
                kind = file.get_slice(name).get_dtype() if name.endswith(".weight") else "F32"
                if kind not in _STORED:
                    raise UserError(
                        f"{path}: {name} is stored as {kind}, and config.json does not say how it is quantised; give "
                        "the model in float32, bfloat16 or float16"
                    )
