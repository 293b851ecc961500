"""Models in GGUF files: llama.cpp's format, here taken apart into float32 weights and a tokenizer.

The reader is transformers', on the optional package `gguf` (pip install -e '.[gguf]').
"""

import importlib.util
from pathlib import Path

from codestill.kit.model_files import PACKAGE
from codestill.kit.program import UserError
from codestill.models.loading import quiet, short
from codestill.models.weights import refuse_not_finite


def package_of(name):
    """PACKAGE of `package:PACKAGE/FILE`."""
    return name.removeprefix(PACKAGE).partition("/")[0]


def path_in_package(name):
    """The path of `package:PACKAGE/FILE`: what an installed Python package ships. The package is not imported."""
    package, rest = package_of(name), name.partition("/")[2]
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if not folders:
        raise UserError(f"--name {name}: no package {package!r} is installed; pip install it, or give a folder")
    found = next((path for folder in folders if (path := Path(folder, rest)).exists()), None)
    if found is None:
        shipped = sorted(path.name for folder in folders for path in Path(folder).iterdir() if path.suffix != ".py")
        raise UserError(f"--name {name}: {package} has no {rest!r}; it has {', '.join(shipped[:8]) or 'no files'}")
    return found


def gguf_file(path):
    """The GGUF file that a path means: itself, or the only one of a folder without config.json; None for others."""
    path = Path(path)
    if path.suffix == ".gguf":
        return path
    found = sorted(path.glob("*.gguf")) if not (path / "config.json").is_file() else []
    if len(found) > 1:
        raise UserError(f"{path}: {len(found)} GGUF files; name one of them ({found[0].name}, ...)")
    return found[0] if found else None


def load_gguf(path):
    """(model in float32 and eval mode, tokenizer) of a GGUF file. Raises UserError where it cannot be read."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if importlib.util.find_spec("gguf") is None:
        raise UserError(f"{path}: a GGUF file needs the package gguf; pip install -e '.[gguf]'")
    with open(path, "rb") as handle:
        if handle.read(4) != b"GGUF":
            raise UserError(f"{path}: not a GGUF file; fetch it again")
    quiet()
    place = {"gguf_file": path.name, "local_files_only": True}
    try:
        read = AutoModelForCausalLM.from_pretrained(str(path.parent), dtype=torch.float32, **place)
        tokenizer = AutoTokenizer.from_pretrained(str(path.parent), **place)
    except Exception as error:  # torn files, unknown families and unknown types of weights show in many ways
        raise UserError(f"{path}: cannot be read as a model ({short(error)})") from error
    # The file's own quantisation is gone with reading it: a fresh config does not speak of it.
    fields = {name: value for name, value in read.config.to_dict().items() if name != "quantization_config"}
    model = AutoModelForCausalLM.from_config(type(read.config).from_dict(fields), dtype=torch.float32).eval()
    model.load_state_dict(read.state_dict())
    refuse_not_finite(path, model)
    return model, tokenizer
