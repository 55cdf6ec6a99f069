"""Sampling of a training from a vLLM server: the learner as it is now, its past versions, a frozen opponent."""

import logging
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from social_dilemmas.backends.vllm.client import BASE, ServerLostError
from social_dilemmas.backends.vllm.served import ServedSampler
from social_dilemmas.backends.vllm.server import VllmServer
from social_dilemmas.config.schema.training import Training
from social_dilemmas.errors import UserError
from social_dilemmas.policy.adapters import LEARNER, NO_ADAPTER
from social_dilemmas.policy.policy import Policy
from social_dilemmas.policy.sampler import NamesOf

logger = logging.getLogger(__name__)
FROM_HERE = "run it again: it goes on from its last checkpoint"
T = TypeVar("T")


class VllmSampler(ServedSampler):
    """Samples from a vLLM server of the job's own, which starts with the first match and ends with the `with`.

    It is for one iteration at a time. In each the learner is served under a new name, from a new directory, so that the
    server can't mistake its weights, or what it remembers of conversations, for those before the last optimiser step.
    """

    def __init__(
        self, policy: Policy, settings: Training, *, game: Mapping[str, Any], folder: Path
    ) -> None:
        """Prepare a server for a policy with a learner; raises UserError if vLLM isn't installed.

        `game` is the game's entry in the config. `folder` takes the server's log and the served adapters.
        """
        super().__init__(policy, settings, folder)
        model = policy.model
        self.server: VllmServer = VllmServer(
            policy.language_model.path,
            settings.vllm,
            folder / "server.log",
            device=str(model.device),
            dtype=str(model.dtype).removeprefix("torch."),
            adapters=2 + settings.buffer.size,  # the learner, a frozen opponent, past agents
            rank=max(config.r for config in model.peft_config.values()),
            reply_masks={self._masks: dict(game)},
        )

    def repeat_if_lost(self, iteration: int, play: Callable[[], T]) -> T:
        """Call `play`, and once more if it loses the server: seeds depend on nothing else, so it samples the same.

        Raises UserError if the server is lost again, or can't be started.
        """
        log = self.server.log
        try:
            return play()
        except ServerLostError as error:
            problem = f"the vLLM server {error}; starting another one and repeating iteration"
            logger.warning("%s %d (its log: %s)", problem, iteration, log)
        self.server.stop()
        try:
            return play()
        except ServerLostError as error:
            problem = f"the vLLM server {error}, for the second time in iteration {iteration}"
            raise UserError(f"{problem}, see its log {log}; {FROM_HERE}") from error

    def at(self, iteration: int, names_of: NamesOf) -> Self:
        """Turns to an iteration, with a name for the random stream of every conversation."""
        self._iteration = iteration
        return self.named(names_of)

    def _serve(self, adapters: Iterable[str]) -> dict[str, str]:
        """Have these adapters served; gives the names under which all are. Raises UserError.

        Adapters of earlier learners, and of past agents that the model has no longer, are unloaded first, so that
        there are never more than the server has room for.
        """
        names = {name: name for name in self._policy.adapters}
        names |= {LEARNER: f"learner-{self._iteration}", NO_ADAPTER: BASE}
        if not self.server.running:
            self._served.clear()
            try:
                self.server.start()
            except UserError as error:
                raise UserError(f"{error}; {FROM_HERE}") from error
        # Each start of a server has its own directory, as each name has.
        folder = self._folder / "adapters" / f"{self.server.starts}"
        for name in sorted(self._served - set(names.values())):
            self.server.unload_adapter(name)
            self._served.remove(name)
            shutil.rmtree(folder / name)
        for adapter in sorted(adapters):
            name = names[adapter]
            if adapter != NO_ADAPTER and name not in self._served:
                self._policy.write(adapter, folder / name)
                self.server.load_adapter(name, folder / name)
                self._served.add(name)
        return names
