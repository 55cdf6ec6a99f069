"""Agents whose matches a server or the default sampler may play, and whether both play them alike."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from tests.unit.mixed_adapters import saved_adapter

from social_dilemmas.agents.agent import WARM_START, Agent, Kind
from social_dilemmas.backends.vllm.server import VllmServer
from social_dilemmas.backends.vllm.shared import serving
from social_dilemmas.config.schema.evaluation import Evaluation
from social_dilemmas.config.schema.training import Vllm
from social_dilemmas.evaluation.cross_play import play_pairs
from social_dilemmas.policy.model import load_model
from social_dilemmas.run.launch import free_port

DILEMMA: dict[str, Any] = {"name": "prisoners_dilemma", "rounds": 2}
RANDOM = Agent("random", Kind.SCRIPTED)


def three_agents(base: Path, folder: Path, scale: float) -> list[Agent]:
    """The model itself, and two agents with adapters of other weights and ranks."""
    trained = []
    for rank in (2, 3):
        adapter = saved_adapter(base, folder / str(rank), scale, rank=rank)
        trained.append(Agent("naive", seed=rank, adapter=str(adapter)))
    return [Agent(WARM_START), *trained]


def play_all(
    base: Path, output: Path, agents: list[Agent], matches: int, **changes: Any
) -> pd.DataFrame:
    """The matches of agents with themselves and with a scripted player, seen by the agents."""
    play_pairs(
        model=base,
        pairs=[(agent, other) for agent in agents for other in (agent, RANDOM)],
        game=DILEMMA,
        settings=Evaluation(opponents=[], matches=matches, batch=32, **changes),
        output=output,
    )
    return pd.read_parquet(output).query("agent != 'random'")


@contextmanager
def shared_server(
    base: Path, folder: Path, vllm: Vllm, *games: dict[str, Any], adapters: int, rank: int
) -> Iterator[VllmServer]:
    """A server of this machine for these games, whose key is `secret`."""
    with serving(
        load_model(base, "cpu"),
        games,
        vllm,
        folder / "server.log",
        address=("127.0.0.1", free_port()),
        key="secret",
        adapters=adapters,
        rank=rank,
    ) as server:
        yield server


def assert_alike(own: pd.DataFrame, served: pd.DataFrame) -> None:
    """Every agent's share of cooperation is the same, up to chance, and agents differ by far more."""
    pair = ["agent", "agent_seed", "opponent"]
    first, second = (table.groupby(pair)["cooperation"] for table in (own, served))
    error = (first.var() / first.size() + second.var() / second.size()) ** 0.5
    assert ((first.mean() - second.mean()).abs() < 4 * error + 0.01).all()
    assert first.mean().max() - first.mean().min() > 0.3
