"""Sampling of an evaluation from a vLLM server: agents whose adapters lie in directories."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import torch

from social_dilemmas.agents.play import Place
from social_dilemmas.backends.vllm.client import NEUTRAL, ServerLostError
from social_dilemmas.backends.vllm.player import VllmPlayer
from social_dilemmas.backends.vllm.served import ServedSampler
from social_dilemmas.backends.vllm.server import VllmServer
from social_dilemmas.backends.vllm.shared import SharedServer
from social_dilemmas.config.schema.evaluation import Evaluation
from social_dilemmas.errors import UserError
from social_dilemmas.policy.adapters import CONFIG, FILES, NO_ADAPTER, check_adapter
from social_dilemmas.policy.model import model_fingerprint
from social_dilemmas.policy.policy import Policy
from social_dilemmas.run.checksum import checksum
from social_dilemmas.run.fingerprint import combined


class AgentsSampler(ServedSampler):
    """Samples from a server of the job's own, or from one that jobs share, where `vllm.base_urls` has any.

    The server reads the agents' directories itself, and has each under a name made of the adapter's content: so no job
    can overwrite another's adapters, and those of a training that is run again are other ones.
    """

    def __init__(
        self,
        policy: Policy,
        settings: Evaluation,
        *,
        game: Mapping[str, Any],
        adapters: Iterable[str],
        folder: Path,
    ) -> None:
        """Check the directories of all adapters that will play; raises UserError as `check_adapter`, or without vLLM.

        `game` is the game's entry in the config; `folder` takes the log of a server of the job's own.
        """
        super().__init__(policy, settings, folder)
        model, chosen = policy.language_model.path, settings.vllm
        adapters = [*adapters]
        for adapter in adapters:
            check_adapter(Path(adapter), model)
        self._names = {adapter: served_name(Path(adapter)) for adapter in adapters}
        if chosen.base_urls:
            marks = {
                NEUTRAL: "isn't one that `make serve` has started",
                model_fingerprint(model): f"serves another model than {model}",
                self._masks: f"has no token masks for {policy.game.name} as it is played here",
            }
            self.server = SharedServer(chosen.base_urls, chosen.request_timeout, marks)
        else:
            self.server = VllmServer(
                model,
                chosen,
                folder / "server.log",
                device="cuda:0" if torch.cuda.is_available() else "cpu",
                dtype=str(policy.model.dtype).removeprefix("torch."),
                adapters=len(adapters),
                rank=max([1, *map(rank_of, adapters)]),
                reply_masks={self._masks: dict(game)},
            )
        self._names[NO_ADAPTER] = self.server.base

    def __enter__(self) -> Self:
        with self._loss_reported():
            self.server.start()
        return self

    @contextmanager
    def seated(self, adapters: Mapping[Place, str | None]) -> Iterator[VllmPlayer]:
        """A player for these seats; raises UserError if the server has gone."""
        with self._loss_reported(), super().seated(adapters) as player:
            yield player

    @contextmanager
    def _loss_reported(self) -> Iterator[None]:
        try:
            yield
        except ServerLostError as error:
            advice = "run it again, with a higher vllm.request_timeout or a lower batch if it is too busy"
            raise UserError(f"{self.server.name} {error}{self.server.see}; {advice}") from error

    def _serve(self, adapters: Iterable[str]) -> Mapping[str, str]:
        """Have these adapters served; gives the names of all."""
        for adapter in sorted({*adapters} - {NO_ADAPTER} - self._served):
            self.server.load_adapter(self._names[adapter], Path(adapter))
            self._served.add(adapter)
        return self._names


def served_name(adapter: Path) -> str:
    """A name of an adapter that no other has, from the checksums of its files."""
    return f"adapter-{combined(checksum(adapter / name) for name in FILES)}"


def rank_of(adapter: str) -> int:
    """The rank of an adapter in a directory."""
    return int(json.loads(Path(adapter, CONFIG).read_text())["r"])
