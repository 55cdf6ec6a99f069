"""Sampling from a vLLM server, whatever starts it and whichever adapters it serves."""

import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from social_dilemmas.agents.play import Place
from social_dilemmas.backends.vllm.client import Connection
from social_dilemmas.backends.vllm.player import VllmPlayer
from social_dilemmas.backends.vllm.protocol import masks_fingerprint
from social_dilemmas.config.schema.evaluation import Evaluation
from social_dilemmas.config.schema.training import Training
from social_dilemmas.games.game import Turn
from social_dilemmas.policy.policy import Policy
from social_dilemmas.policy.sampler import NamesOf
from social_dilemmas.randomness import derive_seed


class ServedSampler(ABC):
    """A `Sampler` of `agents.play`, and a context that ends the server."""

    def __init__(self, policy: Policy, settings: Training | Evaluation, folder: Path) -> None:
        """`folder` takes a server's files; what is there goes now, and at the end unless something fails."""
        self._policy = policy
        self._settings = settings
        self._folder = folder
        self._served: set[str] = set()
        self._masks = masks_fingerprint(policy.masks)
        self.server: Connection
        shutil.rmtree(folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.server.stop()
        shutil.rmtree(self._folder / "adapters", ignore_errors=True)
        if kind is None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def named(self, names_of: NamesOf) -> Self:
        """Turns to conversations with these names for their random streams."""
        self._names_of = names_of
        return self

    @contextmanager
    def seated(self, adapters: Mapping[Place, str | None]) -> Iterator[VllmPlayer]:
        """A player for these seats, once the server has their adapters as they are now.

        Raises UserError if the server can't be started, ServerLostError if it has gone.
        """
        policy = self._policy
        named = {place: policy.name_of(adapter) for place, adapter in adapters.items()}
        served = self._serve({*named.values()})
        names: dict[Place, Sequence[object]] = {}  # of the seats' random streams

        def seed_of(turn: Turn, replies: int) -> int:
            place = turn.match, turn.seat
            if place not in names:
                names[place] = self._names_of(turn)
            return derive_seed(*names[place], replies)

        yield VllmPlayer(
            self.server,
            policy,
            masks=self._masks,
            seed_of=seed_of,
            model_of=lambda turn: served[named[turn.match, turn.seat]],
            temperature=self._settings.temperature,
            max_new_tokens=self._settings.max_new_tokens,
        )

    @abstractmethod
    def _serve(self, adapters: Iterable[str]) -> Mapping[str, str]:
        """Have these adapters served; gives the names under which they are."""
