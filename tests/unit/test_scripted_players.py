"""Scripted players of every game: their names, their randomness, and noise."""

import re
from collections import Counter
from types import SimpleNamespace

import pytest

from social_dilemmas.agents.play import play
from social_dilemmas.agents.scripted import player as scripted
from social_dilemmas.agents.scripted.noise import Noisy
from social_dilemmas.agents.scripted.player import scripted_player, scripted_player_names
from social_dilemmas.errors import UserError
from social_dilemmas.games import build_game, game_names
from social_dilemmas.games.game import Game, Match, Turn
from social_dilemmas.games.grammar import Choice, Grammar, Literal, Text

DILEMMA = {
    "always_cooperate",
    "always_defect",
    "tit_for_tat",
    "win_stay_lose_shift",
    "grim",
    "random",
}
MATRIX = {"first_action", "second_action", "welfare_maximising", "maximin", "tit_for_tat"}
MATRIX |= {"win_stay_lose_shift", "best_reply", "fictitious_play", "turn_taking", "random"}
SHARING = {"greedy", "welfare_maximising", "fair_half", "reciprocator", "random"}
EXPECTED_NAMES = {
    "prisoners_dilemma": DILEMMA,
    "split": SHARING,
    "trust_and_split": SHARING | {f"{name}_lying" for name in SHARING},
    "deal_or_no_deal": SHARING | {"greedy_lying"},
    **dict.fromkeys(("matrix_game", "stag_hunt", "chicken", "matching_pennies"), MATRIX),
}
ALL_PLAYERS = [(game, player) for game in game_names() for player in scripted_player_names(game)]


@pytest.mark.parametrize("game", EXPECTED_NAMES)
def test_games_have_their_players(game: str) -> None:
    assert sorted(scripted_player_names(game)) == sorted(EXPECTED_NAMES[game])


@pytest.mark.parametrize(("game", "player"), ALL_PLAYERS)
def test_players_are_found_by_their_own_name_and_cite_a_source(game: str, player: str) -> None:
    found = scripted_player(game, player)
    assert found.name == player
    assert found is scripted_player(game, player)
    documented = [getattr(found, "rule", found), *type(found).__mro__]
    cited = " ".join(thing.__doc__ or "" for thing in documented)
    assert re.search(r"\b(18|19|20)\d\d\b|2511\.19405", cited)


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"stag_hunt: unknown player 'titfortat'.*tit_for_tat"):
        scripted_player("stag_hunt", "titfortat")
    with pytest.raises(UserError, match=r"unknown game 'chess'.*trust_and_split"):
        scripted_player_names("chess")


def test_a_game_without_players_of_its_own_has_a_random_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    new_game = type("NewGame", (Game,), {"kind": "new_game"})
    monkeypatch.setattr(scripted, "game_class", lambda kind: new_game)
    assert scripted_player_names("new_game") == ["random"]
    grammar = Grammar((Choice("a", ("x", "y")), Literal(" "), Text("t", 3), Literal("|")))
    match = SimpleNamespace(seed=0, history=[])
    turn = Turn(match, 0, "step", "", grammar)  # type: ignore[arg-type]
    assert grammar.parse(scripted_player("new_game", "random").reply([turn])[0]) is not None


@pytest.mark.parametrize(("game_name", "player_name"), ALL_PLAYERS)
def test_players_keep_no_state_and_reply_validly(game_name: str, player_name: str) -> None:
    """Played alone or with others, in any order, a match goes the same way."""
    game = build_game(game_name, 6)
    player, other = scripted_player(game_name, player_name), scripted_player(game_name, "random")
    together = [game.start(seed) for seed in range(8)]
    play(together, [(player, other)] * 8)
    alone = [game.start(seed) for seed in range(8)]
    for match in reversed(alone):
        play([match], [(player, other)])
    assert [match.history for match in together] == [match.history for match in alone]
    assert all(match.invalid == [0, 0] for match in together)
    assert all(match.finished for match in together)


@pytest.mark.parametrize("game_name", game_names())
def test_random_players_use_every_option_alike_and_differ_by_seat_and_round(game_name: str) -> None:
    game, player = build_game(game_name, 5), scripted_player(game_name, "random")
    counts: Counter[tuple[str, str]] = Counter()
    replies: list[list[str]] = [[], []]

    def count(turn: Turn, reply: str) -> None:
        values = turn.grammar.parse(reply)
        assert values is not None
        replies[turn.seat].append(reply)
        counts.update(values.items())

    play([game.start(seed) for seed in range(300)], [(player, player)] * 300, count)
    assert replies[0] != replies[1]
    for part in {part for grammar in game.grammars() for part in grammar.parts}:
        if isinstance(part, Choice):
            expected = 3000 / len(part.options)
            found = [counts[part.name, option] for option in part.options]
            assert sum(found) == 3000
            assert all(abs(number - expected) < 5 * expected**0.5 for number in found)


# Noise


def trembling(
    game_name: str, player_name: str, probability: float, number: int = 200
) -> list[Match]:
    game = build_game(game_name, 10)
    noisy = Noisy(scripted_player(game_name, player_name), probability)
    matches = [game.start(seed) for seed in range(number)]
    play(matches, [(noisy, noisy)] * number)
    return matches


@pytest.mark.parametrize("game_name", game_names())
def test_noise_of_zero_changes_nothing(game_name: str) -> None:
    game, player = build_game(game_name, 10), scripted_player(game_name, "random")
    for noisy in trembling(game_name, "random", 0, 20):
        plain = game.start(noisy.seed)
        play([plain], [(player, player)])
        assert plain.history == noisy.history


def share_of_b(matches: list[Match]) -> tuple[float, int]:
    actions = [action for match in matches for turn in match.history for action in turn.actions]
    return actions.count("B") / len(actions), len(actions)


@pytest.mark.parametrize(("probability", "expected"), [(0.08, 0.04), (0.5, 0.25), (1, 0.5)])
def test_noise_replaces_choices_as_often_as_it_says(probability: float, expected: float) -> None:
    matches = trembling("prisoners_dilemma", "always_cooperate", probability)
    share, count = share_of_b(matches)
    assert abs(share - expected) < 5 * (expected * (1 - expected) / count) ** 0.5
    assert len({str(match.history) for match in matches}) > 50


def test_noise_has_a_random_stream_of_its_own() -> None:
    """Drawn from the stream of a random player, it would strike one action more than the other."""
    share, count = share_of_b(trembling("prisoners_dilemma", "random", 0.25))
    assert abs(share - 0.5) < 2.5 / count**0.5


def test_noise_leaves_messages_alone() -> None:
    proposals: Counter[int] = Counter()
    for match in trembling("trust_and_split", "greedy", 1):
        for finished in match.history:
            assert finished.messages == tuple((f"I have {hand}",) for hand in finished.hands)
            proposals.update(finished.proposals)
    assert set(proposals) == set(range(11))
    assert max(proposals.values()) < 1.5 * min(proposals.values())


def test_noise_is_the_same_every_time() -> None:
    first, second = (trembling("split", "reciprocator", 0.3, 20) for _ in range(2))
    assert [match.history for match in first] == [match.history for match in second]
