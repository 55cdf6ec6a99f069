"""Settings of a player behind a chat-completions server."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class ApiSettings:
    """An entry of `api_players` in the config; `config/README.md` describes the keys."""

    name: str
    model: str
    base_url: str
    key_variable: str | None
    temperature: float | None
    max_new_tokens: int | None
    timeout: float
    retries: int
    attempts: int
    concurrency: int
    prompt_price: float | None
    completion_price: float | None
    extra: Mapping[str, Any]
