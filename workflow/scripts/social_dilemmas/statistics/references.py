"""Payoffs that learning curves are compared with: what the games' rules give to two greedy players,
and the most that two players can reach together.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from social_dilemmas.agents.play import play
from social_dilemmas.agents.scripted.player import scripted_player, scripted_player_names
from social_dilemmas.games import game_of
from social_dilemmas.games.game import SEATS

GREEDY, OPTIMAL = "both greedy", "welfare-optimal"
GREEDY_PLAYERS = ("always_b", "greedy")
MATCHES = 500


def references(games: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Points a round and seat, over the same chance events for both references.

    Args:
        games: config entries; name, kind, rounds and rules are used.

    Returns:
        Columns game, reference, payoff. A game without a greedy scripted player has no such row.
    """
    rows = []
    for entry in games:
        name, game = entry["name"], game_of(entry)
        names = [player for player in GREEDY_PLAYERS if player in scripted_player_names(game.kind)]
        player = scripted_player(game.kind, names[0] if names else "random")
        matches = [game.start(seed) for seed in range(MATCHES)]
        play(matches, [(player, player)] * MATCHES)
        seat_rounds = sum(len(match.history) for match in matches) * len(SEATS)
        if names:
            points = sum(sum(match.rewards(seat)) for match in matches for seat in SEATS)
            rows.append({"game": name, "reference": GREEDY, "payoff": points / seat_rounds})
        best = sum(game.welfare_optimum(match) for match in matches)
        rows.append({"game": name, "reference": OPTIMAL, "payoff": best / seat_rounds})
    return pd.DataFrame(rows)
