"""One file of a study's tables, passports, config and figures, from which its figures can be drawn elsewhere."""

import gzip
import io
import tarfile
from pathlib import Path

from codestill.kit.files import atomic
from codestill.kit.program import UserError


def contents(folder):
    """The files packed, as paths inside the results folder, sorted: the study, its whole report and the
    language measures, by whose functions models of two studies can be compared."""
    folder = Path(folder)
    if not (folder / "report" / "passport.json").exists():
        raise UserError(f"{folder}/report/passport.json: no such file; write the report first, scripts/report.py")
    kept = [path for path in (folder / "report").rglob("*") if path.is_file() and not path.name.endswith(".part")]
    inner = [path.relative_to(folder) for path in kept]
    inner += [Path(name) for name in ("study.json", "inputs/manifest.json") if (folder / name).exists()]
    inner += [path.relative_to(folder) for path in (folder / "language").glob("*.json")]
    return sorted(map(str, inner))


def pack(folder, output):
    """Write the archive; returns how many files it holds. The same files give the same bytes."""
    names = contents(folder)
    with (
        atomic(output, "wb") as handle,
        gzip.GzipFile(filename="", fileobj=handle, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name in names:
            content = (Path(folder) / name).read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return len(names)
