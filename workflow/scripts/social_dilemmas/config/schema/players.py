"""Sections about players that are neither trained nor scripted."""

from typing import Any

from social_dilemmas.config.schema.section import (
    Count,
    EnvironmentVariable,
    FreeForm,
    Name,
    NonNegative,
    Positive,
    Section,
    Share,
    Size,
    Text,
)


class ApiPlayer(Section):
    """A player behind a server of the OpenAI chat-completions protocol."""

    name: Name
    """name in tables and figures, in `learners` and for `make play`"""
    model: Text
    """name of the model on the server"""
    base_url: str = "https://api.openai.com/v1"
    """address of the server, up to where `/chat/completions` follows"""
    key_variable: EnvironmentVariable | None = "OPENAI_API_KEY"
    """environment variable that holds the key; `null` for a server without one"""
    temperature: NonNegative | None = 1.0
    """of sampling; `null` leaves it to the server"""
    max_new_tokens: Count | None = 400
    """most tokens of a reply (sent as `max_tokens`); `null` leaves it to the server"""
    timeout: Positive = 120.0
    """seconds that a request may take"""
    retries: Size = 5
    """most times that a request is sent again after an error of the network: no connection, no answer in time, status
    408, 409, 425, 429 or 5xx, or a success without a reply in it"""
    attempts: Size = 2
    """most times that an invalid reply is asked for again; after that it is a forfeit"""
    most_forfeits: Share = 0.2
    """most share of its replies that may be forfeits; with more, the job stops instead of learning from them"""
    concurrency: Count = 8
    """most requests at the same time"""
    prompt_price: NonNegative | None = None
    """price of a million prompt tokens, to calculate the cost; `null`: unknown"""
    completion_price: NonNegative | None = None
    """price of a million completion tokens; `null`: unknown"""
    extra: FreeForm = {}
    """further fields of every request, as the server knows them"""

    def decisive(self) -> dict[str, Any]:
        """The keys that replies depend on; the others are about how they are got, and what they cost."""
        keys = {"name", "model", "base_url", "temperature", "max_new_tokens", "attempts", "extra"}
        return self.model_dump(mode="json", include=keys)
