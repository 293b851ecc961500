"""Model folders: read, copied and written whole."""

import contextlib
import os
import secrets
import shutil
import sys
from pathlib import Path

from codestill.kit.files import read_json, sha256
from codestill.kit.program import UserError

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "chat_template.jinja",
)
MODEL_FILES = ("config.json", "generation_config.json", "model.safetensors")


@contextlib.contextmanager
def folder_being_written(output_dir):
    """A hidden folder inside `output_dir`; at the end of the block each of its files moves up, in one step each.

    Nothing is left of it on an error, nor of one that an earlier process left when it was killed.
    """
    output_dir = Path(output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    for stale in output_dir.glob(".writing-*"):
        shutil.rmtree(stale, ignore_errors=True)
    draft = output_dir / f".writing-{secrets.token_hex(4)}"
    draft.mkdir()
    try:
        yield draft
        umask = os.umask(0)
        os.umask(umask)
        # provenance.json last: where it is, all is.
        for path in sorted(draft.iterdir(), key=lambda path: path.name == "provenance.json"):
            path.chmod(0o666 & ~umask)  # safetensors makes files that only their owner can read
            os.replace(path, output_dir / path.name)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def made_since(folder, since):
    """Whether this process's own command has filled a model folder after the moment `since` (seconds of the epoch)."""
    record = Path(folder) / "provenance.json"
    return record.is_file() and record.stat().st_mtime > since and read_json(record)["command"] == sys.argv


def save_model(model, folder):
    """Write config.json, generation_config.json and one model.safetensors."""
    model.save_pretrained(folder, max_shard_size="1000GB")
    if not (Path(folder) / "generation_config.json").is_file():
        model.generation_config.save_pretrained(folder)


def copy_tokenizer(source, folder):
    """Copy a tokenizer's files; one without tokenizer.json is converted to it."""
    if (Path(source) / "tokenizer.json").is_file() and (Path(source) / "tokenizer_config.json").is_file():
        for name in TOKENIZER_FILES:
            if (Path(source) / name).is_file():
                shutil.copyfile(Path(source) / name, Path(folder) / name)
        return
    from transformers import AutoTokenizer

    try:
        AutoTokenizer.from_pretrained(source, local_files_only=True).save_pretrained(folder)
    except (OSError, ValueError) as error:
        raise UserError(f"{source}: no tokenizer ({str(error).splitlines()[0]})") from error


def can_copy(source):
    """Whether a model folder holds the files of the layout already, in one piece."""
    return all((Path(source) / name).is_file() for name in MODEL_FILES)


def copy_model(source, folder):
    """Copy a model's weights and configs unchanged."""
    for name in MODEL_FILES:
        shutil.copyfile(Path(source) / name, Path(folder) / name)


def model_checksum(folder):
    """sha256 of a model's weights: of model.safetensors, or of the list of its shards' checksums."""
    import hashlib

    files = sorted(Path(folder).glob("*.safetensors")) or sorted(Path(folder).glob("pytorch_model*.bin"))
    if not files:
        raise UserError(f"{folder}: no model.safetensors; give a model folder in Hugging Face format")
    digests = [sha256(path) for path in files]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def tokens_checksum(folder):
    """sha256 over the Arrow files of a token set."""
    import hashlib

    files = sorted(Path(folder).glob("*.arrow"))
    return hashlib.sha256("".join(sha256(path) for path in files).encode()).hexdigest()
