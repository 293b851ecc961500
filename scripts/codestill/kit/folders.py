"""Folders of files that belong together, written whole: nothing half written is seen under a final name."""

import contextlib
import os
import secrets
import shutil
import time
from pathlib import Path

STALE = 86_400.0  # seconds after which a draft is what a killed process left
LAST = "provenance.json"  # moved behind all others: where it is, all is


def replace_within(source, target, name):
    """Give the folder `target` the folder `name` that `source` has, or none where that has none."""
    shutil.rmtree(Path(target) / name, ignore_errors=True)
    if (Path(source) / name).is_dir():
        shutil.copytree(Path(source) / name, Path(target) / name)


@contextlib.contextmanager
def whole_folder(output, within=()):
    """Yield an empty folder; when the block ends without an error its files move into `output`, one step each.

    Files of the same names there are replaced, others stay: several programs may write into one folder. within: names
    of folders that it may hold; an old one goes, whether a new one comes or not. Nothing is left of the draft on an
    error, nor of an old one that was left when its process was killed.
    """
    output = Path(output)
    made = not output.exists()
    output.mkdir(parents=True, exist_ok=True)
    for draft in output.glob(".writing-*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - draft.stat().st_mtime > STALE:
                shutil.rmtree(draft, ignore_errors=True)
    draft = output / f".writing-{secrets.token_hex(4)}"
    draft.mkdir()
    try:
        yield draft
        umask = os.umask(0)
        os.umask(umask)
        for name in within:
            shutil.rmtree(output / name, ignore_errors=True)
        for path in sorted(draft.iterdir(), key=lambda path: (path.name == LAST, path.name)):
            for file in path.iterdir() if path.is_dir() else [path]:
                file.chmod(0o666 & ~umask)  # safetensors makes files that only their owner can read
            os.replace(path, output / path.name)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        if made:
            with contextlib.suppress(OSError):
                output.rmdir()  # where nothing was written
