"""Payoffs that learning curves are compared with: those of two greedy players, and the most that two can reach."""

from collections.abc import Iterable

import pandas as pd

from social_dilemmas.agents.play import play
from social_dilemmas.agents.roles import greedy_player_name, reference_player
from social_dilemmas.games import named_game
from social_dilemmas.games.game import SEATS

GREEDY, OPTIMAL = "both greedy", "welfare-optimal"
MATCHES = 500


def references(games: Iterable[str]) -> pd.DataFrame:
    """Points per round and seat in declared games, over the same chance events for both references.

    Columns game, reference, payoff. A game without a greedy scripted player has no such row.
    """
    rows = []
    for name in games:
        game = named_game(name)
        player = reference_player(game.kind)
        matches = [game.start(seed) for seed in range(MATCHES)]
        play(matches, [(player, player)] * MATCHES)
        seat_rounds = sum(len(match.history) for match in matches) * len(SEATS)
        if greedy_player_name(game.kind):
            points = sum(sum(match.rewards(seat)) for match in matches for seat in SEATS)
            rows.append({"game": name, "reference": GREEDY, "payoff": points / seat_rounds})
        best = sum(game.welfare_optimum(match) for match in matches)
        rows.append({"game": name, "reference": OPTIMAL, "payoff": best / seat_rounds})
    return pd.DataFrame(rows)
