"""Requests to a server of the OpenAI chat-completions protocol.

The openai client repeats a request where that may help: no connection, no answer in time, status
408, 409, 429 and 5xx. Every failure that remains ends in one sentence.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
from openai import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AsyncOpenAI,
    DefaultAsyncHttpxClient,
    OpenAIError,
)

from social_dilemmas.agents.api.settings import ApiSettings
from social_dilemmas.errors import UserError

SHORTEST_SECRET = 8  # servers without keys are often given a short word, which is no secret
KEY_REFUSED = (401, 403)

Message = Mapping[str, str]  # `role` and `content`


@dataclass(frozen=True)
class Response:
    """A text, and the tokens that it took; 0 if the server doesn't say."""

    text: str
    prompt_tokens: int
    completion_tokens: int


class ServerError(Exception):
    """What is wrong with the server, as the predicate of a sentence; `status` is that of its answer."""

    def __init__(self, problem: str, status: int | None = None) -> None:
        super().__init__(problem)
        self.status = status


class AbandonedError(OpenAIError):
    """A request that isn't sent, as another one has failed for good."""


class ChatServer:
    """A server and its key, which appears in no message and no response.

    Attributes:
        requests: number of requests sent so far, retries included.
    """

    def __init__(self, settings: ApiSettings) -> None:
        """Raises UserError if the key isn't there."""
        self.requests = 0
        self._settings = settings
        self._key = read_key(settings)

    @asynccontextmanager
    async def batch(self) -> AsyncIterator[None]:
        """Connections for a batch of requests. Once one has failed for good, no more are sent."""
        self._failed = False
        self._free = asyncio.Semaphore(self._settings.concurrency)
        self._client = AsyncOpenAI(
            api_key=self._key or "none",  # without one, the client looks for one in the environment
            base_url=self._settings.base_url,
            max_retries=self._settings.retries,
            timeout=self._settings.timeout,
            http_client=_HttpClient(
                timeout=self._settings.timeout, event_hooks={"request": [self._before_request]}
            ),
        )
        async with self._client:
            yield

    async def complete(self, messages: Sequence[Message]) -> Response:
        """The server's reply to a conversation.

        Raises:
            ServerError: there is none.
            AbandonedError: another request of the batch has failed.
        """
        body = {"messages": list(messages), **sampling(self._settings)}
        answer = await self._send(partial(self._client.post, "/chat/completions", body=body))
        try:
            return read_response(self._without_key(answer.content.decode(errors="replace")))
        except ServerError:
            self._failed = True
            raise

    async def check(self) -> None:
        """Ask for the list of models, which costs nothing.

        Not every server has one: any answer will do, unless it refuses the key.

        Raises:
            ServerError: nobody answers, or the key isn't accepted.
        """
        try:
            await self._send(partial(self._client.get, "/models"))
        except ServerError as error:
            if error.status in (None, *KEY_REFUSED):
                raise

    async def _send(self, send: Callable[..., Awaitable[httpx.Response]]) -> httpx.Response:
        status = None
        async with self._free:
            try:
                return await send(cast_to=httpx.Response)
            except APITimeoutError as error:
                request = error.request
                problem = f"doesn't answer within {self._settings.timeout:g} seconds"
            except APIConnectionError as error:
                request = error.request
                problem = f"can't be reached ({self._short(error.__cause__ or error)})"
            except APIStatusError as error:
                request, status = error.request, error.status_code
                problem = self._refusal(error)
            self._failed = True
        retries = int(request.headers.get("x-stainless-retry-count", 0))
        if retries:
            problem += f", even after {retries} {'retry' if retries == 1 else 'retries'}"
        raise ServerError(problem, status)

    async def _before_request(self, _: httpx.Request) -> None:
        if self._failed:
            raise AbandonedError
        self.requests += 1

    def _refusal(self, error: APIStatusError) -> str:
        status, body = error.status_code, error.body
        message = body.get("message") if isinstance(body, Mapping) else body
        said = self._short(message or error.response.text)
        if status in KEY_REFUSED:
            variable = self._settings.key_variable
            key = f"the key in {variable}" if variable else "requests without a key"
            return f"doesn't accept {key} (status {status}{f': {said}' if said else ''})"
        return f"answers with status {status}{f' ({said})' if said else ''}"

    def _short(self, said: object) -> str:
        return shortened(self._without_key(str(said)))

    def _without_key(self, text: str) -> str:
        if self._key is None or len(self._key) < SHORTEST_SECRET:
            return text
        return text.replace(self._key, "[key]")


class _HttpClient(DefaultAsyncHttpxClient):
    """Bounds the time of a whole request; httpx by itself bounds that of each read."""

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        try:
            async with asyncio.timeout(self.timeout.read):
                return await super().send(request, **options)
        except TimeoutError:
            raise httpx.ReadTimeout("", request=request) from None


def sampling(settings: ApiSettings) -> dict[str, Any]:
    """All fields of a request except the conversation."""
    limits = {"temperature": settings.temperature, "max_tokens": settings.max_new_tokens}
    given = {key: value for key, value in limits.items() if value is not None}
    return {"model": settings.model, **given, **settings.extra}


def read_key(settings: ApiSettings) -> str | None:
    """The key from the environment; None if the server needs none.

    Raises:
        UserError: the variable isn't set, or its value can't be a key.
    """
    if settings.key_variable is None:
        return None
    variable = f"api_players[{settings.name}]: the environment variable {settings.key_variable}"
    key = os.environ.get(settings.key_variable, "").strip()
    if not key:
        raise UserError(
            f"{variable} must hold the server's key, but it isn't set (a server without a key has "
            "key_variable: null)"
        )
    if not key.isascii() or not key.isprintable():
        raise UserError(f"{variable} holds characters that no key can have")
    return key


def read_response(body: str) -> Response:
    """The content of a chat completion.

    Raises:
        ServerError: the body isn't one.
    """
    try:
        completion = json.loads(body)
        content = completion["choices"][0]["message"].get("content")
        # No content is a refusal, or all tokens were spent on thoughts. Half of a surrogate pair can't be stored.
        text = "" if content is None else content.encode(errors="replace").decode()
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        said = shortened(body)
        raise ServerError(f"answers with something that isn't a chat completion: {said}") from None
    usage = completion.get("usage")
    return Response(text, _count(usage, "prompt_tokens"), _count(usage, "completion_tokens"))


def _count(usage: object, kind: str) -> int:
    value = usage.get(kind) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and 0 <= value < 1 << 40 else 0


def shortened(text: str, length: int = 200) -> str:
    """A text on one line and not too long, for a message."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= length else f"{line[:length]}..."
