"""Scripted players, by the actions expected of them, and the driver that lets them play."""

import re
from collections import Counter
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from social_dilemmas.agents.play import play
from social_dilemmas.agents.scripted import player as scripted
from social_dilemmas.agents.scripted.noise import Noisy
from social_dilemmas.agents.scripted.player import (
    RandomPlayer,
    scripted_player,
    scripted_player_names,
)
from social_dilemmas.errors import UserError
from social_dilemmas.games import build_game, game_names
from social_dilemmas.games.game import Game, Match, Turn
from social_dilemmas.games.grammar import Choice, Grammar, Literal, Text
from social_dilemmas.games.prisoners_dilemma import PrisonersDilemma
from social_dilemmas.games.split import Split, SplitMatch
from social_dilemmas.games.trust_and_split import TrustAndSplit, TrustAndSplitMatch

EXPECTED_NAMES = {
    "prisoners_dilemma": {
        "always_a",
        "always_b",
        "tit_for_tat",
        "win_stay_lose_shift",
        "grim",
        "random",
    },
    "split": {"greedy", "welfare_maximising", "fair_half", "reciprocator", "random"},
    "trust_and_split": {
        "greedy",
        "welfare_maximising",
        "fair_half",
        "reciprocator",
        "random",
        "greedy_lying",
        "welfare_maximising_lying",
        "fair_half_lying",
        "reciprocator_lying",
        "random_lying",
    },
}
ALL_PLAYERS = [(game, player) for game in game_names() for player in scripted_player_names(game)]


def reply_of(game_name: str, player_name: str, match: Match, seat: int) -> str:
    """What a player replies to the current turn of a seat."""
    turn = next(turn for turn in match.turns() if turn.seat == seat)
    return scripted_player(game_name, player_name).reply([turn])[0]


def points(match: Match) -> tuple[float, float]:
    return sum(match.rewards(0)), sum(match.rewards(1))


def result(game: Game, first: str, second: str, match: Match | None = None) -> tuple[float, float]:
    match = match or game.start(0)
    play([match], [(scripted_player(game.name, first), scripted_player(game.name, second))])
    return points(match)


# Names


@pytest.mark.parametrize("game", EXPECTED_NAMES)
def test_games_have_their_players(game: str) -> None:
    names = scripted_player_names(game)
    assert set(names) == EXPECTED_NAMES[game]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("game", "player"), ALL_PLAYERS)
def test_players_are_found_by_their_own_name_and_cite_a_source(game: str, player: str) -> None:
    found = scripted_player(game, player)
    assert found.name == player
    assert found is scripted_player(game, player)
    documented = [found, *(vars(found).get(part) for part in ("rule", "sender"))]
    cited = [thing.__doc__ or "" for thing in documented if hasattr(thing, "__doc__") and thing]
    assert any(re.search(r"\b(18|19|20)\d\d\b|2511\.19405", text) for text in cited)


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(
        UserError, match=r"prisoners_dilemma: unknown player 'titfortat'.*tit_for_tat"
    ):
        scripted_player("prisoners_dilemma", "titfortat")
    with pytest.raises(UserError, match=r"unknown game 'chess'.*trust_and_split"):
        scripted_player_names("chess")


def test_a_game_without_players_of_its_own_has_a_random_one(monkeypatch: Any) -> None:
    new_game = type("NewGame", (Game,), {"kind": "new_game"})
    monkeypatch.setattr(scripted, "game_class", lambda kind: new_game)
    assert scripted_player_names("new_game") == ["random"]
    grammar = Grammar((Choice("a", ("x", "y")), Literal(" "), Text("t", 3), Literal("|")))
    match = SimpleNamespace(seed=0, history=[])
    turn = Turn(match, 0, "step", "", grammar)  # type: ignore[arg-type]
    assert grammar.parse(scripted_player("new_game", "random").reply([turn])[0]) is not None


# Iterated prisoner's dilemma


def dilemma_after(own: str, other: str) -> Match:
    """A match in which seat 0 played `own` and seat 1 `other`, oldest first."""
    match = PrisonersDilemma(rounds=20).start(0)
    for action, other_action in zip(own, other, strict=True):
        match.take({0: f"<{action}>", 1: f"<{other_action}>"})
    return match


