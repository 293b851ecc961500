"""Files of weights: which ones a model is loaded from, whether they are whole, and what a model is.

Transformers draws at random what a file lacks, leaves what it does not know, and says so in a warning. Here a model
whose weights do not fit it is refused.
"""

import hashlib
import json
from pathlib import Path

from codestill.kit.files import read_json, sha256
from codestill.kit.program import UserError
from codestill.kit.whole import check_file

# In this order, as transformers looks for them.
_NAMES = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
_WRAPPERS = ("_orig_mod.", "module.", "base_model.model.")  # of torch.compile, data parallel training, peft
_REMEDY = "give the folder the config.json that belongs to its weights, or fetch both again"
# Buffers of older checkpoints that are computed and never learned.
_COMPUTED = ("inv_freq", "position_ids", "masked_bias", "causal_mask")
# Fields of a config.json that say how the file came about, and nothing about what the model computes.
_NOT_IDENTITY = ("_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version", "use_cache")


def weight_files(folder):
    """The files of weights that a folder's model is loaded from. Raises UserError where there are none, or not all."""
    folder = Path(folder)
    found = next((folder / name for name in _NAMES if (folder / name).is_file()), None)
    if found is None:
        adapter = " (only an adapter: merge it into its base model)" if _is_adapter(folder) else ""
        raise UserError(f"{folder}: no model.safetensors; give a model folder in Hugging Face format{adapter}")
    if found.suffix != ".json":
        return [found]
    parts = read_json(found).get("weight_map")
    if not isinstance(parts, dict):
        raise UserError(f'{found}: "weight_map" is missing; fetch the model again')
    files = [folder / name for name in sorted(set(parts.values()))]
    missing = [path.name for path in files if not path.is_file()]
    if missing:
        raise UserError(f"{found}: {missing[0]} is missing ({len(missing)} of {len(files)} parts); fetch it again")
    return files


def weights_on_disk(folder):
    """Bytes of the weight files of a model folder. Raises UserError where there is none."""
    return sum(path.stat().st_size for path in weight_files(folder))


def _is_adapter(folder):
    return (folder / "adapter_config.json").is_file()


def check_whole(folder):
    """Raise UserError where a file of a folder's weights is torn, or a git-lfs pointer in place of the file, or where
    an adapter lies beside them, which transformers would load over them."""
    files = weight_files(folder)
    if _is_adapter(Path(folder)):
        raise UserError(
            f"{folder}: {files[0].name} and adapter_config.json: whole weights or an adapter? Move the adapter's files "
            "to another folder, or merge it"
        )
    for path in files:
        check_file(path)


def weights_checksum(folder):
    """sha256 of a model's weights: of its one file, or of the list of its parts' checksums."""
    digests = [sha256(path) for path in weight_files(folder)]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def model_identity(folder):
    """sha256 of all that decides what a model computes: its weights, and its config (rope, eps, softcaps, ...)."""
    found = read_json(Path(folder) / "config.json")
    config = {name: value for name, value in found.items() if name not in _NOT_IDENTITY}
    text = json.dumps([weights_checksum(folder), config], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def refuse_misfits(folder, model, report):
    """Raise UserError where a model's weights did not fit it; `report` is transformers' output_loading_info."""
    buffers = {name for name, _ in model.named_buffers()}
    unexpected = [
        name for name in report["unexpected_keys"] if name not in buffers and name.rsplit(".", 1)[-1] not in _COMPUTED
    ]
    mismatched = [entry[0] if isinstance(entry, tuple | list) else entry for entry in report["mismatched_keys"]]
    for what, names in (
        ("are missing", report["missing_keys"]),
        ("belong to no part of the model", unexpected),
        ("have another shape than config.json gives them", mismatched),
    ):
        if names:
            wrapper = next((one for one in _WRAPPERS if any(name.startswith(one) for name in unexpected)), None)
            remedy = f"save the model without its wrapper (names begin with {wrapper})" if wrapper else _REMEDY
            raise UserError(f"{folder}: {len(names)} weights {what}, first {min(names)}; {remedy}")


def refuse_not_finite(folder, model):
    """Raise UserError where a weight, or a buffer that is saved with the weights, is NaN or infinite."""
    for name, weight in model.state_dict().items():
        if weight.is_floating_point() and not bool(weight.isfinite().all()):
            raise UserError(
                f"{folder}: {name} holds NaN or infinite values; the model is broken, fetch or train it again"
            )
