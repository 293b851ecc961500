"""Outputs in a study's folder that no job of the study makes or asks for, with their size."""

import os
from collections import Counter
from pathlib import Path

# Folders below results/<study> whose files belong to the folder that they lie in, declared or not.
OWNED = ("models", "tokens", "inputs/models", "teacher_states")
FLAT = ("samples", "verdicts", "scores", "language", "validation", "efficiency", "inputs/sources", "inputs/benchmarks")
WORK = "work"
BOOKS = ("plan", "attempts")  # of no one job: the workflow's records


def _size(entry):
    return entry.stat(follow_symlinks=False).st_size


def stranded(results, jobs):
    """{path: bytes} of folders and files of the study that none of `jobs` makes, largest first.

    A folder of OWNED is stranded as a whole where no job writes into it; a file of FLAT where no job writes it; a
    work folder where no job is given it.
    """
    home = Path(results)
    made = {str(path) for job in jobs for path in job.output}
    folders = {os.path.dirname(path) for path in made}
    work = {job.work for job in jobs if job.work}
    found = Counter()
    for top in OWNED:
        if (home / top).is_dir():
            for path in (home / top).iterdir():
                if path.is_dir() and str(path) not in folders:
                    found[str(path)] = _tree(path)
    for top in FLAT:
        for path in (home / top).rglob("*") if (home / top).is_dir() else ():
            if path.is_file() and str(path) not in made and not path.name.startswith("."):
                found[str(path)] = _size(path)
    above = {str(parent) for path in work for parent in Path(path).parents}
    for path in _unasked(home / WORK, work, above):
        found[str(path)] = _tree(path)
    return dict(found.most_common())


def _unasked(folder, work, above):
    """The topmost entries below a work folder that are neither a job's own nor above one."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if str(path) in above:
            yield from _unasked(path, work, above)
        elif str(path) not in work and path.name not in BOOKS:
            yield path


def _tree(path):
    """Bytes of a file or of all files below a folder; a file with several names counts once for each."""
    if path.is_file():
        return _size(path)
    return sum(_size(Path(folder) / name) for folder, _, names in os.walk(path) for name in names)
