"""Low-rank adapters (LoRA: Hu et al. 2021, arXiv 2106.09685), by peft, on weights in full precision or in few bits
(QLoRA: Dettmers et al. 2023, arXiv 2305.14314).

The layers of the model are wrapped where they stand, so that it keeps its class, its body and its head. What is written
in the end is a plain model: every weight in full precision, with the adapter's change added; by choice the adapter
itself lies in a folder within.
"""

import contextlib
import copy
import warnings
from pathlib import Path

from codestill.kit.files import write_json
from codestill.kit.model_files import ADAPTER_FILES
from codestill.kit.program import UserError
from codestill.models.loading import load_model
from codestill.models.quantisation import bits_of, differentiable, load_in_bits
from codestill.models.sparsity import linears

CONFIG, FILE = ADAPTER_FILES  # a checkpoint has the second alone: what is trained, and nothing else


def load_adapted(folder, adapter, load_in, device, dropout, seed, dtype="float32"):
    """The model of a folder with a new adapter (an `Adapter` of the config), whose weights alone are trained.

    load_in: nf4, what the frozen weights are held in; None: float32, or as the folder has them. dtype: torch's name of
    the type of products with weights in nf4. Raises UserError where no layer fits the adapter, or they are in int8.
    """
    peft = _peft()
    if (load_in or bits_of(folder)) == "int8":
        raise UserError(
            f"{folder}: an adapter learns on whole weights or on nf4; int8 rounds what its layers are given, too, so "
            "that no plain model could be written that equals it"
        )
    if load_in:
        model = load_in_bits(folder, load_in, device, dropout, dtype)
    else:
        model = differentiable(load_model(folder, dropout=dropout, quantised=True))
    from transformers import set_seed

    how = peft.LoraConfig(
        r=adapter.rank,
        lora_alpha=adapter.alpha or 2 * adapter.rank,
        lora_dropout=adapter.dropout,
        target_modules=_targets(model, adapter.targets, folder),
    )
    set_seed(seed)
    with warnings.catch_warnings():  # that GPT-2's layers lie transposed, which peft finds out by itself
        warnings.simplefilter("ignore")
        model.add_adapter(how)
    return model.eval()


def _peft():
    try:
        import peft
    except ImportError:
        raise UserError("adapter: needs peft; pip install -e '.[adapters]' in the workflow's folder") from None
    return peft


def _targets(model, asked, folder):
    """Full names of the layers that get an adapter. Raises UserError where a name fits none."""
    linear = list(linears(model))
    known = list(dict.fromkeys(name.rpartition(".")[2] for name in linear))
    for name in asked or known:
        if name not in known:
            raise UserError(
                f"{folder}: no linear layer is called {name!r} (adapter.targets); it has {', '.join(known)}"
            )
    if not linear:
        raise UserError(f"{folder}: no linear layer beside the head for an adapter; train all its weights")
    return [name for name in linear if name.rpartition(".")[2] in (asked or known)]


def is_adapted(model):
    """Whether an adapter alone is trained of a model."""
    return bool(getattr(model, "_hf_peft_config_loaded", False))


def trained(model):
    """{name: tensor} of what is trained."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def save_adapter(model, folder):
    """Write what is trained of a model."""
    from safetensors.torch import save_file

    Path(folder).mkdir(parents=True, exist_ok=True)
    save_file({name: one.detach().cpu().contiguous() for name, one in trained(model).items()}, Path(folder) / FILE)


def save_for_peft(model, base, folder):
    """Write the adapter as peft loads it (`PeftModel.from_pretrained(base, folder)`); base: the folder it began as."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    Path(folder).mkdir()
    found = get_peft_model_state_dict(model, adapter_name="default")
    found = {f"base_model.model.{name}": one.detach().cpu().float().contiguous() for name, one in found.items()}
    save_file(found, Path(folder) / FILE, metadata={"format": "pt"})
    told = model.peft_config["default"].to_dict()
    told = {name: sorted(one) if isinstance(one, set) else one for name, one in told.items()}
    write_json(Path(folder) / CONFIG, told | {"base_model_name_or_path": str(base), "inference_mode": True})


def restore_adapter(model, folder):
    """Give a model the adapter that `save_adapter` wrote. Raises UserError where it is another model's."""
    import torch
    from safetensors.torch import load_file

    found, own = load_file(Path(folder) / FILE), trained(model)
    if {name: one.shape for name, one in found.items()} != {name: one.shape for name, one in own.items()}:
        raise UserError(f"{folder}/{FILE}: the adapter of another model; remove the work folder")
    with torch.no_grad():
        for name, one in own.items():
            one.copy_(found[name])


def merged(model):
    """The plain model in float32, on the CPU, that computes what `model` computes with its adapter."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.pytorch_utils import Conv1D

    config, in_bits = copy.deepcopy(model.config), getattr(model, "is_quantized", False)
    with contextlib.suppress(AttributeError):
        del config.quantization_config
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    plain.generation_config = model.generation_config
    with torch.no_grad():
        for name, target in plain.state_dict().items():
            owner, _, leaf = name.rpartition(".")
            found = _merged_weight(model.get_submodule(owner), leaf)
            # GPT-2's layers lie transposed, but not in few bits.
            turned = in_bits and leaf == "weight" and isinstance(plain.get_submodule(owner), Conv1D)
            target.copy_(found.T if turned else found)
    return plain.eval()


def _merged_weight(layer, leaf):
    """One tensor of a layer in float32: with its adapter's change, where it is the weight of an adapted one."""
    from peft.tuners.lora.layer import LoraLayer
    from peft.utils.integrations import dequantize_module_weight

    adapted = isinstance(layer, LoraLayer)
    base = layer.get_base_layer() if adapted else layer
    if leaf != "weight":
        return getattr(base, leaf).float()
    found = dequantize_module_weight(base).float()
    return found + layer.get_delta_weight("default").float() if adapted else found
