"""Stands in for a vLLM server where its answers matter: the trainer's own model draws them, one by one."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from peft import PeftModel
from torch import Tensor

from social_dilemmas.backends.vllm.client import BASE, Completion, ServerLostError
from social_dilemmas.backends.vllm.protocol import Reply, masks_fingerprint
from social_dilemmas.games import game_of
from social_dilemmas.policy.masks import DONE, TokenMasks
from social_dilemmas.policy.model import load_model


class StandIn:
    """Answers as `VllmServer` does, with adapters that it reads from the directories that it is given."""

    name, base = "the vLLM server", BASE
    lost_in: ClassVar[set[int]] = set()  # numbers of the calls in which a server is lost
    calls: ClassVar[int] = 0
    history: ClassVar[list[str]] = []  # what was asked of servers
    requests: ClassVar[list[Mapping[str, Any]]] = []

    def __init__(self, model: Path, settings: Any, log: Path, **facts: Any) -> None:
        self.log = log
        self.see = f", see {log}"
        self.context = 512
        self.starts = 0
        self.running = False
        self._path = model
        self._adapters = facts["adapters"]
        ((fingerprint, game),) = facts["reply_masks"].items()
        self._masks = load_model(model).masks(game_of(game))
        assert fingerprint == masks_fingerprint(self._masks)

    @classmethod
    def reset(cls) -> None:
        cls.lost_in, cls.calls = set(), 0
        cls.history.clear()
        cls.requests.clear()

    def start(self) -> None:
        self.running = True
        self.starts += 1
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.write_text("started\n")
        self._base = load_model(self._path).model
        self._model: Any = None  # with adapters, once there is one
        self._names: set[str] = set()
        self.history.append("start")

    def stop(self) -> None:
        self.running = False

    def load_adapter(self, name: str, path: Path) -> None:
        assert name not in self._names
        self._names.add(name)
        assert len(self._names) <= self._adapters
        if self._model is None:
            model = load_model(self._path).model
            self._model = PeftModel.from_pretrained(model, str(path), adapter_name=name)
        else:
            self._model.load_adapter(str(path), name)
        self.history.append(f"load {name}")

    def unload_adapter(self, name: str) -> None:
        self._names.remove(name)
        if self._names:
            self._model.set_adapter(min(self._names))  # the active one can't be deleted silently
        self._model.delete_adapter(name)
        self.history.append(f"unload {name}")

    def complete(self, requests: Sequence[Mapping[str, Any]]) -> list[Completion]:
        assert self.running
        type(self).calls += 1
        if self.calls in self.lost_in:
            raise ServerLostError("has ended")
        self.requests.extend(requests)
        return [draw(self._next, request, self._masks) for request in requests]

    def _next(self, model: str, tokens: list[int]) -> Tensor:
        played_by: Any = self._base
        if model != BASE:
            assert model in self._names
            played_by = self._model
            played_by.set_adapter(model)
        logits: Tensor = played_by(torch.tensor([tokens])).logits[0, -1]
        return logits


@torch.no_grad()
def draw(following: Any, request: Mapping[str, Any], masks: TokenMasks) -> Completion:
    """What the server does with a request, with the project's own code where the server has it, too."""
    reply = Reply.of_request(request["vllm_xargs"], [])
    assert reply is not None
    draws, log_probabilities = random.Random(request["seed"]), []
    while (state := reply.next_state(masks)) != DONE:
        logits = following(request["model"], request["prompt"] + reply.tokens)
        masked = (logits / request["temperature"]).masked_fill(~masks.allowed[state], -torch.inf)
        distribution = masked.log_softmax(-1)
        (token,) = draws.choices(range(len(distribution)), distribution.exp().tolist())
        reply.tokens.append(token)
        log_probabilities.append(distribution[token].item())
    assert reply.tokens[-1] in request["stop_token_ids"]
    return Completion(reply.tokens, log_probabilities)
