"""Talking to a server of the OpenAI chat-completions protocol, and surviving what it may do.

Only what may pass is tried again: no connection, no answer in time, status 429 and 5xx. Everything
else ends in one sentence.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from openai import APIConnectionError, APIStatusError, APITimeoutError, AsyncOpenAI

from social_dilemmas.errors import UserError

FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0  # seconds before the first retry; doubled from retry to retry
SHORTEST_SECRET = 8  # servers without keys are often given a short word; that is no secret

Message = Mapping[str, str]  # `role` and `content`


@dataclass(frozen=True, kw_only=True)
class ApiSettings:
    """An entry of `api_players` in the config, completed by its defaults.

    Attributes:
        name: name in the config, tables and figures.
        model: name of the model on the server.
        base_url: address of the server, up to where `/chat/completions` follows.
        key_variable: environment variable that holds the key; None for a server without one.
        temperature: of sampling; None: the server's default.
        max_new_tokens: most tokens of a reply; None: the server's default.
        timeout: seconds for a whole request.
        retries: most times that a request is sent again after an error of the network.
        attempts: most times that a reply that isn't valid is asked for again.
        concurrency: most requests at the same time.
        prompt_price, completion_price: of a million tokens; None: unknown.
        extra: further fields of every request.
    """

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

    @property
    def sampling(self) -> dict[str, Any]:
        """All fields of a request but the conversation."""
        limits = {"temperature": self.temperature, "max_tokens": self.max_new_tokens}
        given = {key: value for key, value in limits.items() if value is not None}
        return {"model": self.model, **given, **self.extra}


@dataclass(frozen=True)
class Response:
    """A text, and the tokens that it took; 0 if the server doesn't say."""

    text: str
    prompt_tokens: int
    completion_tokens: int


class ServerError(Exception):
    """What is wrong with the server; the message goes on from its name."""


class AbandonedError(Exception):
    """A request that wasn't sent, as another one failed for good."""


class ChatServer:
    """A server under its address and key. The key shows in no message, text or representation."""

    def __init__(self, settings: ApiSettings) -> None:
        """Raises UserError if the key isn't there."""
        self.settings = settings
        self._key = read_key(settings)
        self.requests = 0  # sent so far, retries included

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["Connection"]:
        """Connections that are shared by the requests of a batch."""
        client = AsyncOpenAI(
            api_key=self._key or "none",  # else the library would look for one in the environment
            base_url=self.settings.base_url,
            max_retries=0,
            timeout=self.settings.timeout,
        )
        async with client:
            yield Connection(self, client)

    def hide_key(self, text: str) -> str:
        """A text without the key, should it hold it."""
        secret = self._key is not None and len(self._key) >= SHORTEST_SECRET
        return text.replace(self._key or "", "[key]") if secret else text

    def __repr__(self) -> str:
        return f"ChatServer({self.settings.model!r} at {self.settings.base_url})"


