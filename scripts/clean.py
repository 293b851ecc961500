"""Free what a study can make again: checkpoints and unfinished work, drafts of killed jobs, the teacher's states.

    python scripts/clean.py --results results/demo
    python scripts/clean.py --results results/demo --states
    python scripts/clean.py --results results/demo --dry_run

Nothing that a finished study's report stands on goes. With --states the teacher's stored states go too; a taught cell
that is added later then trains all of them anew, since Snakemake follows what is made again. Refused while a job of the
study is at work.
"""

import shutil
from pathlib import Path

from codestill.kit.program import UserError, log, parser, run

KEPT = ("plan",)  # below work/: what later plans calibrate themselves by
STALE = (".writing-*", ".*.part")


def size(path):
    """Bytes of a file, or of all files of a folder."""
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file() and not one.is_symlink()]
    return sum(one.stat().st_size for one in files)


def to_free(results, states):
    """[(path, bytes)] of what can be made again below a study's results."""
    found = [path for path in (results / "work").glob("*") if path.name not in KEPT]
    for pattern in STALE:
        found += [path for path in results.rglob(pattern) if not path.is_relative_to(results / "work")]
    if states and (results / "teacher_states").is_dir():
        found.append(results / "teacher_states")
    return [(path, size(path)) for path in found]


def main():
    """The program."""
    options = parser(__doc__)
    options.add_argument("--results", required=True, type=Path, help="the study's results folder")
    options.add_argument("--states", action="store_true", help="the teacher's stored states, too")
    options.add_argument("--dry_run", action="store_true", help="only say what would go")
    arguments = options.parse_args()
    from codestill.cluster.progress import look

    results = arguments.results.absolute()
    if results.parent.name != "results":
        raise UserError(f"--results {arguments.results}: give a study's folder, results/STUDY")
    found = look(results.name, results.parent.parent)
    if found.running:
        job = found.running[0]
        raise UserError(f"{results}: {job.rule} {job.name} is at work on {job.host}; wait for it, or end it")
    total = 0
    for path, count in to_free(results, arguments.states):
        total += count
        log(f"{count / 2**20:10,.1f} MiB  {path.relative_to(results)}")
        if not arguments.dry_run:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    log(f"{total / 2**20:10,.1f} MiB {'would be' if arguments.dry_run else 'were'} freed")


if __name__ == "__main__":
    run(main)
