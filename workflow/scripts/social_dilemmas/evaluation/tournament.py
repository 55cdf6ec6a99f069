"""A tournament of the prisoner's dilemma: trained agents among the strategies of the Axelrod library.

What the strategies get among themselves doesn't depend on the agents, and is played by
`social_dilemmas.evaluation.strategies`.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations, product
from pathlib import Path
from typing import Any

from social_dilemmas.agents.axelrod.player import AxelrodPlayer
from social_dilemmas.evaluation.cross_play import Agent, play_pairs


def run_tournament(
    *,
    model: Path,
    agents: Sequence[Agent],
    strategies: Sequence[str],
    game: Mapping[str, Any],
    settings: Mapping[str, Any],
    output: Path,
) -> None:
    """Let every agent meet every strategy and every other agent, in one batched process.

    The matches of one agent with all strategies stand next to each other, so that few batches need more than one
    adapter.

    Args:
        model: directory of the model that all adapters belong to.
        agents: the model under its adapters, or without one.
        strategies: names of strategies of the library.
        game: the config entry of a prisoner's dilemma.
        settings: as for `play_pairs`.
        output: parquet file as of `play_pairs`; strategies have the seed -1.

    Raises:
        UserError: as `play_pairs`, or a strategy doesn't exist.
    """
    fixed = [Agent(name, player=AxelrodPlayer(name)) for name in strategies]
    pairs = [*product(agents, fixed), *combinations(agents, 2)]
    play_pairs(model=model, pairs=pairs, game=game, settings=settings, output=output)