class Connection:
    """The requests of one batch. Once one has failed for good, no further one is sent."""

    def __init__(self, server: ChatServer, client: AsyncOpenAI) -> None:
        self._server = server
        self._settings = server.settings
        self._client = client
        self._free = asyncio.Semaphore(server.settings.concurrency)
        self._failed = asyncio.Event()

    async def complete(self, messages: Sequence[Message]) -> Response:
        """The server's reply to a conversation.

        Raises:
            ServerError: it can't be had.
            AbandonedError: another request of the batch failed.
        """
        completions = self._client.chat.completions.with_raw_response
        raw = await self._send(
            lambda: completions.create(
                messages=list(messages),
                model=self._settings.model,
                extra_body=self._settings.sampling,
            )
        )
        try:
            response = read_response(self._server.hide_key(raw.decode(errors="replace")))
        except ServerError:
            self._failed.set()
            raise
        return Response(
            self._server.hide_key(response.text),
            response.prompt_tokens,
            response.completion_tokens,
        )

    async def check(self) -> None:
        """Ask for the list of models, which costs nothing. Not every server has one to give: any answer
        but a refusal of the key will do.

        Raises:
            ServerError: nobody answers, or the key isn't accepted.
        """
        with suppress(_NotGivenError):
            await self._send(self._client.models.with_raw_response.list, optional=True)

    async def _send(self, send: Callable[[], Awaitable[Any]], *, optional: bool = False) -> bytes:
        """The body of the answer to a request, sent again where that may help."""
        async with self._free:
            for retry in range(self._settings.retries + 1):
                if self._failed.is_set():
                    raise AbandonedError
                self._server.requests += 1
                wait = FIRST_WAIT * 2**retry
                try:
                    async with asyncio.timeout(self._settings.timeout):
                        return bytes((await send()).http_response.content)
                except (TimeoutError, APITimeoutError):
                    problem = f"doesn't answer within {self._settings.timeout:g} seconds"
                except APIConnectionError as error:
                    problem = f"can't be reached ({self._short(error.__cause__ or error)})"
                except APIStatusError as error:
                    problem = self._refusal(error)
                    if optional and error.status_code not in (401, 403):
                        raise _NotGivenError from None
                    if error.status_code != 429 and error.status_code < 500:
                        self._failed.set()
                        raise ServerError(problem) from None
                    wait = max(wait, _seconds(error.response.headers.get("retry-after")))
                if retry < self._settings.retries:
                    await self._wait(min(wait, LONGEST_WAIT))
        self._failed.set()
        times = self._settings.retries
        again = f", also when asked again {times} time{'s' * (times > 1)}" if times else ""
        raise ServerError(f"{problem}{again}")

    async def _wait(self, seconds: float) -> None:
        """Until the time is over, or another request has failed for good."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._failed.wait()

    def _refusal(self, error: APIStatusError) -> str:
        status = error.status_code
        said = self._short(_message(error.body) or error.response.text)
        if status in (401, 403):
            variable = self._settings.key_variable
            key = f"the key in {variable}" if variable else "requests without a key"
            return f"doesn't accept {key} (status {status}{f': {said}' if said else ''})"
        return f"answers with status {status}{f' ({said})' if said else ''}"

    def _short(self, said: object) -> str:
        return shortened(self._server.hide_key(str(said)))


class _NotGivenError(Exception):
    """The server answers, but hasn't got what it needn't have."""


def read_key(settings: ApiSettings) -> str | None:
    """The key from the environment; None if the server needs none.

    Raises:
        UserError: the variable isn't set.
    """
    if settings.key_variable is None:
        return None
    key = os.environ.get(settings.key_variable, "").strip()
    if not key:
        raise UserError(
            f"api_players[{settings.name}]: the environment variable {settings.key_variable} must "
            "hold the server's key, but it isn't set (a server without a key has key_variable: null)"
        )
    if not key.isascii() or not key.isprintable():
        raise UserError(
            f"api_players[{settings.name}]: the environment variable {settings.key_variable} holds "
            "characters that no key can have"
        )
    return key


def read_response(body: str) -> Response:
    """What a chat completion says.

    Raises:
        ServerError: it isn't one.
    """
    try:
        completion = json.loads(body)
    except (ValueError, RecursionError):
        raise ServerError(f"answers with something that isn't JSON: {shortened(body)!r}") from None
    try:
        content = completion["choices"][0]["message"].get("content")
        if content is None:  # a refusal, or all tokens spent on thoughts
            content = ""
        if not isinstance(content, str):
            raise TypeError
    except (LookupError, TypeError, AttributeError):
        start = shortened(json.dumps(completion))
        raise ServerError(f"answers with something that isn't a chat completion: {start}") from None
    usage = completion.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    prompt, completed = (counts.get(f"{kind}_tokens") for kind in ("prompt", "completion"))
    text = content.encode(errors="replace").decode()  # half of a surrogate pair can't be stored
    return Response(text, _count(prompt), _count(completed))


def _count(value: Any) -> int:
    return value if isinstance(value, int) and 0 <= value < 1 << 40 else 0


def _seconds(text: str | None) -> float:
    """The number of seconds in a header; 0 if there is none."""
    try:
        return float(text or 0)
    except ValueError:
        return 0.0


def _message(body: object) -> str | None:
    """The message in the body of an error, where servers usually put it."""
    if isinstance(body, Mapping):
        inner = body.get("error", body)
        said = inner.get("message") if isinstance(inner, Mapping) else inner
        return str(said) if said else None
    return None


def shortened(text: str, length: int = 200) -> str:
    """A text on one line and not too long, for a message."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= length else f"{line[:length]}..."
