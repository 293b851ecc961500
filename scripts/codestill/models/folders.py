"""Model folders: read, copied and written whole."""

import shutil
import sys
from pathlib import Path

from codestill.kit.files import read_json
from codestill.kit.model_files import CONFIG_AND_WEIGHTS, TOKENIZER_FILES


def made_since(folder, since):
    """Whether this process's own command has filled a model folder after the moment `since` (seconds of the epoch)."""
    record = Path(folder) / "provenance.json"
    return record.is_file() and record.stat().st_mtime > since and read_json(record)["command"] == sys.argv


def save_weights(model, folder):
    """Write config.json, generation_config.json and one model.safetensors."""
    from transformers import GenerationConfig

    model.save_pretrained(folder, max_shard_size="1000TB")
    if not (Path(folder) / "generation_config.json").is_file():
        (model.generation_config or GenerationConfig.from_model_config(model.config)).save_pretrained(folder)


def copy_tokenizer(source, folder):
    """Copy a tokenizer's files; one that is not wholly described by its tokenizer.json is saved so that it is."""
    from codestill.models.tokenizers import is_plain, load_tokenizer, save_tokenizer

    if not is_plain(source):
        return save_tokenizer(load_tokenizer(source), folder)
    for name in TOKENIZER_FILES:
        if (Path(source) / name).is_file():
            shutil.copyfile(Path(source) / name, Path(folder) / name)


def can_copy(source):
    """Whether a model folder holds the files of the layout already, in one piece."""
    return all((Path(source) / name).is_file() for name in CONFIG_AND_WEIGHTS)


def copy_model(source, folder):
    """Copy a model's weights and configs unchanged."""
    for name in CONFIG_AND_WEIGHTS:
        shutil.copyfile(Path(source) / name, Path(folder) / name)
