"""A model brought from the hub or a folder, saved again in one layout: one model.safetensors, a fast tokenizer."""

import os
import sys
from pathlib import Path

from codestill.kit.files import sha256
from codestill.kit.folders import whole_folder
from codestill.kit.program import UserError, log
from codestill.models.hub import fetch_model

FILES = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


def bring_model(name, revision, output):
    """Load the model `name` at `revision` and save it into `output`; returns the facts for its manifest.

    A folder of this machine is taken as it is (`revision` has no meaning there). Raises UserError where it cannot be
    found or loaded, where it needs code of its own, or where its tokenizer has no fast form.
    """
    local = Path(name).is_dir()
    if not local and (name.startswith(("/", ".", "~")) or name.count("/") > 1):
        raise UserError(f"--name {name}: no such folder; give an existing folder or a hub name OWNER/NAME")
    if local and revision:
        raise UserError(f"--revision {revision}: a local folder ({name}) has no revisions; leave it out")
    folder, commit = (name, None) if local else fetch_model(name, revision)
    log(f"loading {name}" + (f" at commit {commit}" if commit else ""))
    with whole_folder(output) as temporary:
        parameters = _save_again(folder, name, temporary)
        missing = [file for file in FILES if not (temporary / file).exists()]
        if missing:
            raise UserError(
                f"model {name}: saving it gave no {', '.join(missing)}; choose a model with a fast tokenizer"
            )
        checksums = {path.name: sha256(path) for path in sorted(temporary.iterdir())}
    facts = {"name": name, "requested_revision": revision, "revision": commit, "parameters": parameters}
    return {**facts, "files": checksums}


def _save_again(folder, name, output):
    """Load the model and the tokenizer of `folder` and save both into `output`; returns the number of parameters."""
    # PyTorch weights are loaded as they are: no asking the hub for a conversion.
    os.environ["DISABLE_SAFETENSORS_CONVERSION"] = "1"
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
    from transformers.utils import logging

    if not sys.stderr.isatty():
        logging.disable_progress_bar()
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype="auto")
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, ImportError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"model {name}: transformers cannot load it as a causal language model: {reason}") from None
    if not tokenizer.is_fast:
        raise UserError(f"model {name}: its tokenizer has no fast form (tokenizer.json); choose a model that has one")
    model.save_pretrained(output, max_shard_size="1000TB")
    tokenizer.save_pretrained(output)
    (model.generation_config or GenerationConfig.from_model_config(model.config)).save_pretrained(output)
    return sum(parameter.numel() for parameter in model.parameters())
