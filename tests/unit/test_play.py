"""The driver that lets players play: whom it asks when, and who hears of it."""

from collections.abc import Sequence

import pytest

from social_dilemmas.agents.play import play
from social_dilemmas.agents.scripted.player import RandomPlayer, scripted_player
from social_dilemmas.games import build_game, game_names
from social_dilemmas.games.game import Turn
from social_dilemmas.games.prisoners_dilemma import PrisonersDilemma


class Watcher:
    """Replies like a random player and notes what it was asked in each call."""

    def __init__(self) -> None:
        self.calls: list[list[tuple[int, int, str]]] = []

    def reply(self, turns: Sequence[Turn]) -> list[str]:
        self.calls.append([(turn.match.seed, turn.seat, turn.step) for turn in turns])
        return RandomPlayer().reply(turns)


def test_a_player_in_many_seats_is_asked_once_a_step_in_order() -> None:
    short, long = PrisonersDilemma(rounds=1), PrisonersDilemma(rounds=2)
    matches = [short.start(7), long.start(3), long.start(5)]
    everywhere, guest = Watcher(), Watcher()
    play(matches, [(everywhere, everywhere), (guest, everywhere), (everywhere, guest)])
    assert everywhere.calls == [
        [(7, 0, "action"), (7, 1, "action"), (3, 1, "action"), (5, 0, "action")],
        [(3, 1, "action"), (5, 0, "action")],
    ]
    assert guest.calls == [[(3, 0, "action"), (5, 1, "action")]] * 2
    assert [len(match.history) for match in matches] == [1, 2, 2]


def test_replies_of_a_step_are_heard_together_before_the_matches_take_them() -> None:
    game = PrisonersDilemma(rounds=2)
    matches = [game.start(seed) for seed in range(2)]
    heard: list[tuple[int, int, int, str]] = []
    first, second = (
        scripted_player("prisoners_dilemma", name) for name in ("always_cooperate", "always_defect")
    )

    def hear(turn: Turn, reply: str) -> None:
        heard.append((len(turn.match.history), turn.match.seed, turn.seat, reply))

    play(matches, [(first, second), (second, first)], hear)
    assert heard == [
        (finished, seed, seat, reply)
        for finished in range(2)
        for reply, places in (("<A>", [(0, 0), (1, 1)]), ("<B>", [(0, 1), (1, 0)]))
        for seed, seat in places
    ]


def test_matches_of_different_games_are_played_together() -> None:
    matches = [build_game(name, 3).start(seed) for seed, name in enumerate(game_names())]
    player = Watcher()
    play(matches, [(player, player)] * len(matches))
    assert all(match.finished and match.turns() == () for match in matches)
    assert len(player.calls) == 15  # five steps a round in Deal-or-No-Deal, the longest


def test_matches_in_progress_are_played_on() -> None:
    match = PrisonersDilemma(rounds=20).start(0)
    match.take({0: "<A>", 1: "<B>"})
    match.take({0: "<B>", 1: "<B>"})
    player = scripted_player("prisoners_dilemma", "always_cooperate")
    play([match], [(player, player)])
    assert match.rewards(0) == [0, 1, *[3] * 18]


def test_a_player_must_reply_to_every_turn() -> None:
    class Lazy:
        def reply(self, turns: Sequence[Turn]) -> list[str]:
            return ["<A>"]

    lazy = Lazy()
    with pytest.raises(ValueError, match="shorter"):
        play([PrisonersDilemma(rounds=1).start(0)], [(lazy, lazy)])


def test_no_matches_are_no_trouble() -> None:
    play([], [])
