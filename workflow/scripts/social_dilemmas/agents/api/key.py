"""The key of a server, which stands in no file."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

from social_dilemmas.config.schema.players import ApiPlayer
from social_dilemmas.errors import UserError


def read_key(settings: ApiPlayer) -> str | None:
    """The key from the environment; None if the server needs none, UserError if it isn't there."""
    if settings.key_variable is None:
        return None
    key = os.environ.get(settings.key_variable, "").strip()
    if not (key and key.isascii() and key.isprintable()):
        problem = "holds characters that no key can have" if key else "isn't set"
        raise UserError(
            f"api_players[{settings.name}]: the environment variable {settings.key_variable} must hold "
            f"the server's key, but it {problem} (a server without a key has key_variable: null)"
        )
    return key


def check_keys(jobs: Iterable[Mapping[str, Any]]) -> None:
    """Raise UserError if jobs with these parameters let a player play whose key isn't in the environment."""
    playing = [each for job in jobs for each in (*(job.get("agents") or ()), job.get("opponent"))]
    agents = [each for each in playing if isinstance(each, Mapping)]  # of cards there are names
    for player in sorted({agent["api"] for agent in agents if "api" in agent}):
        read_key(ApiPlayer.model_validate_json(player))
