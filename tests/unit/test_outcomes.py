"""How matches are classed, in games that differ in everything."""

import pytest
from tests.unit.playing import points_of

from social_dilemmas.evaluation.outcomes import Outcome, classify, greedy_payoffs
from social_dilemmas.games import build_game

KIND_AND_GREEDY = {
    "prisoners_dilemma": ("always_cooperate", "always_defect"),
    "split": ("welfare_maximising", "greedy"),
    "trust_and_split": ("welfare_maximising", "greedy"),
}


def outcomes(name: str, players: tuple[str, str], seat: int) -> list[Outcome]:
    game = build_game(name, 10)
    matches = [game.start(seed) for seed in range(40)]
    for match in matches:
        points_of(match, *players)
    return [classify(match, seat) for match in matches]


@pytest.mark.parametrize("name", KIND_AND_GREEDY)
def test_classes_say_who_played(name: str) -> None:
    """In games of chance luck counts for little: nine in ten matches are classed by the play."""
    kind, greedy = KIND_AND_GREEDY[name]
    for players, seat, expected in (
        ((kind, kind), 0, Outcome.WELL),
        ((greedy, greedy), 1, Outcome.POORLY),
        ((greedy, kind), 0, Outcome.EXPLOITS),
        ((greedy, kind), 1, Outcome.EXPLOITED),
        ((kind, greedy), 1, Outcome.EXPLOITS),
    ):
        found = outcomes(name, players, seat)
        assert found.count(expected) >= 0.9 * len(found)


def test_greedy_payoffs_are_those_of_the_same_chance_events() -> None:
    game = build_game("trust_and_split", 10)
    assert greedy_payoffs(game, 3) == greedy_payoffs(game, 3)
    assert greedy_payoffs(game, 3) != greedy_payoffs(game, 4)
    assert sum(greedy_payoffs(game, 3)) == 10 * 55
