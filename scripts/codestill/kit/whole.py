"""Is a file whole? By what its format says, and by the account that its maker left beside it.

A program takes the paths of what it reads by `type=given`: what is torn there is told before any work. Formats whose
end shows (JSON, gzip, safetensors) tell it themselves. Rows of JSON lines or of tokens that were cut between two of
them do not; of these the maker wrote down how many there are.
"""

import json
import struct
from pathlib import Path

from codestill.kit.files import MADE_AGAIN, count_lines, read_json, rows_told
from codestill.kit.model_files import MODEL_FILES, TOKENIZER_FILES
from codestill.kit.program import UserError

_POINTER = b"version https://git-lfs"
_TEXTS = {name for name in (*MODEL_FILES, *TOKENIZER_FILES) if name.endswith(".json")} | {
    "model.safetensors.index.json",
    *("dataset_info.json", "state.json"),  # of tokens
    *("trainer_state.json", "train_results.json", "eval_results.json", "provenance.json"),  # of a trained model
}


def given(path):
    """`path` as it is, of a file or folder that a program will read. Raises UserError where something there is torn.

    What is not there, or of no format of ours, is left to whoever reads it.
    """
    place = Path(path)
    inside = place.is_dir()
    for file in sorted(place.iterdir()) if inside else [place]:
        if file.is_file() and (not inside or file.name in _TEXTS or _holds_weights(file)):
            check_file(file)
    return path


def _holds_weights(path):
    return path.suffix == ".safetensors" or path.match("pytorch_model*.bin")


def check_file(path):
    """Raise UserError where a file is a git-lfs pointer, or torn as far as its format or its account tells."""
    path = Path(path)
    with open(path, "rb") as handle:
        start = handle.read(64)
        if start.startswith(_POINTER):
            raise UserError(f"{path}: a git-lfs pointer, not the file itself; run `git lfs pull` there")
        if path.suffix == ".safetensors":
            _check_safetensors(path, handle, start)
    if path.suffix == ".json":
        read_json(path)
    elif path.suffix == ".bin" and _holds_weights(path) and not start.startswith((b"PK\x03\x04", b"\x80")):
        raise UserError(f"{path}: no file of PyTorch weights; fetch it again")
    elif path.suffix == ".jsonl":
        told = rows_told(path)
        found = count_lines(path) if told is not None else None
        if found != told:
            raise UserError(f"{path}: {found:,} whole rows in place of {told:,}: torn; {MADE_AGAIN}")


def _check_safetensors(path, handle, start):
    """The header's own account of a safetensors file: 8 bytes of length, JSON with offsets, then the tensors."""
    size, torn = path.stat().st_size, UserError(f"{path}: torn, or not a safetensors file; fetch or make it again")
    if len(start) < 8:
        raise torn
    length = struct.unpack("<Q", start[:8])[0]
    if length > size - 8:
        raise torn
    handle.seek(8)
    try:
        entries = json.loads(handle.read(length))
        end = max((entry["data_offsets"][1] for name, entry in entries.items() if name != "__metadata__"), default=0)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise torn from None
    if size != 8 + length + end:
        raise UserError(f"{path}: torn: {size:,} bytes in place of {8 + length + end:,}; fetch or make it again")
