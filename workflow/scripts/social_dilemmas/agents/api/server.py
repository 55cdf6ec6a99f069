"""Requests to a server of the OpenAI chat-completions protocol.

The openai client retries what may pass: no connection, no answer in time, status 408, 409, 425, 429, 5xx. The status
isn't taken at its word: an error that comes as a success is given the status that it should have.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import openai

from social_dilemmas.agents.api.key import read_key
from social_dilemmas.agents.form import printable
from social_dilemmas.config.schema.players import ApiPlayer as ApiSettings
from social_dilemmas.errors import UserError

SHORTEST_SECRET = 8  # servers without keys are often given a short word, which is no secret
LONGEST_PROBLEM = 300  # characters of a message
KEY_REFUSED = (401, 403)
TOO_EARLY = 425
NO_COMPLETION = 599  # what an answer gets that calls itself a success, but holds no chat completion
FINAL = (400, 403, 413, 422, NO_COMPLETION)
REFUSAL = re.compile(
    r"content.?(filter|policy|management)|context.?(length|window|size)|moderat|flagged|too (long|many tokens)",
    re.IGNORECASE,
)
REFUSED = "refused"
UNREADABLE = (ValueError, RecursionError, LookupError, TypeError, AttributeError)


@dataclass(frozen=True)
class Response:
    """A text, and the tokens that it took; 0 if the server doesn't say.

    `ending` is the protocol's `finish_reason`, or `REFUSED` where the server doesn't take this conversation.
    """

    text: str
    prompt_tokens: int
    completion_tokens: int
    ending: str = ""


class ServerError(UserError):
    """The server has failed for good."""


class AbandonedError(openai.OpenAIError):
    """A request that isn't sent, as another one has failed for good."""


class ChatServer:
    """A server and its key, which appears in no message and no response."""

    def __init__(self, settings: ApiSettings) -> None:
        """Raises UserError if the key isn't there."""
        self.requests = 0  # sent so far, retries included
        self._settings = settings
        self._key = read_key(settings)

    def run(self, jobs: Sequence[Callable[[], Awaitable[Any]]]) -> list[Any]:
        """The results of jobs that send requests, all at the same time; ServerError if one fails.

        Once a request has failed for good, no more are sent, but those on their way are finished.
        """
        results = asyncio.run(self._batch(jobs))
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, AbandonedError):
                raise result
        return results

    async def _batch(self, jobs: Sequence[Callable[[], Awaitable[Any]]]) -> list[Any]:
        settings = self._settings
        self._failed = False
        self._free = asyncio.Semaphore(settings.concurrency)
        hooks = {"request": [self._before_request]}
        self._client = openai.AsyncOpenAI(
            api_key=self._key or "none",  # without one, the client looks for one in the environment
            base_url=settings.base_url,
            max_retries=settings.retries,
            timeout=settings.timeout,
            http_client=_HttpClient(timeout=settings.timeout, event_hooks=hooks),
        )
        async with self._client:
            return await asyncio.gather(*(job() for job in jobs), return_exceptions=True)

    async def complete(self, messages: Sequence[Mapping[str, str]]) -> Response:
        """The server's reply to a conversation, which may be that it refuses it; for jobs of `run`."""
        body = {"messages": messages, **sampling(self._settings)}
        async with self._free:
            try:
                post = self._client.post("/chat/completions", cast_to=httpx.Response, body=body)
                return self._read((await post).content.decode(errors="replace"))
            except openai.APIError as error:
                status = getattr(error, "status_code", None)
                if status in FINAL and REFUSAL.search(f"{error} {error.body}"):
                    return Response("", 0, 0, REFUSED)
                self._failed = True
                raise self._failure(error) from None

    async def check(self) -> None:
        """Ask for the list of models, as a job of `run`; any answer will do: a key may be for chat only."""
        try:
            await self._client.get("/models", cast_to=httpx.Response)
        except openai.APIStatusError:
            pass
        except openai.APIError as error:
            raise self._failure(error) from None

    async def _before_request(self, _: httpx.Request) -> None:
        if self._failed:
            raise AbandonedError
        self.requests += 1

    def _read(self, body: str) -> Response:
        completion = read_completion(body)
        choice, usage = completion["choices"][0], completion.get("usage")
        return Response(
            text=self._without_key(text_of(choice["message"].get("content"))),
            prompt_tokens=_count(usage, "prompt_tokens"),
            completion_tokens=_count(usage, "completion_tokens"),
            ending=str(choice.get("finish_reason") or ""),
        )

    def _failure(self, error: openai.APIError) -> ServerError:
        settings, problem = self._settings, str(error)
        match error:
            case openai.APITimeoutError():
                problem = f"doesn't answer within {settings.timeout:g} seconds"
            case openai.APIConnectionError():
                problem = f"can't be reached ({error.__cause__ or error})"
            case openai.APIStatusError(status_code=status, response=response) if (
                status == NO_COMPLETION
            ):
                problem = f"answers with something that isn't a chat completion: {response.text}"
            case openai.APIStatusError(status_code=status, body=body, response=response):
                said = body.get("message") if isinstance(body, Mapping) else body
                said = said or response.text or response.reason_phrase
                problem = f"answers with status {status} ({said})"
                if status in KEY_REFUSED:
                    variable = settings.key_variable
                    key = f"the key in {variable}" if variable else "requests without a key"
                    problem = f"doesn't accept {key} (status {status}: {said})"
        line = " ".join(printable(self._without_key(problem)).split())
        short = line if len(line) <= LONGEST_PROBLEM else f"{line[:LONGEST_PROBLEM]}..."
        place = f"{settings.base_url}, model {settings.model}"
        request = getattr(error, "request", None)
        retries = int(request.headers.get("x-stainless-retry-count", 0)) if request else 0
        tried = f", tried {retries + 1} times" if retries else ""
        return ServerError(f"api_players[{settings.name}]: the server ({place}) {short}{tried}")

    def _without_key(self, text: str) -> str:
        secret = self._key is not None and len(self._key) >= SHORTEST_SECRET
        return text.replace(self._key or "", "[key]") if secret else text