@pytest.mark.parametrize(
    ("player", "own", "other", "expected"),
    [
        ("always_a", "", "", "A"),
        ("always_a", "AAA", "BBB", "A"),
        ("always_b", "", "", "B"),
        ("always_b", "BBB", "AAA", "B"),
        ("tit_for_tat", "", "", "A"),
        ("tit_for_tat", "A", "B", "B"),
        ("tit_for_tat", "AB", "BA", "A"),
        ("tit_for_tat", "BBB", "AAA", "A"),
        ("win_stay_lose_shift", "", "", "A"),
        ("win_stay_lose_shift", "A", "A", "A"),
        ("win_stay_lose_shift", "A", "B", "B"),
        ("win_stay_lose_shift", "B", "A", "B"),
        ("win_stay_lose_shift", "B", "B", "A"),
        ("win_stay_lose_shift", "ABA", "BBB", "B"),
        ("grim", "", "", "A"),
        ("grim", "AAA", "AAA", "A"),
        ("grim", "AAAAA", "AAABA", "B"),
        ("grim", "ABBBB", "BAAAA", "B"),
        ("grim", "BBB", "AAA", "A"),  # it forgives its own slips
    ],
)
def test_dilemma_players_act_as_expected(player: str, own: str, other: str, expected: str) -> None:
    assert reply_of("prisoners_dilemma", player, dilemma_after(own, other), 0) == f"<{expected}>"
    assert reply_of("prisoners_dilemma", player, dilemma_after(other, own), 1) == f"<{expected}>"


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("always_a", "always_a", (30, 30)),
        ("always_a", "always_b", (0, 50)),
        ("always_b", "always_b", (10, 10)),
        ("tit_for_tat", "tit_for_tat", (30, 30)),
        ("tit_for_tat", "always_b", (9, 14)),
        ("always_b", "grim", (14, 9)),
        ("win_stay_lose_shift", "always_b", (5, 30)),
        ("win_stay_lose_shift", "grim", (30, 30)),
    ],
)
def test_dilemma_matches_end_as_expected(
    first: str, second: str, expected: tuple[float, float]
) -> None:
    game = build_game("prisoners_dilemma", 10)
    assert result(game, first, second) == expected
    assert result(game, second, first) == expected[::-1]


# Split


def split_of(*values: tuple[tuple[int, ...], tuple[int, ...]], quantity: int = 10) -> SplitMatch:
    """A match with these values of both seats, round by round."""
    return SplitMatch(seed=0, game=Split(len(values), quantity=quantity), values=list(values))


ROUND = ((10, 1, 10), (10, 10, 1))  # hats alike; seat 0 values balls more, seat 1 books


def claims(*numbers: int) -> str:
    return "".join(
        f"<{number} {kind}>"
        for number, kind in zip(numbers, ("hats", "books", "balls"), strict=True)
    )


@pytest.mark.parametrize(
    ("player", "seat", "expected"),
    [
        ("greedy", 0, (10, 10, 10)),
        ("greedy", 1, (10, 10, 10)),
        ("welfare_maximising", 0, (5, 0, 10)),
        ("welfare_maximising", 1, (5, 10, 0)),
        ("fair_half", 0, (5, 5, 5)),
        ("reciprocator", 0, (5, 0, 10)),
        ("reciprocator", 1, (5, 10, 0)),
    ],
)
def test_split_players_open_as_expected(player: str, seat: int, expected: tuple[int, ...]) -> None:
    assert reply_of("split", player, split_of(ROUND), seat) == claims(*expected)


KIND, WRONGED = (5, 0, 10), (10, 10, 10)


