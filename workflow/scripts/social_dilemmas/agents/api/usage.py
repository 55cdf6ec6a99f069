"""What a player behind a server used and cost."""

from dataclasses import dataclass

from social_dilemmas.agents.api.server import Response
from social_dilemmas.agents.api.settings import ApiSettings


@dataclass
class Usage:
    """Counts since the player was made.

    Attributes:
        requests: requests sent, retries and failures included.
        cached_responses: responses taken from the cache.
        invalid_replies: replies that the grammar rejects, whether or not a later one was valid.
        prompt_tokens, completion_tokens: of all responses, those from the cache included.
        cost: of these tokens; None without prices.
        cost_now: the part of it that isn't from the cache.
    """

    requests: int = 0
    cached_responses: int = 0
    invalid_replies: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    cost_now: float | None = None

    def add(self, response: Response, settings: ApiSettings, *, cached: bool) -> None:
        """Count a response."""
        self.cached_responses += cached
        self.prompt_tokens += response.prompt_tokens
        self.completion_tokens += response.completion_tokens
        if self.cost is not None and self.cost_now is not None:
            cost = response.prompt_tokens * (settings.prompt_price or 0)
            cost += response.completion_tokens * (settings.completion_price or 0)
            self.cost += cost / 1e6
            self.cost_now += 0 if cached else cost / 1e6