class _HttpClient(openai.DefaultAsyncHttpxClient):
    """Bounds the time of a whole request, where httpx bounds that of each read, and gives answers their true status."""

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        try:
            async with asyncio.timeout(self.timeout.read):
                response = await super().send(request, **options)
        except TimeoutError:
            raise httpx.ReadTimeout("", request=request) from None
        if request.method == "POST" and response.is_success:
            response.status_code = true_status(response.content.decode(errors="replace"))
        if response.status_code == TOO_EARLY:
            response.headers["x-should-retry"] = "true"
        return response


def true_status(body: str) -> int:
    """The status of an answer that calls itself a success: that of the error in it, if there is one."""
    try:
        read_completion(body)
        return httpx.codes.OK
    except ValueError:
        pass
    try:
        answer = json.loads(body)
        error = answer.get("error") or answer["choices"][0]["error"]
        status = int(error["code"])
    except UNREADABLE:
        return NO_COMPLETION
    return status if httpx.codes.is_error(status) else NO_COMPLETION


def read_completion(body: str) -> dict[str, Any]:
    """A chat completion; ValueError if the body isn't one, or tells of an error."""
    try:
        completion: dict[str, Any] = json.loads(body)
        choice = completion["choices"][0]
        text_of(choice["message"].get("content"))
        failed = completion.get("error") or choice.get("error")
        failed = failed or choice.get("finish_reason") == "error"
    except UNREADABLE:
        failed = True
    if failed:
        raise ValueError("no chat completion")
    return completion


def text_of(content: Any) -> str:
    """The answer that the content of a message holds, in one part or several, without the thoughts before it."""
    if isinstance(content, list):
        content = "".join(part.get("text") or "" for part in content)
    # None is a refusal, or all tokens were spent on thoughts; half a surrogate pair can't be stored.
    text: str = "" if content is None else content.encode(errors="replace").decode()
    thoughts, end, answer = text.partition("</think>")
    return answer if end else thoughts


def sampling(settings: ApiSettings) -> dict[str, Any]:
    """All fields of a request except the conversation."""
    limits = {"temperature": settings.temperature, "max_tokens": settings.max_new_tokens}
    given = {key: value for key, value in limits.items() if value is not None}
    return {"model": settings.model, **given, **settings.extra}


def _count(usage: object, kind: str) -> int:
    value = usage.get(kind) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and 0 <= value < 1 << 40 else 0
