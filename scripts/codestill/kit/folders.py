"""Folders of files that belong together, written whole: nothing half written is seen under a final name."""

import contextlib
import os
import secrets
import shutil
from pathlib import Path


@contextlib.contextmanager
def whole_folder(output):
    """Yield an empty folder beside `output`; when the block ends without an error its files move into `output`.

    Files of the same names there are replaced, others stay: several programs may write into one folder.
    """
    output = Path(output)
    temporary = output.with_name(f".{output.name[:200]}.{secrets.token_hex(4)}.part")
    temporary.mkdir(parents=True)
    try:
        yield temporary
        output.mkdir(parents=True, exist_ok=True)
        for path in sorted(temporary.iterdir()):
            os.replace(path, output / path.name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