@pytest.mark.parametrize(
    ("other_claims", "expected"),
    [
        ((0, 0, 0), KIND),
        ((10, 10, 4), KIND),  # only balls count: what seat 0 valued more
        ((10, 10, 5), WRONGED),
        ((0, 0, 5), WRONGED),
        ((5, 10, 0), KIND),
        ((10, 10, 10), WRONGED),
    ],
)
def test_split_reciprocator_answers_the_last_treatment(
    other_claims: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    match = split_of(ROUND, ROUND, ROUND)
    match.take({0: claims(5, 0, 10), 1: claims(*other_claims)})
    assert reply_of("split", "reciprocator", match, 0) == claims(*expected)
    match.take({0: claims(10, 10, 10), 1: claims(5, 10, 0)})  # treated well again
    assert reply_of("split", "reciprocator", match, 0) == claims(*KIND)


def test_split_reciprocator_sums_over_all_kinds_that_it_valued_more() -> None:
    values = ((10, 10, 1), (1, 10, 10))  # one kind more, one alike
    two = ((10, 10, 1), (1, 1, 19))
    for claimed, wronged in (((4, 5), False), ((0, 9), False), ((0, 10), True), ((5, 5), True)):
        match = split_of(two, values)
        match.take({0: claims(10, 10, 0), 1: claims(*claimed, 10)})
        expected = (10, 10, 10) if wronged else (10, 5, 0)
        assert reply_of("split", "reciprocator", match, 0) == claims(*expected)


def test_half_of_an_odd_quantity_leaves_nothing_over() -> None:
    match = split_of(ROUND, quantity=7)
    assert reply_of("split", "welfare_maximising", match, 0) == claims(4, 0, 7)
    assert result(match.game, "welfare_maximising", "welfare_maximising", match) == (105, 105)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("welfare_maximising", "welfare_maximising", (300, 300)),
        ("greedy", "greedy", (210, 210)),
        ("fair_half", "fair_half", (210, 210)),
        # greedy: 10 hats against 5, all books or half of them, half of the balls or all of them
        ("greedy", "welfare_maximising", (2 * (200 / 3 + 5 + 100), 2 * (100 / 3 + 50))),
        # kind in the first round, greedy in the second
        ("reciprocator", "greedy", (100 / 3 + 50 + 105, 200 / 3 + 100 + 5 + 105)),
        ("reciprocator", "reciprocator", (300, 300)),
        ("reciprocator", "welfare_maximising", (300, 300)),
    ],
)
def test_split_matches_end_as_expected(
    first: str, second: str, expected: tuple[float, float]
) -> None:
    match = split_of(ROUND, ROUND)
    assert result(match.game, first, second, match) == pytest.approx(expected)


# Trust-and-Split


def trust_of(*hands: tuple[str, str], starter: int = 0) -> TrustAndSplitMatch:
    """A match with these hands of both seats, round by round."""
    game = TrustAndSplit(len(hands))
    return TrustAndSplitMatch(seed=0, game=game, first_starter=starter, hands=list(hands))


def say(text: str) -> str:
    return f"<message>{text}</message>"


def ask(number: int) -> str:
    return f"<{number} coins>"


def talk(match: TrustAndSplitMatch, *messages: str) -> None:
    """Both speak; messages by seat."""
    for _ in range(2):
        (turn,) = match.turns()
        match.take({turn.seat: say(messages[turn.seat])})


@pytest.mark.parametrize("rule", ["greedy", "welfare_maximising", "fair_half", "reciprocator"])
@pytest.mark.parametrize("hand", ["rock", "paper", "scissors"])
def test_truthful_senders_name_their_hand(rule: str, hand: str) -> None:
    other = "paper" if hand == "rock" else "rock"
    match = trust_of((hand, other))
    assert reply_of("trust_and_split", rule, match, 0) == say(f"I have {hand}")
    second = trust_of((other, hand))
    second.take({0: say("I have scissors")})
    assert reply_of("trust_and_split", rule, second, 1) == say(f"I have {hand}")


@pytest.mark.parametrize("rule", ["greedy", "welfare_maximising", "fair_half", "reciprocator"])
@pytest.mark.parametrize(
    ("hand", "heard", "expected"),
    [
        # the hand that beats what was heard ...
        ("rock", "I have paper", "scissors"),
        ("paper", "I have scissors", "rock"),
        ("scissors", "I have rock", "paper"),
        ("rock", "I have rock", "paper"),
        # ... unless it is the true one: then the one that the true one beats
        ("rock", "I have scissors", "scissors"),
        ("paper", "I have rock", "rock"),
        ("scissors", "I have paper", "paper"),
        # nothing is known of the other's hand
        ("rock", None, "scissors"),
        ("paper", None, "rock"),
        ("scissors", None, "paper"),
        ("paper", "hello", "rock"),
        ("paper", "rock, paper or scissors", "rock"),
    ],
)
def test_lying_senders_name_another_hand(
    rule: str, hand: str, heard: str | None, expected: str
) -> None:
    other = "paper" if hand == "rock" else "rock"
    match = trust_of((other, hand), starter=1 if heard is None else 0)
    if heard is not None:
        match.take({0: say(heard)})
    said = reply_of("trust_and_split", f"{rule}_lying", match, 1)
    assert said == say(f"I have {expected}")
    assert expected != hand


