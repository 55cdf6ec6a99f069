"""A player behind any server of the OpenAI chat-completions protocol."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from social_dilemmas.agents.api.cache import ResponseCache, cache_key
from social_dilemmas.agents.api.server import (
    AbandonedError,
    ChatServer,
    Message,
    Response,
    ServerError,
    sampling,
)
from social_dilemmas.agents.api.settings import ApiSettings
from social_dilemmas.agents.api.usage import Usage
from social_dilemmas.agents.human.form import form_in_words
from social_dilemmas.errors import UserError
from social_dilemmas.games.game import Match, Turn
from social_dilemmas.games.grammar import Grammar


class ApiPlayer:
    """Plays any number of seats; every seat of every match has a conversation of its own.

    Prompts are user turns, replies are assistant turns. After an invalid reply the server is asked again,
    outside the conversation; if none of the replies is valid, the match gets the last, and counts a
    forfeit. Matches that share a seed are told apart by their `number`.
    """

    def __init__(self, settings: ApiSettings, cache: Path) -> None:
        """A player for new matches.

        Args:
            settings: the server, and how to ask it.
            cache: file that keeps all responses, new or from an earlier run.

        Raises:
            UserError: the key isn't there, or the cache can't be used.
        """
        self.name = settings.name
        self._settings = settings
        self._server = ChatServer(settings)
        self._cache = ResponseCache(cache)
        self._conversations: WeakKeyDictionary[Match, tuple[list[Message], list[Message]]]
        self._conversations = WeakKeyDictionary()
        priced = settings.prompt_price is not None and settings.completion_price is not None
        cost = 0.0 if priced else None
        self._usage = Usage(cost=cost, cost_now=cost)

    def check_reachable(self) -> None:
        """Ask the server for something that costs nothing.

        Raises:
            UserError: it doesn't answer, or doesn't accept the key.
        """

        async def check() -> None:
            async with self._server.batch():
                await self._server.check()

        try:
            asyncio.run(check())
        except ServerError as error:
            raise UserError(self._complaint(error)) from None

    def reply(self, turns: Sequence[Turn]) -> list[str]:
        """One reply for each turn, in order.

        Raises:
            UserError: the server fails for good. All responses so far are in the cache.
        """
        replies = asyncio.run(self._answer_all(turns))
        for turn, reply in zip(turns, replies, strict=True):
            self._conversation(turn).extend((_user(turn.prompt), _assistant(reply)))
        return replies

    @property
    def usage(self) -> Usage:
        """What was used so far."""
        return replace(self._usage, requests=self._server.requests)

    @property
    def usage_record(self) -> dict[str, Any]:
        """The usage, with the names of the player and of the model."""
        return {"name": self.name, "model": self._settings.model, **asdict(self.usage)}

    def _conversation(self, turn: Turn) -> list[Message]:
        return self._conversations.setdefault(turn.match, ([], []))[turn.seat]

    async def _answer_all(self, turns: Sequence[Turn]) -> list[str]:
        """All replies. If the server fails, requests on their way are waited for, and their responses kept."""
        async with self._server.batch():
            answers = await asyncio.gather(*map(self._answer, turns), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, ServerError):
                kept = f"its responses so far ({len(self._cache)}) are kept in {self._cache.path}"
                raise UserError(f"{self._complaint(answer)}; {kept}")
            if isinstance(answer, BaseException) and not isinstance(answer, AbandonedError):
                raise answer
        return [answer for answer in answers if isinstance(answer, str)]

    async def _answer(self, turn: Turn) -> str:
        """The first valid reply, or the last of all attempts."""
        conversation = [*self._conversation(turn), _user(turn.prompt)]
        reply = ""
        for attempt in range(self._settings.attempts + 1):
            key = cache_key(
                self._settings.base_url,
                sampling(self._settings),
                conversation,
                [turn.match.seed, turn.seat, turn.match.number, attempt],
            )
            reply = (await self._respond(key, conversation)).text
            if turn.grammar.parse(reply) is not None:
                break
            self._usage.invalid_replies += 1
            conversation += [_assistant(reply), _user(ask_again(turn.grammar))]
        return reply

    async def _respond(self, key: str, conversation: Sequence[Message]) -> Response:
        """The response to a conversation, from the cache or from the server."""
        kept = self._cache.get(key)
        response = kept or await self._server.complete(conversation)
        if kept is None:
            self._cache.put(key, response)
        self._usage.add(response, self._settings, cached=kept is not None)
        return response

    def _complaint(self, error: ServerError) -> str:
        place = f"{self._settings.base_url}, model {self._settings.model}"
        return f"api_players[{self.name}]: the server ({place}) {error}"


def api_player(entry: Mapping[str, Any], cache: Path) -> ApiPlayer:
    """The player of an entry of `api_players`, completed by its defaults.

    Raises:
        UserError: the key isn't there, or the cache can't be used.
    """
    return ApiPlayer(ApiSettings(**entry), cache)


def ask_again(grammar: Grammar) -> str:
    """The prompt after an invalid reply."""
    return f"That is not a valid reply: reply with {form_in_words(grammar)}, and nothing else."


def _user(text: str) -> Message:
    return {"role": "user", "content": text}


def _assistant(text: str) -> Message:
    """A reply as a turn of the conversation; some servers refuse turns without text."""
    return {"role": "assistant", "content": text if text.strip() else "..."}
