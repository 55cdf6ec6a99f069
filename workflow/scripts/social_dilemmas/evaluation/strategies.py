"""Strategies of the Axelrod library among themselves: a round-robin by the library alone, and what kind each one is.

Kinds are told by how a strategy answers three fixed players, and by nothing else, so that they don't depend on who
else takes part: a cooperator, a defector, and a cooperator that slips, that is, defects once.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import axelrod
import numpy as np
import pandas as pd

from social_dilemmas.agents.axelrod.kinds import kind_of_strategy
from social_dilemmas.agents.axelrod.player import (
    library_game,
    prepare,
    strategy_class,
    strategy_seed,
)
from social_dilemmas.games import game_of
from social_dilemmas.games.prisoners_dilemma import PrisonersDilemma
from social_dilemmas.randomness import derive_seed
from social_dilemmas.run.progress import Progress

C, D = axelrod.Action.C, axelrod.Action.D
Actions = list[tuple[axelrod.Action, axelrod.Action]]

PROBE_ROUNDS, PROBE_MATCHES = 10, 20
SLIP = 3  # the round of the slip
LAST_ROUNDS = 3
PROBES = {
    "with_cooperator": axelrod.Cooperator,
    "with_defector": axelrod.Defector,
    "after_slip": lambda: axelrod.MockPlayer([C] * SLIP + [D] + [C] * PROBE_ROUNDS),
}


def run_strategies(
    *,
    game: Mapping[str, Any],
    strategies: Sequence[str],
    matches: int,
    output: Path,
    kinds: Path,
) -> None:
    """Play all pairs of strategies and write one row per match and side as parquet; tell their kinds as CSV.

    No strategy plays itself. A pair without any chance is played once and counts for all its matches.

    Args:
        game: the config entry of a prisoner's dilemma.
        strategies: names, each once.
        matches: of each pair.
        output: parquet file with the columns agent, opponent, match, payoff and payoff_opponent (points a round),
            cooperation and cooperation_opponent (shares of rounds).
        kinds: CSV file with the columns strategy, kind, cooperation_with_cooperator, cooperation_with_defector (shares
            of rounds), cooperation_after_slip (share of the last three rounds).

    Raises:
        UserError: a strategy doesn't exist.
    """
    rules = game_of(game)
    assert isinstance(rules, PrisonersDilemma)
    league = League(rules, [strategy_class(name) for name in strategies])
    told = [kind_row(name) for name in strategies]
    pairs = list(combinations(range(len(strategies)), 2))
    results = np.zeros((len(pairs), matches, 2, 2))  # pair, match, payoff or cooperation, side
    with Progress(len(pairs), f"{rules.name}, strategies") as progress:
        for place, pair in enumerate(pairs):
            results[place] = league.play(*pair, matches)
            progress.advance()
    pd.DataFrame(told).to_csv(kinds, index=False)
    _table(strategies, np.array(pairs, int).reshape(-1, 2), results).to_parquet(output, index=False)


class League:
    """Strategies that meet under the rules of one game; each has one object, which starts anew for every match."""

    def __init__(self, rules: PrisonersDilemma, strategies: Sequence[type[axelrod.Player]]) -> None:
        self._rules = rules
        self._game = library_game(rules)
        self._players = [strategy() for strategy in strategies]
        self._chance = [axelrod.Classifiers["stochastic"](player) for player in self._players]

    def play(self, first: int, second: int, matches: int) -> np.ndarray:
        """Payoffs a round and shares of cooperation of both sides, (matches, 2, 2)."""
        pair = self._players[first], self._players[second]
        chance = self._chance[first] or self._chance[second]
        outcomes = np.zeros((matches, 2, 2))
        actions: Actions = []
        for index in range(matches):
            seed = match_seed(pair[0].name, pair[1].name, index)
            if chance or not index:
                actions = play_strategies(*pair, self._rules.rounds, self._game, seed)
            played = actions[: self._rules.horizon.draw(seed)]
            outcomes[index] = self._summary(played)
        return outcomes

    def _summary(self, played: Actions) -> np.ndarray:
        """Means over the rounds, (2, 2)."""
        points = [self._game.scores[pair] for pair in played]
        cooperations = [(own is C, other is C) for own, other in played]
        return np.array([points, cooperations], float).mean(1)


def play_strategies(
    first: axelrod.Player,
    second: axelrod.Player,
    rounds: int,
    game: axelrod.Game,
    seed: int,
) -> Actions:
    """The actions of both in a new match of so many rounds."""
    for seat, player in enumerate((first, second)):
        player.reset()
        prepare(player, game, strategy_seed(player.name, seed, seat))
    actions = []
    for _ in range(rounds):
        pair = first.strategy(second), second.strategy(first)
        first.update_history(*pair)
        second.update_history(*reversed(pair))
        actions.append(pair)
    return actions


def match_seed(*names: object) -> int:
    """The seed of a match between two entrants; the names end with the match's number."""
    return derive_seed("tournament match", *names)


def kind_row(name: str) -> dict[str, Any]:
    """How a strategy answers the fixed players under the library's own payoffs, and so its kind."""
    player, game = strategy_class(name)(), axelrod.Game()
    shares = {}
    for label, probe in PROBES.items():
        first = LAST_ROUNDS if label == "after_slip" else PROBE_ROUNDS
        cooperations = [
            own is C
            for index in range(PROBE_MATCHES)
            for own, _ in play_strategies(
                player, probe(), PROBE_ROUNDS, game, derive_seed("probe", name, label, index)
            )[-first:]
        ]
        shares[f"cooperation_{label}"] = round(sum(cooperations) / len(cooperations), 6)
    return {"strategy": name, "kind": kind_of_strategy(**shares), **shares}


def _table(names: Sequence[str], pairs: np.ndarray, results: np.ndarray) -> pd.DataFrame:
    """One row per match and side."""
    matches = results.shape[1]
    known = np.array(names, object)
    flat = results.reshape(-1, 2, 2)
    sides = []
    for own, other in ((0, 1), (1, 0)):
        sides.append(
            {
                "agent": known[np.repeat(pairs[:, own], matches)],
                "opponent": known[np.repeat(pairs[:, other], matches)],
                "match": np.tile(np.arange(matches), len(pairs)),
                "payoff": flat[:, 0, own],
                "payoff_opponent": flat[:, 0, other],
                "cooperation": flat[:, 1, own],
                "cooperation_opponent": flat[:, 1, other],
            }
        )
    return pd.concat(map(pd.DataFrame, sides), ignore_index=True)