@pytest.mark.parametrize(
    ("rule", "hand", "heard", "expected"),
    [
        ("greedy", "rock", "I have paper", 10),
        ("greedy", "rock", "I have scissors", 10),
        ("fair_half", "rock", "I have paper", 5),
        ("fair_half", "rock", "I have scissors", 5),
        ("welfare_maximising", "rock", "I have scissors", 10),
        ("welfare_maximising", "paper", "I have rock", 10),
        ("welfare_maximising", "scissors", "PAPER!", 10),
        ("welfare_maximising", "rock", "I have paper", 0),
        ("welfare_maximising", "paper", "I have scissors", 0),
        ("welfare_maximising", "scissors", "I have rock", 0),
        ("welfare_maximising", "rock", "I have rock", 5),  # cannot be true
        ("welfare_maximising", "rock", "hello", 5),
        ("welfare_maximising", "rock", "not paper, scissors", 5),
        ("welfare_maximising", "rock", "a newspaper", 5),
        ("reciprocator", "rock", "I have scissors", 10),
        ("reciprocator", "rock", "I have paper", 0),
        ("reciprocator", "rock", "hello", 5),
    ],
)
@pytest.mark.parametrize("suffix", ["", "_lying"])
@pytest.mark.parametrize("starter", [0, 1])
def test_proposals_follow_what_was_heard(
    rule: str, hand: str, heard: str, expected: int, suffix: str, starter: int
) -> None:
    other = "scissors" if hand == "rock" else "rock"
    match = trust_of((hand, other), starter=starter)
    talk(match, "whatever", heard)
    assert reply_of("trust_and_split", f"{rule}{suffix}", match, 0) == ask(expected)


UPPER, LOWER = ("rock", "scissors"), ("rock", "paper")  # seat 0 has the upper or the lower hand


@pytest.mark.parametrize(
    ("past", "expected"),
    [
        ([], 0),
        ([(UPPER, 4)], 0),
        ([(UPPER, 5)], 10),
        ([(UPPER, 10)], 10),
        ([(LOWER, 10)], 0),  # the other may ask for all with the upper hand
        ([(UPPER, 10), (LOWER, 0)], 10),  # leaving worthless coins makes no amends
        ([(UPPER, 10), (UPPER, 0)], 0),
        ([(UPPER, 0), (UPPER, 10), (LOWER, 10)], 10),
    ],
)
def test_trust_reciprocator_answers_its_last_treatment_with_the_upper_hand(
    past: list[tuple[tuple[str, str], int]], expected: int
) -> None:
    match = trust_of(*(hands for hands, _ in past), LOWER)
    for hands, other_proposal in past:
        talk(match, *(f"I have {hand}" for hand in hands))
        match.take({0: ask(5), 1: ask(other_proposal)})
    talk(match, "I have rock", "I have paper")
    assert reply_of("trust_and_split", "reciprocator", match, 0) == ask(expected)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("welfare_maximising", "welfare_maximising", (100, 100)),
        ("greedy", "greedy", (55, 55)),
        ("fair_half", "fair_half", (55, 55)),
        ("greedy", "welfare_maximising", (105, 50)),
        ("greedy_lying", "greedy", (55, 55)),
        ("reciprocator", "reciprocator", (100, 100)),
        # round 1: 10 coins against 10 with the upper hand; round 2: again, it was wronged
        ("reciprocator", "greedy", (50 + 5, 5 + 50)),
    ],
)
def test_trust_matches_end_as_expected(
    first: str, second: str, expected: tuple[float, float]
) -> None:
    match = trust_of(UPPER, LOWER)
    assert result(match.game, first, second, match) == pytest.approx(expected)


def test_a_lie_pays_against_a_believer() -> None:
    """With the lower hand, a liar who answers makes the believer give way."""
    match = trust_of(UPPER, starter=0)  # rock says so; scissors answers that it has paper
    assert result(match.game, "welfare_maximising", "greedy_lying", match) == (0, 10)
    honest = trust_of(UPPER, starter=0)
    assert result(honest.game, "welfare_maximising", "greedy", honest) == (50, 5)


