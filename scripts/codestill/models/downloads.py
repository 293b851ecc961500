"""A model brought from the hub or a folder, saved again in one layout: one model.safetensors, a fast tokenizer."""

import os
from pathlib import Path

from codestill.kit.files import sha256
from codestill.kit.folders import whole_folder
from codestill.kit.model_files import MODEL_FILES
from codestill.kit.program import UserError, log
from codestill.models.hub import fetch_model


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
        missing = [file for file in MODEL_FILES if not (temporary / file).exists()]
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
    from codestill.models.folders import save_weights
    from codestill.models.loading import load_model
    from codestill.models.tokenizers import load_tokenizer, save_tokenizer

    try:
        model = load_model(folder, dtype="auto")
        tokenizer = load_tokenizer(folder)
    except UserError as error:
        raise UserError(str(error) if folder == name else f"model {name}: {error}") from None
    save_weights(model, output)
    save_tokenizer(tokenizer, output)
    return sum(parameter.numel() for parameter in model.parameters())
