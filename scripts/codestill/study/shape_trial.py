"""Is there a model of a config's shape? Tried before any job, without weights, in a process of its own.

The process imports torch, which the workflow never does; what it finds is kept in the user's cache by its question, so
that each shape costs a few seconds once.
"""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

from codestill.kit.files import write_json
from codestill.kit.imports import SCRIPTS
from codestill.kit.program import UserError
from codestill.study.config_files import named

PROGRAM = "codestill.models.meta_trial"


def try_shapes(study, origin):
    """Raise UserError for the first shape of a study that no model has, or that has fewer positions than its rows."""
    for name, part in study.bases.items():
        if part.shape is not None:
            base = name if name in ("teacher", "student") else f"models.{name}"
            asked = {"shape": part.shape, "rows": study.vocabulary.size, "tokens": study.tokens.max_seq_length}
            asked["base"] = base
            wrong = answer(asked)
            if wrong:
                field, message = wrong
                where = tuple(field.split("."))
                raise UserError(f"{named(origin, where)}: {field}: {message}")


def answer(asked):
    """[field, what is wrong] of one question, [] where nothing is; from the cache, or tried now."""
    versions = [importlib.metadata.version(name) for name in ("torch", "transformers")]
    key = json.dumps([asked, versions, (SCRIPTS / "codestill/models/meta_trial.py").read_text(encoding="utf-8")])
    home = Path(os.environ.get("CODESTILL_CACHE") or Path.home() / ".cache/codestill")
    kept = home / "shapes" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
    try:
        return json.loads(kept.read_text(encoding="utf-8"))["wrong"]
    except (OSError, ValueError, KeyError, TypeError):
        pass  # never asked, or torn
    path = os.pathsep.join([str(SCRIPTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    quiet = ["-B"] if sys.dont_write_bytecode else []  # a plan leaves no file behind
    done = subprocess.run(
        [sys.executable, *quiet, "-m", PROGRAM], input=json.dumps(asked), capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    if done.returncode:
        return []  # it could not be tried here: the job that builds the model says why
    wrong = json.loads(done.stdout.splitlines()[-1])
    with contextlib.suppress(OSError):  # a home that cannot be written to: tried again next time
        write_json(kept, {"wrong": wrong})
    return wrong