# All players


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
    game = build_game(game_name, 5)
    counts: dict[str, Counter[str]] = {}
    replies: dict[int, list[str]] = {0: [], 1: []}
    matches = [game.start(seed) for seed in range(300)]

    class Recorder:
        def reply(self, turns: Sequence[Turn]) -> list[str]:
            answers = scripted_player(game_name, "random").reply(turns)
            for turn, answer in zip(turns, answers, strict=True):
                parsed = turn.grammar.parse(answer)
                assert parsed is not None
                for part in turn.grammar.parts:
                    if isinstance(part, Choice):
                        counts.setdefault(part.name, Counter())[parsed[part.name]] += 1
                        replies[turn.seat].append(answer)
            return answers

    recorder = Recorder()
    play(matches, [(recorder, recorder)] * len(matches))
    assert replies[0] != replies[1]
    for part in {part for grammar in game.grammars() for part in grammar.parts}:
        if isinstance(part, Choice):
            expected = 3000 / len(part.options)
            assert set(counts[part.name]) == set(part.options)
            for count in counts[part.name].values():
                assert abs(count - expected) < 5 * expected**0.5


# Noise


def trembling(game_name: str, player_name: str, probability: float, **rules: Any) -> list[Match]:
    game = build_game(game_name, 10, rules)
    player = Noisy(scripted_player(game_name, player_name), probability)
    matches = [game.start(seed) for seed in range(200)]
    play(matches, [(player, player)] * len(matches))
    return matches


@pytest.mark.parametrize("game_name", game_names())
def test_noise_of_zero_changes_nothing(game_name: str) -> None:
    plain = [build_game(game_name, 10).start(seed) for seed in range(200)]
    player = scripted_player(game_name, "random")
    play(plain, [(player, player)] * len(plain))
    noisy = trembling(game_name, "random", 0)
    assert [match.history for match in plain] == [match.history for match in noisy]


@pytest.mark.parametrize(("probability", "expected"), [(0.08, 0.04), (0.5, 0.25), (1, 0.5)])
def test_noise_replaces_choices_as_often_as_it_says(probability: float, expected: float) -> None:
    matches = trembling("prisoners_dilemma", "always_a", probability)
    actions = [action for match in matches for turn in match.history for action in turn.actions]
    share = actions.count("B") / len(actions)
    assert abs(share - expected) < 5 * (expected * (1 - expected) / len(actions)) ** 0.5
    assert len({str(match.history) for match in matches}) > 50


def test_noise_has_a_random_stream_of_its_own() -> None:
    """Drawn from the stream of a random player, it would strike one action more than the other."""
    matches = trembling("prisoners_dilemma", "random", 0.25)
    actions = [action for match in matches for turn in match.history for action in turn.actions]
    assert abs(actions.count("A") / len(actions) - 0.5) < 2.5 / len(actions) ** 0.5


def test_noise_leaves_messages_alone() -> None:
    matches = trembling("trust_and_split", "greedy", 1)
    proposals: Counter[int] = Counter()
    for match in matches:
        for finished in match.history:
            assert finished.messages == tuple((f"I have {hand}",) for hand in finished.hands)
            proposals.update(finished.proposals)
    assert set(proposals) == set(range(11))
    assert max(proposals.values()) < 1.5 * min(proposals.values())


def test_noise_is_the_same_every_time() -> None:
    first, second = (trembling("split", "reciprocator", 0.3) for _ in range(2))
    assert [match.history for match in first] == [match.history for match in second]


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_noise_must_be_a_probability(probability: float) -> None:
    with pytest.raises(UserError, match="from 0 to 1"):
        Noisy(scripted_player("split", "greedy"), probability)


# The driver


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
    first, second = (scripted_player("prisoners_dilemma", f"always_{letter}") for letter in "ab")

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
    assert all(match.finished for match in matches)
    assert all(match.turns() == () for match in matches)
    assert len(player.calls) == 15  # five steps a round in Deal-or-No-Deal, the longest


def test_matches_in_progress_are_played_on() -> None:
    match = dilemma_after("AB", "BB")
    player = scripted_player("prisoners_dilemma", "always_a")
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
