"""Where a published model lies: in a folder, or in the local cache of the Hugging Face hub, downloaded if need be.

Whatever fails is reported in one sentence that says what to change.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from httpx import Response, TransportError
from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RevisionNotFoundError,
)

from social_dilemmas.errors import UserError
from social_dilemmas.run.shortage import disk_full

FILES = ["*.json", "*.safetensors", "*.jinja", "*.txt", "*.model"]  # no pickled weights, no code
OTHER_FORMATS = ["*/*", "consolidated*"]  # the same weights once more


def published_directory(entry: Any) -> Path:
    """The directory of a config entry's model: `source` if it is a folder, else its `revision` in the hub's cache.

    Raises UserError if it can't be downloaded.
    """
    return hub_directory(entry, FILES, OTHER_FORMATS)


def hub_directory(entry: Any, files: Sequence[str], without: Sequence[str] = ()) -> Path:
    """The same with those files of a repository that are wanted, by patterns."""
    folder = entry.folder
    if folder.is_dir():
        return folder
    try:
        snapshot = snapshot_download(
            entry.source,
            revision=entry.revision,
            allow_patterns=[*files],
            ignore_patterns=[*without],
            local_files_only=constants.is_offline_mode(),
        )
    except Exception as error:  # the libraries below have no common class of errors
        reason = _reason(error, entry.source, entry.revision)
        raise UserError(f"models[{entry.name}]: {reason}") from error
    return Path(snapshot)


def unfit_checkpoint(folder: Path) -> str | None:
    """Why what a directory holds is no model to train, as the end of a sentence about it; None if it may be."""
    if (folder / "adapter_config.json").is_file():
        return "holds an adapter: merge it into its base model, or choose that model"
    try:
        quantised = json.loads((folder / "config.json").read_text())["quantization_config"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    method = quantised.get("quant_method") if isinstance(quantised, dict) else None
    return f"is quantised{f' ({method})' if method else ''}: choose the model as it was before"


def first_line(error: Exception) -> str:
    """The first line of an error's message, or else its kind."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _reason(error: Exception, source: str, revision: str | None) -> str:
    hub, cache = constants.ENDPOINT, constants.HF_HUB_CACHE
    by_hand = f"hf download {source}" + (f" --revision {revision}" if revision else "")
    elsewhere = f"or run `{by_hand}` where there is one, and copy {cache} from there"
    match error:
        case _ if disk_full(error):
            return f"no space is left on the disk of {cache}: free some, or set HF_HOME to a folder on another disk"
        case HfHubHTTPError() if "Invalid credentials" in str(error):
            return f"{hub} doesn't know the token in the environment variable HF_TOKEN: correct it"
        case GatedRepoError():
            return (
                f"{source} is gated: accept its licence at {hub}/{source}, and set the environment variable HF_TOKEN "
                "to a token of the account that did"
            )
        case RevisionNotFoundError():
            return f"{source} has no revision {revision or 'main'} on the hub: correct revision"
        case HfHubHTTPError(response=Response(status_code=401 | 404)):
            return (
                f"there is no folder and no public model {source} on the hub: correct source, or, if the model is "
                "private, set the environment variable HF_TOKEN"
            )
        case HFValidationError():
            return f"there is no folder {source}, and no model on the hub has such a name: correct source"
        case _ if constants.is_offline_mode():
            return (
                f"{source} isn't in {cache}, and HF_HUB_OFFLINE forbids downloading it: unset it where there is a "
                f"network, {elsewhere}"
            )
        case LocalEntryNotFoundError() | TransportError():
            return f"{source} can't be downloaded, as {hub} can't be reached: connect to the network, {elsewhere}"
    return f"{source} can't be downloaded from the hub ({first_line(error)})"
