"""Agents whose matches a server or the default sampler may play, and whether both play them alike."""

from pathlib import Path
from typing import Any

import pandas as pd
from tests.unit.mixed_adapters import saved_adapter

from social_dilemmas.agents.agent import WARM_START, Agent, Kind
from social_dilemmas.config.schema.evaluation import Evaluation
from social_dilemmas.evaluation.cross_play import play_pairs

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


def assert_alike(own: pd.DataFrame, served: pd.DataFrame) -> None:
    """Every agent's share of cooperation is the same, up to chance, and agents differ by far more."""
    pair = ["agent", "agent_seed", "opponent"]
    first, second = (table.groupby(pair)["cooperation"] for table in (own, served))
    error = (first.var() / first.size() + second.var() / second.size()) ** 0.5
    assert ((first.mean() - second.mean()).abs() < 4 * error + 0.01).all()
    assert first.mean().max() - first.mean().min() > 0.3
