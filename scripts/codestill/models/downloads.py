"""A model brought from the hub, a folder, a package or a GGUF file, saved again in one layout.

That is one model.safetensors, and a tokenizer that its tokenizer.json describes wholly.
"""

import os
from pathlib import Path

from codestill.kit.files import sha256
from codestill.kit.folders import whole_folder
from codestill.kit.licences import licence_of, package_origin
from codestill.kit.model_files import MODEL_FILES, PACKAGE
from codestill.kit.program import UserError, log
from codestill.models.gguf import gguf_file, load_gguf, package_of, path_in_package
from codestill.models.hub import fetch_model


def bring_model(name, revision, output):
    """Load the model `name` at `revision` and save it into `output`; returns the facts for its manifest.

    What lies on this machine (a folder, a GGUF file, `package:PACKAGE/FILE`) is taken as it is; `revision` has no
    meaning there. Raises UserError where it cannot be found or loaded, needs code of its own, or has no fast tokenizer.
    """
    here = path_in_package(name) if name.startswith(PACKAGE) else Path(name)
    local = here.is_dir() or here.suffix == ".gguf"
    if not here.exists() and (name.startswith(("/", ".", "~")) or name.count("/") > 1 or local):
        raise UserError(f"--name {name}: no such folder; give an existing folder or a hub name OWNER/NAME")
    if local and revision:
        raise UserError(f"--revision {revision}: a local folder ({name}) has no revisions; leave it out")
    if name.startswith(PACKAGE):
        source, hashes, (commit, licence) = here, None, package_origin(package_of(name))
    else:
        source, commit, hashes, licence = (here, None, None, licence_of(here)) if local else fetch_model(name, revision)
    log(f"loading {name}" + (f" at {commit}" if commit else ""))
    with whole_folder(output) as temporary:
        parameters = _save_again(source, name, temporary)
        missing = [file for file in MODEL_FILES if not (temporary / file).exists()]
        if missing:
            raise UserError(
                f"model {name}: saving it gave no {', '.join(missing)}; choose a model with a fast tokenizer"
            )
        checksums = {path.name: sha256(path) for path in sorted(temporary.iterdir())}
    facts = {"name": name, "requested_revision": revision, "revision": commit, "parameters": parameters}
    facts["license"] = licence
    origin = sha256(gguf_file(here)) if local and gguf_file(here) else None
    return {**facts, "hub_hashes": hashes, "origin_sha256": origin, "files": checksums}


def _save_again(source, name, output):
    """Load the model and the tokenizer of `source` and save both into `output`; returns the number of parameters."""
    # PyTorch weights are loaded as they are: no asking the hub for a conversion.
    os.environ["DISABLE_SAFETENSORS_CONVERSION"] = "1"
    from codestill.models.folders import save_weights
    from codestill.models.loading import load_model
    from codestill.models.tokenizers import load_tokenizer, save_tokenizer

    try:
        packed = gguf_file(source)
        model, tokenizer = load_gguf(packed) if packed else (load_model(source, dtype="auto"), load_tokenizer(source))
    except UserError as error:
        raise UserError(str(error) if str(source) == name else f"model {name}: {error}") from None
    save_weights(model, output)
    save_tokenizer(tokenizer, output)
    return sum(parameter.numel() for parameter in model.parameters())
