"""Strategies of the Axelrod library among themselves: a round-robin within the library, and the kind of each.

The kind depends only on how a strategy answers three fixed probes, and so not on who else takes part: a cooperator,
a defector, and a cooperator that slips, that is, defects once.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from social_dilemmas.agents.axelrod.kinds import kind_of_strategy
from social_dilemmas.agents.axelrod.library import axelrod
from social_dilemmas.agents.axelrod.player import library_game, prepare, strategy_class
from social_dilemmas.games import game_of
from social_dilemmas.games.prisoners_dilemma import PrisonersDilemma
from social_dilemmas.randomness import derive_seed
from social_dilemmas.run.progress import Progress

C, D = axelrod.Action.C, axelrod.Action.D
PROBE_ROUNDS, PROBE_MATCHES, LAST_ROUNDS = 10, 20, 3
SLIP = 3  # the round of the slip
PROBES = {
    "with_cooperator": axelrod.Cooperator,
    "with_defector": axelrod.Defector,
    "after_slip": lambda: axelrod.MockPlayer([C] * SLIP + [D] + [C] * PROBE_ROUNDS),
}
OTHER_SIDE = {
    **{"agent": "opponent", "payoff": "payoff_opponent", "cooperation": "cooperation_opponent"},
    **{"opponent": "agent", "payoff_opponent": "payoff", "cooperation_opponent": "cooperation"},
}
"""What each column is called from the other player's side."""


def run_strategies(
    *, game: Mapping[str, Any], strategies: Sequence[str], matches: int, output: Path, kinds: Path
) -> None:
    """Play matches between all pairs of different strategies, by name, in a prisoner's dilemma of the configuration.

    `output` is a parquet file with one row per match and side: agent, opponent, match, payoff and payoff_opponent
    (points a round), cooperation and cooperation_opponent (shares of rounds); `kinds` is a CSV file with a `kind_row`
    per strategy.

    Raises:
        UserError: a strategy doesn't exist.
    """
    rules = game_of(game)
    assert isinstance(rules, PrisonersDilemma)
    pairs = list(combinations([strategy_class(name)() for name in strategies], 2))
    outcomes = np.zeros((len(pairs), matches, 2, 2))  # (pair, match, payoff or cooperation, side)
    with Progress(len(pairs), f"{rules.name}, strategies") as progress:
        for place, pair in enumerate(pairs):
            outcomes[place] = play_pair(*pair, rules, matches)
            progress.advance()
    pd.DataFrame([kind_row(name) for name in strategies]).to_csv(kinds, index=False)
    _table(list(combinations(strategies, 2)), outcomes).to_parquet(output, index=False)


def play_pair(
    first: axelrod.Player, second: axelrod.Player, rules: PrisonersDilemma, matches: int
) -> np.ndarray:
    """Payoffs per round and shares of cooperation of both sides, (matches, 2, 2).

    A pair without any randomness is played once, and the result stands for all its matches.
    """
    game = library_game(rules)
    random = any(axelrod.Classifiers["stochastic"](player) for player in (first, second))
    outcomes = np.zeros((matches, 2, 2))
    for index in range(matches):
        seed = match_seed(first.name, second.name, index)
        if random or not index:
            actions = play_strategies(first, second, rules.rounds, game, seed)
        played = actions[: rules.horizon.draw(seed)]
        points = [game.scores[pair] for pair in played]
        cooperations = [(own is C, other is C) for own, other in played]
        outcomes[index] = np.array([points, cooperations], float).mean(1)
    return outcomes


def play_strategies(
    first: axelrod.Player, second: axelrod.Player, rounds: int, game: axelrod.Game, seed: int
) -> list[tuple[axelrod.Action, axelrod.Action]]:
    """The actions of both in every round of a new match."""
    for seat, player in enumerate((first, second)):
        player.reset()
        prepare(player, game, seed, seat)
    actions = []
    for _ in range(rounds):
        pair = first.strategy(second), second.strategy(first)
        first.update_history(*pair)
        second.update_history(*reversed(pair))
        actions.append(pair)
    return actions


def match_seed(*names: object) -> int:
    """The seed of a match: the names of both strategies and the number of the match."""
    return derive_seed("tournament match", *names)


def kind_row(name: str) -> dict[str, Any]:
    """The kind of a strategy, and its shares of cooperation with the probes under the library's own payoffs."""
    player, game = strategy_class(name)(), axelrod.Game()
    shares = {}
    for label, probe in PROBES.items():
        last = LAST_ROUNDS if label == "after_slip" else PROBE_ROUNDS
        cooperations = []
        for index in range(PROBE_MATCHES):
            seed = derive_seed("probe", name, label, index)
            actions = play_strategies(player, probe(), PROBE_ROUNDS, game, seed)
            cooperations += [own is C for own, _ in actions[-last:]]
        shares[f"cooperation_{label}"] = round(sum(cooperations) / len(cooperations), 6)
    return {"strategy": name, "kind": kind_of_strategy(**shares), **shares}


def _table(pairs: Sequence[tuple[str, str]], outcomes: np.ndarray) -> pd.DataFrame:
    """One row per match and side, from the outcomes (pairs, matches, payoff or cooperation, side)."""
    matches = outcomes.shape[1]
    names = np.array(pairs, object).reshape(-1, 2).repeat(matches, axis=0)
    one = pd.DataFrame(names, columns=["agent", "opponent"])
    one["match"] = np.tile(np.arange(matches), len(pairs))
    one[["payoff", "payoff_opponent", "cooperation", "cooperation_opponent"]] = outcomes.reshape(
        -1, 4
    )
    other = one.rename(columns=OTHER_SIDE)[one.columns]
    return pd.concat([one, other], ignore_index=True)
