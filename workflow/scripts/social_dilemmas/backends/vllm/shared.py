"""A vLLM server that several jobs share: starting it, and finding it."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from social_dilemmas.backends.vllm.client import NEUTRAL, Connection, ServerLostError
from social_dilemmas.backends.vllm.protocol import masks_fingerprint
from social_dilemmas.backends.vllm.server import VllmServer
from social_dilemmas.config.schema.training import Vllm
from social_dilemmas.errors import UserError
from social_dilemmas.games import Entry, game_of
from social_dilemmas.policy.adapters import LEARNER
from social_dilemmas.policy.model import LanguageModel, model_fingerprint
from social_dilemmas.policy.policy import Policy

KEY = "VLLM_API_KEY"  # the environment variable with the server's key, vLLM's own


class SharedServer(Connection):
    """One of several servers, the first that can sample for this job.

    Adapters are never unloaded, as other jobs may need them, so a name must always stand for the same weights.
    """

    def __init__(
        self, addresses: Sequence[str], request_timeout: float, marks: Mapping[str, str]
    ) -> None:
        """`marks` are names that the right server has, each with what is wrong with a server without it."""
        super().__init__("the vLLM server", "", os.environ.get(KEY, ""), request_timeout)
        self.base = NEUTRAL
        self._addresses = addresses
        self._marks = marks

    def start(self) -> None:
        """Find the server; raises UserError if none is the right one, which says what is wrong with each."""
        problems = []
        for address in self._addresses:
            self.name = f"the vLLM server at {address}"
            self.client.base_url = address
            problem = self._problem()
            if not problem:
                return
            problems.append(f"{self.name} {problem}")
        raise UserError(f"{', and '.join(problems)}: see vllm.base_urls, and {KEY} for its key")

    def stop(self) -> None:
        """Leave it running, for other jobs."""

    def load_adapter(self, name: str, path: Path) -> None:
        """As for a server of the job's own; another job may have loaded the same adapter already."""
        try:
            super().load_adapter(name, path)
        except UserError:
            if name not in self.served():
                raise

    def _problem(self) -> str:
        """What is wrong with the server, in words; empty if nothing is."""
        try:
            served = self.served()
        except (ServerLostError, UserError) as error:
            return str(error).removeprefix(f"{self.name} ")
        except (KeyError, TypeError, ValueError):
            return "doesn't answer as vLLM does"
        return next((wrong for mark, wrong in self._marks.items() if mark not in served), "")


@contextmanager
def serving(
    model: LanguageModel,
    games: Sequence[Entry],
    settings: Vllm,
    log: Path,
    *,
    address: tuple[str, int],
    key: str,
    adapters: int,
    rank: int,
) -> Iterator[VllmServer]:
    """A server for jobs that share it, for games of the configuration's entries; arguments as `VllmServer` has them.

    Its names tell which model it has and which token masks. Jobs together may use more than `adapters`, which would
    make it run some seats without an adapter under one; so it has an adapter that changes nothing for these.
    """
    masks = {masks_fingerprint(model.masks(game_of(game))): dict(game) for game in games}
    policy = Policy(model, game_of(games[0]))
    policy.add_learner(rank=1, alpha=1.0, seed=0)  # an adapter begins as one that changes nothing
    server = VllmServer(
        model.path,
        settings,
        log,
        device="cuda:0" if torch.cuda.is_available() else "cpu",
        dtype=str(model.model.dtype).removeprefix("torch."),
        adapters=adapters,
        rank=rank,
        reply_masks=masks,
        address=address,
        key=key,
        marks=[model_fingerprint(model.path), *masks],
    )
    with TemporaryDirectory() as folder:
        neutral = Path(folder, NEUTRAL)
        policy.write(LEARNER, neutral)
        try:
            server.start()
            server.load_adapter(NEUTRAL, neutral)
            yield server
        finally:
            server.stop()
