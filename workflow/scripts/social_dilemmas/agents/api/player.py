"""A player behind any server of the OpenAI chat-completions protocol."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from social_dilemmas.agents.agent import Agent
from social_dilemmas.agents.api.cache import ResponseCache, cache_key
from social_dilemmas.agents.api.server import REFUSED, ChatServer, Response, ServerError, sampling
from social_dilemmas.agents.form import form_in_words, printable
from social_dilemmas.config.schema.players import ApiPlayer as ApiSettings
from social_dilemmas.games.game import Game, Match, Turn
from social_dilemmas.games.grammar import Grammar

logger = logging.getLogger(__name__)
FEWEST_REPLIES = 20  # fewer say little about a server
LONGEST_REPLY = 60  # characters of one that is shown
ENDINGS = {
    "length": "it is cut off: raise max_new_tokens, or let it think less",
    "content_filter": "the server's filter withholds it",
    REFUSED: "the server refuses the conversation",
}
"""What becomes of an invalid reply, by how it ended."""


@dataclass
class Usage:
    """What a player used so far."""

    name: str  # of the player
    model: str
    requests: int = 0  # sent, retries and failures included
    cached_responses: int = 0
    replies: int = 0  # that matches were given
    invalid_replies: int = 0  # of all responses, whether or not a later one was valid
    forfeits: int = 0  # replies that were invalid after all attempts
    prompt_tokens: int = 0  # of all responses, those from the cache included
    completion_tokens: int = 0
    cost: float | None = None  # of these tokens; None without prices
    cost_now: float | None = None  # the part of it that isn't from the cache


class ApiPlayer:
    """Plays any number of seats; every seat of every match has a conversation of its own.

    Prompts are user turns, replies are assistant turns. After an invalid reply the server is asked again,
    outside the conversation; if all are invalid, the match gets the last, and counts a forfeit. Matches
    that share a seed are told apart by their `number`.
    """

    def __init__(self, settings: ApiSettings, cache: Path) -> None:
        """Raises UserError if the key isn't there, or the file `cache` can't keep the responses."""
        self._settings = settings
        self._server = ChatServer(settings)
        self._cache = ResponseCache(cache)
        self._conversations: WeakKeyDictionary[Match, tuple[list[str], list[str]]]
        self._conversations = WeakKeyDictionary()
        self._usage = Usage(settings.name, settings.model)
        if settings.prompt_price is not None and settings.completion_price is not None:
            self._usage.cost = self._usage.cost_now = 0.0
        self._last_forfeit, self._told = "", 0

    def check_reachable(self) -> None:
        """Raises UserError if the server doesn't answer; costs nothing."""
        self._server.run([self._server.check])

    def reply(self, turns: Sequence[Turn]) -> list[str]:
        """One reply for each turn, in order; UserError if the server fails for good, or gives few valid replies."""
        try:
            replies = self._server.run([partial(self._answer, turn) for turn in turns])
        except ServerError as error:
            kept = f"its responses so far ({len(self._cache)}) are kept in {self._cache.path}"
            raise ServerError(f"{error}; {kept}") from None
        for turn, reply in zip(turns, replies, strict=True):
            self._conversation(turn).extend((turn.prompt, reply))
        self._usage.replies += len(replies)
        self._report_forfeits()
        return replies

    def _report_forfeits(self) -> None:
        """Tell of forfeits, each time that they have doubled; ServerError if they are too many."""
        replies, forfeits, settings = self._usage.replies, self._usage.forfeits, self._settings
        player = f"api_players[{settings.name}]"
        told = f"{forfeits} of {replies} replies are invalid, hence forfeits (the last: {self._last_forfeit})"
        if replies >= FEWEST_REPLIES and forfeits > settings.most_forfeits * replies:
            allowed = f"most_forfeits allows {settings.most_forfeits:g}"
            kept = f"these replies, and refusals, are kept in {self._cache.path}"
            raise ServerError(f"{player}: {told}; {allowed}; {kept}")
        if forfeits >= 2 * self._told or (forfeits and not self._told):
            self._told = forfeits
            logger.warning("%s: %s", player, told)

    @property
    def usage_record(self) -> dict[str, Any]:
        """`Usage` so far."""
        return {**asdict(self._usage), "requests": self._server.requests}

    def _conversation(self, turn: Turn) -> list[str]:
        """Prompts and replies of the turn's seat so far, alternating."""
        return self._conversations.setdefault(turn.match, ([], []))[turn.seat]

    async def _answer(self, turn: Turn) -> str:
        """The first valid reply, or the last of all attempts; a slip needs no request."""
        if turn.slip is not None:
            return turn.slip
        texts, system = [*self._conversation(turn), turn.prompt], turn.match.game.system
        for attempt in range(self._settings.attempts + 1):
            place = [turn.match.seed, turn.seat, turn.match.number, attempt]
            response = await self._respond(messages(texts, system), place)
            if turn.grammar.parse(response.text) is not None:
                return response.text
            self._usage.invalid_replies += 1
            if response.ending == REFUSED:
                break
            texts += [response.text, ask_again(turn.grammar)]
        self._usage.forfeits += 1
        said = printable(response.text)
        short = said if len(said) <= LONGEST_REPLY else f"{said[:LONGEST_REPLY]}..."
        self._last_forfeit = ENDINGS.get(response.ending, repr(short))
        return response.text

    async def _respond(self, conversation: list[dict[str, str]], place: Sequence[int]) -> Response:
        """The response to a conversation, from the cache or from the server."""
        usage, settings = self._usage, self._settings
        key = cache_key(settings.base_url, sampling(settings), conversation, place)
        cached = self._cache.get(key)
        response = cached or await self._server.complete(conversation)
        if cached is None:
            self._cache.put(key, response)
        usage.cached_responses += cached is not None
        usage.prompt_tokens += response.prompt_tokens
        usage.completion_tokens += response.completion_tokens
        if usage.cost is not None and usage.cost_now is not None:
            cost = response.prompt_tokens * (settings.prompt_price or 0)
            cost += response.completion_tokens * (settings.completion_price or 0)
            usage.cost += cost / 1e6
            usage.cost_now += cost / 1e6 if cached is None else 0
        return response


def player_of(agent: Agent, game: Game) -> ApiPlayer:
    """The player of an agent, once its server has answered; raises as `ApiPlayer` and `check_reachable`."""
    assert agent.api is not None
    assert agent.cache is not None
    player = ApiPlayer(ApiSettings.model_validate_json(agent.api), Path(agent.cache))
    player.check_reachable()
    return player


def messages(texts: Sequence[str], system: str = "") -> list[dict[str, str]]:
    """A conversation as the protocol writes it, after a system turn, if any; some servers refuse turns without text."""
    told = [{"role": "system", "content": system}] if system else []
    turns = zip(cycle(("user", "assistant")), texts, strict=False)
    said = [{"role": role, "content": text if text.strip() else "..."} for role, text in turns]
    return told + said


def ask_again(grammar: Grammar) -> str:
    """The prompt after an invalid reply."""
    return f"That is not a valid reply: reply with {form_in_words(grammar)}, and nothing else."
