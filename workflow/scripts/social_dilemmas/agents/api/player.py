"""A player that any server of the OpenAI chat-completions protocol answers for."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from social_dilemmas.agents.agent import Agent
from social_dilemmas.agents.api.cache import ResponseCache, cache_key
from social_dilemmas.agents.api.server import (
    AbandonedError,
    ApiSettings,
    ChatServer,
    Connection,
    Message,
    Response,
    ServerError,
)
from social_dilemmas.agents.human.form import form_in_words
from social_dilemmas.errors import UserError
from social_dilemmas.games.game import Game, Match, Turn
from social_dilemmas.games.grammar import Grammar


@dataclass
class Usage:
    """What a player used so far.

    Attributes:
        requests: requests that were sent, those that failed included.
        cached_responses: responses that were taken from the cache.
        invalid_replies: replies that no grammar accepts, whether or not a later one was valid.
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


@dataclass
class Conversation:
    """A seat's conversation; `number` tells it from others of the same seed and seat."""

    number: int
    messages: list[Message]


class ApiPlayer:
    """Plays any number of seats; every seat of every match has a conversation of its own.

    Prompts are user turns, replies are assistant turns. A reply that isn't valid is asked for again,
    outside of the conversation; if none of them is valid, the last is given to the match, which
    counts a forfeit.
    """

    def __init__(self, settings: ApiSettings, cache: Path) -> None:
        """A player for new matches.

        Args:
            settings: the server, and how it is asked.
            cache: file that keeps all responses; it may be there already.

        Raises:
            UserError: the key isn't there, or the cache can't be used.
        """
        self.name = settings.name
        self._settings = settings
        self._server = ChatServer(settings)
        self._cache = ResponseCache(cache)
        self._conversations: WeakKeyDictionary[Match, dict[int, Conversation]]
        self._conversations = WeakKeyDictionary()
        self._begun: Counter[tuple[int, int]] = Counter()  # conversations by seed and seat
        self._usage = Usage()
        if settings.prompt_price is not None and settings.completion_price is not None:
            self._usage.cost = self._usage.cost_now = 0.0

    def check_reachable(self) -> None:
        """Ask the server for something that costs nothing.

        Raises:
            UserError: it doesn't answer, or doesn't accept the key.
        """

        async def check() -> None:
            async with self._server.connect() as connection:
                await connection.check()

        try:
            asyncio.run(check())
        except ServerError as error:
            raise UserError(self._complaint(error)) from None

    def reply(self, turns: Sequence[Turn]) -> list[str]:
        """One reply for each turn, in order.

        Raises:
            UserError: the server fails for good. All that it answered is in the cache.
        """
        asked = [self._conversation(turn) for turn in turns]
        replies = asyncio.run(self._answer_all(turns, asked))
        for turn, conversation, reply in zip(turns, asked, replies, strict=True):
            conversation.messages += [_user(turn.prompt), _assistant(reply)]
        return replies

    @property
    def usage(self) -> Usage:
        """What was used so far."""
        self._usage.requests = self._server.requests
        return self._usage

    @property
    def usage_record(self) -> dict[str, Any]:
        """The usage, with the names of the player and of the model."""
        return {"name": self.name, "model": self._settings.model, **asdict(self.usage)}

    def write_usage(self, path: Path) -> None:
        """Write that as JSON."""
        path.write_text(json.dumps(self.usage_record, indent=1) + "\n")

    def pass_over(self, seed: int, seat: int) -> None:
        """Leave out a conversation that another process has, so that later ones have their own numbers."""
        self._begun[seed, seat] += 1

    def begin_again(self, seed: int, seat: int) -> None:
        """Number the conversations with this seed and seat from the first again: matches are repeated."""
        del self._begun[seed, seat]

    def __repr__(self) -> str:
        return f"ApiPlayer({self._server!r})"

    def _conversation(self, turn: Turn) -> Conversation:
        seats = self._conversations.setdefault(turn.match, {})
        if turn.seat not in seats:
            place = (turn.match.seed, turn.seat)
            seats[turn.seat] = Conversation(self._begun[place], [])
            self._begun[place] += 1
        return seats[turn.seat]

    async def _answer_all(self, turns: Sequence[Turn], asked: Sequence[Conversation]) -> list[str]:
        """All replies. If the server fails, what is on its way is waited for, and kept."""
        async with self._server.connect() as connection:
            answers = await asyncio.gather(
                *(self._answer(connection, *pair) for pair in zip(turns, asked, strict=True)),
                return_exceptions=True,
            )
        failures = [answer for answer in answers if isinstance(answer, BaseException)]
        for failure in failures:
            if isinstance(failure, ServerError):
                kept = f"its responses so far ({len(self._cache)}) are kept in {self._cache.path}"
                raise UserError(f"{self._complaint(failure)}; {kept}")
            if not isinstance(failure, AbandonedError):
                raise failure
        return [answer for answer in answers if isinstance(answer, str)]

    async def _answer(self, connection: Connection, turn: Turn, asked: Conversation) -> str:
        """The first valid reply, or the last of all attempts."""
        conversation = [*asked.messages, _user(turn.prompt)]
        reply = ""
        for attempt in range(self._settings.attempts + 1):
            key = cache_key(
                self._settings.base_url,
                self._settings.sampling,
                conversation,
                [turn.match.seed, turn.seat, asked.number, attempt],
            )
            reply = (await self._respond(connection, key, conversation)).text
            if turn.grammar.parse(reply) is not None:
                break
            self._usage.invalid_replies += 1
            conversation += [_assistant(reply), _user(ask_again(turn.grammar))]
        return reply

    async def _respond(
        self, connection: Connection, key: str, conversation: Sequence[Message]
    ) -> Response:
        """The response to a conversation, from the cache or from the server."""
        response = self._cache.get(key)
        if response is not None:
            self._usage.cached_responses += 1
            self._count(response, new=False)
            return response
        response = await connection.complete(conversation)
        self._cache.put(key, response)
        self._count(response, new=True)
        return response

    def _count(self, response: Response, *, new: bool) -> None:
        usage, settings = self._usage, self._settings
        usage.prompt_tokens += response.prompt_tokens
        usage.completion_tokens += response.completion_tokens
        if usage.cost is None or usage.cost_now is None:
            return
        cost = response.prompt_tokens * (settings.prompt_price or 0)
        cost += response.completion_tokens * (settings.completion_price or 0)
        usage.cost += cost / 1e6
        usage.cost_now += cost / 1e6 if new else 0

    def _complaint(self, error: ServerError) -> str:
        place = f"{self._settings.base_url}, model {self._settings.model}"
        return f"api_players[{self.name}]: the server ({place}) {error}"


def player_of(agent: Agent, game: Game) -> ApiPlayer:
    """The player of an agent.

    Raises:
        UserError: the key isn't there, the cache can't be used, or the server doesn't answer.
    """
    assert agent.api is not None
    assert agent.cache is not None
    player = ApiPlayer(ApiSettings(**json.loads(agent.api)), Path(agent.cache))
    player.check_reachable()
    return player


def ask_again(grammar: Grammar) -> str:
    """What the server is told after a reply that isn't valid."""
    return f"That is not a valid reply: reply with {form_in_words(grammar)}, and nothing else."


def _user(text: str) -> Message:
    return {"role": "user", "content": text}


def _assistant(text: str) -> Message:
    """A reply as a turn of the conversation; some servers refuse turns without text."""
    return {"role": "assistant", "content": text if text.strip() else "..."}
