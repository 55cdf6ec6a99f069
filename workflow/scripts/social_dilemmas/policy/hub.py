"""Finding the model directory that a config entry names: on the Hugging Face hub, in its local cache, or in a folder.

What goes wrong on the way is told in one sentence that says what to change.
"""

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os.path import expanduser
from pathlib import Path
from typing import Any

import httpx
from httpx import Response
from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from safetensors import SafetensorError

from social_dilemmas.errors import UserError

FILES = ["*.json", "*.safetensors", "*.jinja", "*.txt", "*.model"]  # no pickled weights, no code
OTHER_FORMATS = ["*/*", "consolidated*"]  # the same weights once more, where there are such


def published_directory(entry: Mapping[str, Any]) -> Path:
    """The directory of a published model: `source` itself if it is a folder, else its `revision` in the hub's cache.

    Raises:
        UserError: the model can't be had.
    """
    folder = Path(expanduser(entry["source"]))
    if folder.is_dir():
        return folder
    with _told(entry):
        snapshot = snapshot_download(
            entry["source"],
            revision=entry.get("revision"),
            allow_patterns=FILES,
            ignore_patterns=OTHER_FORMATS,
            local_files_only=constants.is_offline_mode(),
        )
    return Path(snapshot)


def entry_name(entry: Mapping[str, Any]) -> str:
    """An entry as messages name it."""
    return f"models[{entry.get('name', entry['source'])}]"


@contextmanager
def enough_space(entry: Mapping[str, Any], path: Path) -> Iterator[None]:
    """Tell in one sentence if the disk of a path is full.

    Raises:
        UserError: it is.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        if not _disk_is_full(error):
            raise
        raise UserError(
            f"{entry_name(entry)}: no space is left on the disk of {path}: free some, or work on another disk"
        ) from error


@contextmanager
def _told(entry: Mapping[str, Any]) -> Iterator[None]:
    """Tell in one sentence why a download failed."""
    try:
        yield
    except Exception as error:  # whatever it is: the libraries below have no class in common
        raise UserError(f"{entry_name(entry)}: {_sentence(error, entry)}") from error


def _sentence(error: Exception, entry: Mapping[str, Any]) -> str:
    source, revision = entry["source"], entry.get("revision")
    by_hand = f"`hf download {source}{f' --revision {revision}' if revision else ''}`"
    elsewhere = f"or run {by_hand} where there is one, and copy {constants.HF_HUB_CACHE} from there"
    if _disk_is_full(error):
        return (
            f"no space is left on the disk of {constants.HF_HUB_CACHE}: free some, or set the environment variable "
            "HF_HOME to a folder on another disk"
        )
    if isinstance(error, HfHubHTTPError) and "Invalid credentials" in str(error):
        return f"{constants.ENDPOINT} doesn't know the token in the environment variable HF_TOKEN: correct it"
    match error:
        case GatedRepoError():
            return (
                f"{source} is gated: accept its licence at {constants.ENDPOINT}/{source}, and set the environment "
                "variable HF_TOKEN to a token of the account that did"
            )
        case RevisionNotFoundError():
            return f"{source} has no revision {revision or 'main'} on the hub: correct revision"
        case RepositoryNotFoundError() | HfHubHTTPError(response=Response(status_code=401 | 404)):
            return (
                f"there is no folder and no public model {source} on the hub: correct source, or, if the model is "
                "private, set the environment variable HF_TOKEN"
            )
        case HFValidationError():
            return f"there is no folder {source}, and no model on the hub has such a name: correct source"
    if constants.is_offline_mode():
        return (
            f"{source} isn't in {constants.HF_HUB_CACHE}, and HF_HUB_OFFLINE forbids to download it: unset it where "
            f"there is a network, {elsewhere}"
        )
    if isinstance(error, LocalEntryNotFoundError | OfflineModeIsEnabled | httpx.TransportError):
        return (
            f"{source} can't be downloaded, as {constants.ENDPOINT} can't be reached: connect to the network, "
            f"{elsewhere}"
        )
    return f"{source} can't be downloaded from the hub ({str(error).strip().splitlines()[0]})"


def _disk_is_full(error: BaseException | None) -> bool:
    """Whether that is at the bottom of an error; the library that writes weights only says it in words."""
    if error is None:
        return False
    full = getattr(error, "errno", None) == errno.ENOSPC or "No space left on device" in str(error)
    return full or _disk_is_full(error.__cause__)
