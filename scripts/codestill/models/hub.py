"""The Hugging Face hub: names and revisions resolved to a commit, files fetched, and errors said in one line.

The user's token (HF_TOKEN, or `hf auth login`) is found by huggingface_hub itself; it is never read or written here.
"""

import contextlib
from pathlib import Path

from codestill.kit.program import UserError

_SMALL_FILES = ("*.json", "*.txt", "*.model", "*.jinja")
_SAFE, _PICKLED = "model*.safetensors", "pytorch_model*.bin"


@contextlib.contextmanager
def one_line(kind, name, revision=None):
    """Turn what huggingface_hub and datasets raise about the `kind` (model, dataset) `name` into a UserError."""
    from huggingface_hub import constants, errors

    asked = f"{kind} {name}" + (f" at revision {revision}" if revision else "")
    offline = "the hub is offline (HF_HUB_OFFLINE=1)" if constants.HF_HUB_OFFLINE else "the hub cannot be reached"
    remedy = f"connect, or give a local folder as --name, or fill HF_HOME with `hf download {name}` elsewhere"
    try:
        yield
    except errors.GatedRepoError:
        raise UserError(
            f"{asked} is gated: accept its terms at https://huggingface.co/{'datasets/' * (kind == 'dataset')}{name}, "
            "then set HF_TOKEN or run `hf auth login`"
        ) from None
    except errors.RepositoryNotFoundError:
        raise UserError(
            f"{asked} does not exist on the hub, or is private: check --name, or set HF_TOKEN or run `hf auth login`"
        ) from None
    except errors.RevisionNotFoundError:
        raise UserError(f"{asked} does not exist: check --revision (a commit, tag or branch)") from None
    except errors.HFValidationError:
        raise UserError(
            f"{asked} is no folder here and no name on the hub: --name takes OWNER/NAME or a folder"
        ) from None
    except (errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError):
        raise UserError(f"{asked} is not in the local cache and {offline}: {remedy}") from None
    except errors.HfHubHTTPError as error:
        raise UserError(f"{asked}: the hub answered {error.response.status_code}; try again later") from None
    except (errors.HTTPError, ConnectionError) as error:
        raise UserError(f"{asked}: {offline} ({type(error).__name__}); {remedy}") from None


def fetch_model(name, revision):
    """(folder, commit) of a model's files in the local cache, its weights in one format: safetensors if it has any.

    Offline, what the cache holds is taken. Raises UserError: not found, gated, no such revision, hub out of reach.
    """
    from huggingface_hub import HfApi, constants, snapshot_download

    with one_line("model", name, revision):
        weights = [_SAFE]
        if not constants.HF_HUB_OFFLINE:
            files = [file.rfilename for file in HfApi().model_info(name, revision=revision).siblings or []]
            weights = [_SAFE if any(file.endswith(".safetensors") for file in files) else _PICKLED]
        # By the revision's own name, so that the cache knows it when it is asked for again without a network.
        folder = snapshot_download(name, revision=revision, allow_patterns=[*_SMALL_FILES, *weights])
        return folder, Path(folder).name


def dataset_commit(name, revision):
    """The commit that a data set's revision names; None for a local folder, and offline. Raises UserError."""
    from huggingface_hub import HfApi, constants

    if constants.HF_HUB_OFFLINE or Path(name).exists():
        return None
    with one_line("dataset", name, revision):
        return HfApi().dataset_info(name, revision=revision).sha
