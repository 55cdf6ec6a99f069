"""Requests to a vLLM server, whoever has started it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import shorten
from typing import Any, NamedTuple

import httpx

from social_dilemmas.errors import UserError

BASE = "base"  # the served name of the model without an adapter
NEUTRAL = "neutral"  # that of an adapter that changes nothing, on a server that jobs share
CONCURRENCY = 256  # most requests at the same time
GREETING = 60.0  # seconds in which a server, however busy, must say what it has


class ServerLostError(Exception):
    """The server has ended or doesn't answer any more; the message continues `Connection.name`."""


class Completion(NamedTuple):
    """Sampled tokens, the last of which ended the reply, and their processed log-probabilities."""

    tokens: list[int]
    log_probabilities: list[float]


class Connection(ABC):
    """A connection to a server, which a subclass knows how to start or to find.

    Attributes:
        name, see: what messages call the server, and where they say that there is more to be read.
        base: the served name for seats without an adapter.
        context: most tokens of a conversation, once it has started.
    """

    def __init__(self, name: str, see: str, key: str, request_timeout: float) -> None:
        self.name = name
        self.see = see
        self.base = BASE
        self.context = 0
        self._request_timeout = request_timeout
        self.client = httpx.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            # Connections aren't kept: the server may close an idle one just when a request is sent.
            limits=httpx.Limits(max_connections=CONCURRENCY, max_keepalive_connections=0),
            trust_env=False,  # no proxy
        )

    @property
    def running(self) -> bool:
        """Whether it is there, as far as can be told without asking it."""
        return True

    @abstractmethod
    def start(self) -> None:
        """Begin; raises UserError if it can't."""

    @abstractmethod
    def stop(self) -> None:
        """End what `start` has begun."""

    def served(self) -> set[str]:
        """All names under which it has a model or an adapter; finds out `context`. Raises as `complete`."""
        models = self._ask("GET", "/v1/models", timeout=GREETING).json()["data"]
        self.context = int(models[0]["max_model_len"])
        return {str(model["id"]) for model in models}

    def load_adapter(self, name: str, path: Path) -> None:
        """Serve an adapter, a PEFT directory that must stay there as long as it is served; raises as `complete`."""
        body = {"lora_name": name, "lora_path": str(path.resolve())}
        self._ask("POST", "/v1/load_lora_adapter", body)

    def unload_adapter(self, name: str) -> None:
        """Stop serving an adapter; raises as `complete`."""
        self._ask("POST", "/v1/unload_lora_adapter", {"lora_name": name})

    def complete(self, requests: Sequence[Mapping[str, Any]]) -> list[Completion]:
        """Answers to completion requests, all sent at once; one that fails is sent a second time.

        Raises ServerLostError if the server has gone, UserError if it refuses a request.
        """
        if not requests:
            return []
        with ThreadPoolExecutor(min(len(requests), CONCURRENCY)) as threads:
            return list(threads.map(self._complete, requests))

    def _complete(self, request: Mapping[str, Any]) -> Completion:
        body = {**request, "return_token_ids": True}
        choice = self._ask("POST", "/v1/completions", body, attempts=2).json()["choices"][0]
        if choice["finish_reason"] != "stop":
            raise UserError(
                f"a conversation has reached the limit of {self.context} tokens that {self.name} has; raise "
                "vllm.context, or lower max_new_tokens"
            )
        return Completion(choice["token_ids"], choice["logprobs"]["token_logprobs"])

    def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        attempts: int = 1,
        timeout: float | None = None,
    ) -> httpx.Response:
        """An answer to a request, which is sent so many times if there is none; raises as `complete`."""
        problem, timeout = "", timeout or self._request_timeout
        for _ in range(attempts):
            try:
                response = self.client.request(method, path, json=body, timeout=timeout)
                if response.is_success:
                    return response
                status = f"status {response.status_code}: {shorten(response.text, 200)}"
                if not response.is_server_error:
                    raise UserError(f"{self.name} refuses a request ({status}){self.see}")
                problem = f"fails ({status})"
            except httpx.TimeoutException:
                problem = f"doesn't answer within {timeout:g} seconds"
            except httpx.HTTPError as error:
                problem = f"fails ({type(error).__name__}: {shorten(str(error), 200)})"
        raise ServerLostError(problem if self.running else "has ended")
