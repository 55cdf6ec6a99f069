"""Iterations that are played on a vLLM server: the learner as it is now, its past versions, a frozen opponent."""

import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from peft import PeftModel
from safetensors.torch import save_file

from social_dilemmas.backends.vllm.player import VllmPlayer
from social_dilemmas.backends.vllm.protocol import masks_fingerprint
from social_dilemmas.backends.vllm.server import (
    BASE,
    ServerLostError,
    ServerSettings,
    VllmServer,
)
from social_dilemmas.errors import UserError
from social_dilemmas.games.game import Match, Turn
from social_dilemmas.method.rollout import (
    Experience,
    Seating,
    adapter_names,
    adapters_in,
    begin_again,
    play_seatings,
)
from social_dilemmas.policy.adapters import FILES, LEARNER, NO_ADAPTER, adapter_weights
from social_dilemmas.policy.masks import TokenMasks
from social_dilemmas.policy.model import LanguageModel
from social_dilemmas.randomness import derive_seed
from social_dilemmas.run.ranks import ALONE, Processes

if (
    TYPE_CHECKING
):  # the server imports it, by its name; here the fingerprint of the code learns of it
    from social_dilemmas.backends.vllm import masks  # noqa: F401

logger = logging.getLogger(__name__)
PROCESSOR = "social_dilemmas.backends.vllm.masks:ReplyMasks"
NOTHING_LOST = "what was finished is saved, and another run goes on from there"
Seats = Callable[[], tuple[list[Seating], Mapping[Match, int]]]
"""Gives the matches of an iteration, new every time, and their numbers, which are the same every time."""


class NoServerError(UserError):
    """A server can't be started, or was lost twice in the same iteration."""


class VllmSampler:
    """Plays iterations on a vLLM server of the job's own, which it starts for the first and ends with the `with`.

    Every iteration the learner is served under a new name, from a new directory, so that the server can't mistake
    its weights, or what it remembers of conversations, for those before the last optimiser step.
    """

    def __init__(
        self,
        language_model: LanguageModel,
        model: PeftModel,
        masks: TokenMasks,
        *,
        game: Mapping[str, Any],
        settings: Mapping[str, Any],
        seed: int,
        folder: Path,
    ) -> None:
        """Prepare a server.

        Args:
            language_model: the model without adapters.
            model: the same, with the learner's adapter and those of its opponents.
            masks: reply grammars of the game.
            game: the game's entry in the config.
            settings: of the run.
            seed: of the run.
            folder: takes the server's log and the adapters while they are served; it is removed in the end, but kept
                if something fails.

        Raises:
            UserError: vLLM isn't installed.
        """
        self._chat = language_model.chat
        self._model = model
        self._masks = masks
        self._settings = settings
        self._seed = seed
        self._folder = folder
        self._served: set[str] = set()
        shutil.rmtree(folder, ignore_errors=True)
        others = set(model.peft_config) - {LEARNER}  # a frozen opponent; past agents come later
        self.server = VllmServer(
            language_model.path,
            ServerSettings(**settings["vllm"]),
            folder / "server.log",
            device=str(model.device),
            dtype=str(model.dtype).removeprefix("torch."),
            adapters=1 + len(others) + settings["buffer"]["size"],
            rank=max(config.r for config in model.peft_config.values()),
            processor=PROCESSOR,
            additional={
                "reply_masks": {"game": dict(game), "fingerprint": masks_fingerprint(masks)}
            },
        )

    def play(self, iteration: int, seat: Seats, processes: Processes = ALONE) -> Experience:
        """Play the matches of an iteration.

        A server that is lost meanwhile is started again, and the iteration is repeated: all draws are derived from
        what they are for, so the repetition says the same.

        Raises:
            NoServerError: it is lost again, or can't be started.
            UserError: it refuses a request.
        """
        for last in (False, True):
            seatings, numbers = seat()
            try:
                names = self._serve(iteration, adapters_in(seatings))
                player = self._player(iteration, seatings, numbers, names)
                return play_seatings(seatings, player, processes)
            except ServerLostError as error:
                self.server.stop()
                if last:
                    raise NoServerError(
                        f"the vLLM server {error}, for the second time in iteration {iteration}, see its log "
                        f"{self.server.log}; {NOTHING_LOST}"
                    ) from error
                logger.warning(
                    "the vLLM server %s; starting another one and repeating iteration %d (its log: %s)",
                    *(error, iteration, self.server.log),
                )
                begin_again(seatings)
        raise AssertionError("unreachable")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.server.stop()
        shutil.rmtree(self._folder / "adapters", ignore_errors=True)
        if kind is None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _player(
        self,
        iteration: int,
        seatings: Sequence[Seating],
        numbers: Mapping[Match, int],
        names: Mapping[str, str],
    ) -> VllmPlayer:
        adapter_of = adapter_names(seatings)

        def seed_of(turn: Turn, replies: int) -> int:
            place = (iteration, numbers[turn.match], turn.seat, replies)
            return derive_seed(self._seed, *place, "sampling")

        return VllmPlayer(
            self.server,
            self._chat,
            self._masks,
            seed_of=seed_of,
            model_of=lambda turn: names[adapter_of(turn)],
            temperature=self._settings["temperature"],
            max_new_tokens=self._settings["max_new_tokens"],
        )

    def _serve(self, iteration: int, adapters: Sequence[str]) -> dict[str, str]:
        """Have the server ready with these adapters; gives the names under which it has them.

        Adapters of earlier learners, and of past agents that the model has no longer, are taken from it first, so
        that there are never more than it was told.
        """
        names = {name: name for name in self._model.peft_config}
        names |= {LEARNER: f"learner-{iteration}", NO_ADAPTER: BASE}
        if not self.server.running:
            self._served.clear()
            try:
                self.server.start()
            except UserError as error:
                raise NoServerError(f"{error}; {NOTHING_LOST}") from error
        for name in sorted(self._served - set(names.values())):
            self.server.unload_adapter(name)
            self._served.remove(name)
            shutil.rmtree(self._directory(name))
        for adapter in adapters:
            name = names[adapter]
            if adapter != NO_ADAPTER and name not in self._served:
                write_adapter(self._model, adapter, self._directory(name))
                self.server.load_adapter(name, self._directory(name))
                self._served.add(name)
        return names

    def _directory(self, name: str) -> Path:
        """Where a served adapter is; another one for every start of a server, as for every name."""
        return self._folder / "adapters" / f"{self.server.starts}" / name


def write_adapter(model: PeftModel, name: str, output: Path) -> None:
    """Write one of a model's adapters as a PEFT directory."""
    output.mkdir(parents=True)
    config, weights = FILES
    model.peft_config[name].save_pretrained(str(output))
    assert (output / config).is_file()
    tensors = {key: value.contiguous() for key, value in adapter_weights(model, name).items()}
    save_file(tensors, output / weights)
