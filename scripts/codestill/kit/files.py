"""Reading and writing files whole: what is half written is never seen under its final name."""

import contextlib
import gzip
import hashlib
import json
import os
import secrets
from pathlib import Path

from codestill.kit.program import UserError

MADE_AGAIN = "delete it, and run again what made it"
# Where the maker of a study's rows wrote down how many there are: (the folder they lie in, the account as seen from
# there, the way to the figure in it).
_ACCOUNTS = (
    ("inputs/corpus", "accounting.json", ("kept", "{name}")),
    ("tasks/*/corpus", "accounting.json", ("kept", "{name}")),
    ("inputs/sources", "../manifests/source-{name}.json", ("functions",)),
    ("inputs/benchmarks", "../manifests/benchmark-{name}.json", ("problems",)),
    ("tokens", "accounting.json", ("splits", "{name}", "rows")),
    ("samples/*", "{name}.protocol.json", ("samples",)),
    ("verdicts/*", "../../scores/{folder}/{name}.json", ("n_samples",)),
)


@contextlib.contextmanager
def atomic(path, mode="w"):
    """Open a temporary file beside `path` and rename it to `path` once the block ends without an error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.part")
    encoding = None if "b" in mode else "utf-8"
    try:
        with open(temporary, mode, encoding=encoding) as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path, value):
    """Write `value` as indented JSON with a final newline; NaN is refused, since JSON has none."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    with atomic(path) as handle:
        handle.write(text + "\n")


def read_json(path):
    """The object in a JSON file, as a dict. Raises UserError where it is missing, torn or no object."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not JSON ({error}); {MADE_AGAIN}") from None
    if not isinstance(found, dict):
        raise UserError(f"{path}: holds {found!r:.40}, where a JSON object belongs; {MADE_AGAIN}")
    return found


def rows_told(path):
    """How many rows the maker of a study's file, or folder of tokens, says that it has; None where nobody says."""
    path = Path(path)
    name = path.name.partition(".")[0]
    for place, account, way in _ACCOUNTS:
        if path.absolute().match(f"{place}/*"):
            account = account.format(name=name, folder=path.absolute().parent.name)
            told = Path(os.path.normpath(path.parent / account))
            found = read_json(told) if told.is_file() else {}
            for part in way:
                found = found.get(part.format(name=name)) if isinstance(found, dict) else None
            return found if isinstance(found, int) else None
    return None


def count_lines(path):
    """Whole lines of a file."""
    with open(path, "rb") as handle:
        return sum(1 for line in handle if line.endswith(b"\n") and line.strip())


def open_bytes(path):
    """A binary handle on `path`, unpacked where its first two bytes are gzip's."""
    try:
        with open(path, "rb") as probe:
            packed = probe.read(2) == b"\x1f\x8b"
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    return gzip.open(path, "rb") if packed else open(path, "rb")


def read_lines(path):
    """Yield (number, line) of each line that is not blank of a file, plain or gzip, as bytes; numbers count from 1.

    Raises UserError where it is torn, and behind the last line where its maker says that there are more.
    """
    number = rows = 0
    with open_bytes(path) as handle:
        try:
            for number, line in enumerate(handle, 1):
                if line.strip():
                    rows += 1
                    yield number, line
        except (ValueError, EOFError, OSError) as error:
            raise UserError(f"{path}:{number}: not a JSON line ({error}); {MADE_AGAIN}") from None
    told = rows_told(path)
    if told not in (None, rows):
        raise UserError(f"{path}: {rows:,} rows in place of {told:,}: torn; {MADE_AGAIN}")


def row_of(path, number, line):
    """The JSON object of one line of `path`. Raises UserError where it is none, or in another encoding than UTF-8."""
    try:
        row = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except UnicodeDecodeError as error:
        byte = f"byte 0x{error.object[error.start]:02x} at {error.start}"
        raise UserError(
            f"{path}:{number}: not UTF-8 ({byte}); write it anew in UTF-8 (from Latin-1: iconv -f latin1 -t utf-8)"
        ) from None
    except ValueError as error:
        raise UserError(f"{path}:{number}: not a JSON line ({error}); {MADE_AGAIN}") from None
    if not isinstance(row, dict):
        raise UserError(f"{path}:{number}: holds {row!r:.40}, where a JSON object belongs; correct it")
    return row


def read_jsonl(path):
    """Yield the rows, JSON objects, of a JSON-lines file in UTF-8 (a byte order mark may lead), plain or gzip.

    Raises UserError that names the line that is torn or in another encoding, and behind the last row where its maker
    says that there are more.
    """
    return (row_of(path, number, line) for number, line in read_lines(path))


def line_chunks(path, skip=0, lines=1000, size=2**20):
    """Yield lists [(number, line), ...] of a JSON-lines file behind its first `skip` lines that are not blank.

    A list has `lines` of them, or as many as hold `size` bytes: always the same lists of the same file.
    """
    chunk, held = [], 0
    for count, (number, line) in enumerate(read_lines(path)):
        if count < skip:
            continue
        chunk.append((number, line))
        held += len(line)
        if len(chunk) == lines or held >= size:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk


def count_jsonl(path):
    """Rows of a JSON-lines file, plain or gzip; 0 where it is absent or cannot be read: whoever reads it says why."""
    if not path or not Path(path).is_file():
        return 0
    try:
        with open_bytes(path) as handle:
            return sum(1 for line in handle if line.strip())
    except (OSError, EOFError):
        return 0


def write_jsonl(path, rows):
    """Write `rows` as JSON lines, gzip where the name ends in .gz; returns how many."""
    count, packed = 0, str(path).endswith(".gz")
    with contextlib.ExitStack() as stack:
        out = stack.enter_context(atomic(path, "wb"))
        if packed:  # mtime=0 and no name: the same rows give the same bytes, and so the same checksum
            out = stack.enter_context(gzip.GzipFile(filename="", fileobj=out, mode="wb", mtime=0))
        for row in rows:
            count += 1
            out.write((json.dumps(row, ensure_ascii=True, allow_nan=False) + "\n").encode())
    return count


def from_here(path):
    """A path as told from the working directory where it lies within it, so that a study's folder can be moved."""
    path, here = Path(path), Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def sha256(path):
    """The SHA-256 of a file, as hexadecimal digits."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
