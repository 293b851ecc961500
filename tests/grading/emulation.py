"""Pools for users and on kernels that this machine does not have, each in a process of its own (run_pool.py).

The library is copied to where every user can read it, with `landlock.abi` changed where an older kernel is asked for.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared_data import ROOT

USER = 12345


@dataclass(frozen=True)
class Machine:
    """A level of isolation, by which user (None: this one), on a kernel with which Landlock (None: its own)."""

    level: str
    user: int | None = None
    landlock: int | None = None

    def __str__(self):
        by = "root" if self.user is None and os.getuid() == 0 else "user"
        return f"{self.level}, {by}" + (f", Landlock {self.landlock}" if self.landlock else "")


def open_python():
    """A Python that every user can run, or None: root's own may lie where others cannot look."""
    for path in (sys.executable, "/usr/bin/python3.11", "/usr/bin/python3"):
        real = Path(path).resolve()
        folders = [*real.parents, *Path(sys.base_prefix).parents] if path == sys.executable else real.parents
        if real.exists() and all(folder.stat().st_mode & 0o001 for folder in folders):
            return path
    return None


def _library(folder, landlock):
    """A copy of what a pool needs; returns the folder to import from."""
    import tqdm

    if folder.exists():
        return folder
    for room in ("kit", "grading"):
        shutil.copytree(ROOT / "scripts" / "codestill" / room, folder / "codestill" / room)
    (folder / "codestill" / "__init__.py").touch()
    shutil.copytree(Path(tqdm.__file__).parent, folder / "tqdm")
    shutil.copy(Path(__file__).with_name("run_pool.py"), folder)
    if landlock is not None:
        with open(folder / "codestill" / "grading" / "sandbox" / "kernel" / "landlock.py", "a") as handle:
            handle.write(f"\n\n_own = abi\n\n\ndef abi():\n    return min(_own(), {landlock})\n")
    subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
    return folder


def command(machine, folder):
    """(command, further arguments of subprocess) for a pool's program on a machine. Skips where it is not to be had."""
    python = open_python()
    if python is None:
        pytest.skip("no Python here that every user can run")
    library = _library(folder / "library", machine.landlock)
    temporary = folder / "temporary"  # what other graders leave in the machine's own is not looked at
    temporary.mkdir(exist_ok=True)
    temporary.chmod(0o1777)
    environment = {"PYTHONPATH": str(library), "PATH": os.environ["PATH"], "TMPDIR": str(temporary)}
    environment["CODESTILL_SECRET"] = "hunter2-of-the-tests"
    more = {"env": environment, "cwd": "/"}
    if machine.user is not None and os.getuid() == 0:
        more |= {"user": machine.user, "group": machine.user, "extra_groups": []}
    return [python, "-B", library / "run_pool.py"], more


def sessions(number):
    """The processes of a session."""
    found = set()
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(pid) == number:
                found.add(pid)
    return found


@contextlib.contextmanager
def open_folder():
    """A temporary folder that every user can reach, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


@contextlib.contextmanager
def pool(machine, folder, **asked):
    """A pool at work on a machine, as a subprocess and the first of a session; `asked` is what run_pool.py reads."""
    line, more = command(machine, folder)
    pipe = subprocess.PIPE
    with subprocess.Popen(line, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True, **more) as process:
        process.stdin.write(json.dumps({"level": machine.level, **asked}).encode())
        process.stdin.close()
        process.stdin = None
        yield process


def graded(machine, folder, problem, sources, timeout, memory=512 << 20):
    """({name: outcome} of programs by name on a machine, processes left behind)."""
    asked = {"problem": problem, "sources": sources, "timeout": timeout, "memory": memory, "count": 2}
    with pool(machine, folder, **asked) as process:
        output, errors = process.communicate(timeout=300)
    if process.returncode == 3:
        pytest.skip(f"not offered here: {output.decode()}")
    assert process.returncode == 0, errors.decode()[-2000:]
    return json.loads(output), sessions(process.pid)
