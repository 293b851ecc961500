"""Benchmarks that are published as one file at one address, brought once and checked by content."""

import gzip
import hashlib
import os
import urllib.request
from pathlib import Path

from codestill.kit.program import UserError

_EVALPLUS = "https://github.com/evalplus/{0}_release/releases/download/{1}/{2}.jsonl.gz"
# name: (address, SHA-256 of the text)
RELEASES = {
    "humaneval+": (
        _EVALPLUS.format("humanevalplus", "v0.1.10", "HumanEvalPlus"),
        "42526ec0e7d5f3ee0b06d6ced98f8c8bae3d76519151bfb3d36f79010645bd7f",
    ),
    "mbpp+": (
        _EVALPLUS.format("mbppplus", "v0.2.0", "MbppPlus"),
        "b54e762755248ca411b523c917fa9f93c07b5ff2966bf60b3917b853926a3dad",
    ),
    "mbpp": (
        "https://raw.githubusercontent.com/google-research/google-research/master/mbpp/mbpp.jsonl",
        "0b5e07b5b40fedd01c57b7c9177b79f8b2eebd72c304c928605d91a7237d2f33",
    ),
}


def folder():
    """Where they are kept: `$CODESTILL_BENCHMARKS`, else codestill/benchmarks in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("CODESTILL_BENCHMARKS") or Path(cache) / "codestill" / "benchmarks")


def released(name):
    """The path of a release's file, which is brought where it is not there yet. Raises UserError where it cannot be."""
    address, expected = RELEASES[name]
    path = folder() / (name.replace("+", "_plus") + ".jsonl.gz")
    if not path.exists():
        try:
            with urllib.request.urlopen(address, timeout=60) as answer:
                data = answer.read()
        except OSError as error:
            raise UserError(
                f"benchmark {name}: {address} cannot be reached ({error}); bring the file here and name it instead"
            ) from None
        _keep(path, data if data[:2] == b"\x1f\x8b" else gzip.compress(data))
    with gzip.open(path) as text:
        found = hashlib.file_digest(text, "sha256").hexdigest()
    if found != expected:
        raise UserError(f"{path}: not the release of {name} that is known here (SHA-256 {found[:12]}...); delete it")
    return str(path)


def _keep(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_bytes(data)
    part.rename(path)
