"""What the programs of a rule find around them."""

import json
import os
import sys
from pathlib import Path

from codestill.kit.program import FIELDS
from codestill.study.remedies import fields_of_programs


def prepare():
    """Set the environment that every job inherits.

    `python` is the one that runs Snakemake, activated or not (a conda environment still comes before it), and the
    hub's libraries are offline: only the download rules lift that. The programs' remedies name fields of the config.
    """
    folder = str(Path(sys.executable).parent)
    search = os.environ.get("PATH", "").split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join([folder, *(part for part in search if part != folder)])
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ[FIELDS] = json.dumps(fields_of_programs())
