"""The Hugging Face hub: names and revisions resolved to a commit, files fetched, and errors said in one line.

The user's token (HF_TOKEN, or `hf auth login`) is found by huggingface_hub itself; it is never read or written here.
"""

import contextlib
import fnmatch
import shutil
from pathlib import Path

from codestill.kit.licences import licence_named, licence_of
from codestill.kit.program import UserError

_SMALL_FILES = ("*.json", "*.txt", "*.model", "*.jinja")
_NOT_ALLOWED = "this token may not read it: check HF_TOKEN and its rights, or `hf auth login`"
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
        status = error.response.status_code
        remedy = "try again later" if status >= 500 or status == 429 else _NOT_ALLOWED
        raise UserError(f"{asked}: the hub answered {status}; {remedy}") from None
    except (errors.HTTPError, ConnectionError) as error:
        raise UserError(f"{asked}: {offline} ({type(error).__name__}); {remedy}") from None


def fetch_model(name, revision):
    """(folder, commit, hashes, licence) of a model's files in the local cache, its weights in one format, safetensors
    if any; the licence as its card names it.

    hashes {file: the hub's own hash}, against which each file has been checked; None offline, where what the cache
    holds is taken. Raises UserError: not found, gated, no such revision, hub out of reach, no room, a file that
    arrived otherwise than the hub has it (it is removed, so that the next run fetches it again).
    """
    from huggingface_hub import HfApi, constants, snapshot_download

    with one_line("model", name, revision):
        weights, commit, licence = [_SAFE, _PICKLED], None, None
        if not constants.HF_HUB_OFFLINE:
            about = HfApi().model_info(name, revision=revision)
            files = [file.rfilename for file in about.siblings or []]
            weights = [_SAFE if fnmatch.filter(files, _SAFE) else _PICKLED]
            commit, licence = about.sha, licence_named(about.card_data)
        # By the revision's own name, so that the cache knows it when it is asked for again without a network.
        what = {"repo_id": name, "revision": revision, "allow_patterns": [*_SMALL_FILES, *weights]}
        if commit:
            _check_room(name, snapshot_download(**what, dry_run=True), constants.HF_HOME)
        folder = Path(snapshot_download(**what))
        return str(folder), folder.name, _verified(name, folder, commit) if commit else None, licence


def _check_room(name, files, home):
    """Raise UserError where the files that are still to be fetched have no room in HF_HOME."""
    needed = sum(file.file_size for file in files if file.will_download)
    there = next(path for path in (Path(home), *Path(home).parents) if path.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise UserError(
            f"model {name}: needs {needed / 2**30:,.2f} GiB in HF_HOME ({home}), where {free / 2**30:,.2f} are free; "
            "set HF_HOME to a folder with more room"
        )


def _verified(name, folder, commit):
    """{file: the hub's hash} of the files in a snapshot's folder. Raises UserError where one has another."""
    from huggingface_hub import HfApi

    wrong = HfApi().verify_repo_checksums(name, revision=commit).mismatches
    for one in wrong:
        path = folder / one["path"]
        path.resolve().unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    if wrong:
        raise UserError(
            "model {}: {path} is not what the hub has ({algorithm} {actual:.12}..., the hub's {expected:.12}...); "
            "it was removed from the cache, run again".format(name, **wrong[0])
        )
    entries = HfApi().list_repo_tree(name, recursive=True, revision=commit)
    hashes = {one.path: one.lfs.sha256 if one.lfs else one.blob_id for one in entries if hasattr(one, "blob_id")}
    return {path: hash_ for path, hash_ in sorted(hashes.items()) if (folder / path).is_file()}


def dataset_origin(name, revision):
    """(commit that a data set's revision names, None of a local folder and offline; licence that it names or None)."""
    from huggingface_hub import HfApi, constants

    if Path(name).exists():
        return None, licence_of(name)
    if constants.HF_HUB_OFFLINE:
        return None, None
    with one_line("dataset", name, revision):
        about = HfApi().dataset_info(name, revision=revision)
    return about.sha, licence_named(about.card_data)
