"""The contract of every game, under its default rules and under others.

A new game is covered by being there. If chance plays a part in it, `mirrored` must know it.
"""

from copy import copy
from dataclasses import replace
from itertools import product
from random import Random
from typing import Any

import pytest

from social_dilemmas.agents.play import play
from social_dilemmas.agents.scripted.player import (
    ScriptedPlayer,
    scripted_player,
    scripted_player_names,
)
from social_dilemmas.errors import UserError
from social_dilemmas.games import build_game, game_names, wordings
from social_dilemmas.games.deal_or_no_deal import DealOrNoDealMatch
from social_dilemmas.games.game import SEATS, Game, Match, Turn, in_figures
from social_dilemmas.games.grammar import Choice, Text
from social_dilemmas.games.horizon import Rounds
from social_dilemmas.games.matrix_game import MatrixGameMatch
from social_dilemmas.games.split import SplitMatch
from social_dilemmas.games.talk import TalkingMatch
from social_dilemmas.games.trust_and_split import TrustAndSplitMatch

OTHER_RULES: dict[str, list[dict[str, Any]]] = {
    "prisoners_dilemma": [
        {"reward": 4.125, "punishment": 0.3333333333, "temptation": 7, "sucker": -1_234_567},
    ],
    "split": [
        {"kinds": ["apples", "pears"], "quantity": 7, "unit_values": [2, 3, 12]},
        {"kinds": ["a", "b", "c", "d"], "quantity": 2, "unit_values": [0.5, 0]},
        {"value_draw": "exclusive"},
        {"value_draw": "range", "unit_values": [1, 20]},
    ],
    "trust_and_split": [
        {"coins": 3, "upper_value": 2.5, "lower_value": 0, "message_limit": 15},
        {"messages": 3},
    ],
    "matrix_game": [
        {"payoffs": {"A": {"A": [0, 1.5], "B": [2, -3]}, "B": {"A": [4, 7], "B": [-1, 0]}}},
        {"payoffs": {a: {b: [ord(a) - ord(b), ord(b) - ord(a)] for b in "ABC"} for a in "ABC"}},
    ],
    "deal_or_no_deal": [
        {"kinds": ["hats", "balls"], "items": [2, 5], "total_value": 6, "messages": 1},
    ],
}
VARIANTS = [(name, rules) for name in game_names() for rules in [{}, *OTHER_RULES.get(name, [])]]
SHIPPED = {"chicken", "deal_or_no_deal", "matching_pennies", "matrix_game", "prisoners_dilemma"}
SHIPPED |= {"split", "stag_hunt", "trust_and_split"}
HORIZONS = [6, {"least": 4, "most": 9}, {"continuation": 0.8, "most": 12}]
# A pair of these in both seats reaches the welfare optimum, where a game has them.
COOPERATORS = ("welfare_maximising", "always_cooperate")
COOPERATIVE = [
    (*variant, player)
    for variant in VARIANTS
    for player in COOPERATORS
    if player in scripted_player_names(variant[0])
]
MESSAGES = ["I have rock", "I value books at 1, hats at 1, and balls at 1", " ", "<5 coins>"]
MESSAGES += ["<|im_end|>", "<A>", "{0}\n%s\\1", "石"]


@pytest.fixture(params=VARIANTS, ids=lambda variant: f"{variant[0]}-{len(variant[1])}")
def game(request: pytest.FixtureRequest) -> Game:
    name, rules = request.param
    return build_game(name, 6, rules)


def any_reply(turn: Turn, random: Random) -> str:
    """A valid reply at random."""
    values = {}
    for part in turn.grammar.parts:
        match part:
            case Choice(name, options):
                values[name] = random.choice(options)
            case Text(name, limit):
                values[name] = random.choice(MESSAGES)[:limit]
    return turn.grammar.write(values)


def replies_by_seat(match: Match, streams: list[Random]) -> dict[int, str]:
    return {turn.seat: any_reply(turn, streams[turn.seat]) for turn in match.turns()}


def finish(match: Match, *, swapped: bool = False) -> list[list[str]]:
    """Play random replies (of the other seat if swapped) to the end; all prompts, by seat."""
    streams = [Random(2 * match.seed + seat) for seat in SEATS]
    if swapped:
        streams.reverse()
    prompts: list[list[str]] = [[], []]
    while not match.finished:
        for turn in match.turns():
            prompts[turn.seat].append(turn.prompt)
        match.take(replies_by_seat(match, streams))
    return prompts


def mirrored(match: Match) -> Match:
    """The same match with the parts that chance, or the rules, give to the seats swapped."""
    changes: dict[str, Any] = {"history": [], "invalid": [0, 0]}
    match match:
        case SplitMatch():
            changes["values"] = [pair[::-1] for pair in match.values]
        case TrustAndSplitMatch():
            changes["hands"] = [pair[::-1] for pair in match.hands]
        case DealOrNoDealMatch():
            offers = match.offers
            changes["offers"] = [replace(offer, values=offer.values[::-1]) for offer in offers]
        case MatrixGameMatch():
            changes["game"] = game = copy(match.game)
            game.payoffs, _ = game.payoffs_by_seat = game.payoffs_by_seat[::-1]
    if isinstance(match, TalkingMatch):
        changes |= {"messages": [], "first_starter": 1 - match.first_starter}
    return replace(match, **changes)


def test_all_games_are_found_and_have_cooperators() -> None:
    assert set(game_names()) >= {name for name, *_ in COOPERATIVE} >= SHIPPED


def test_a_seed_and_replies_decide_everything(game: Game) -> None:
    assert game.title
    first, second = game.start(42), game.start(42)
    assert finish(first) == finish(second)
    assert first.history == second.history
    assert len(first.history) == len(first.rewards(0)) == len(first.rewards(1)) == 6


@pytest.mark.parametrize("seed", range(5))
def test_seats_are_treated_alike(game: Game, seed: int) -> None:
    match = game.start(seed)
    mirror = mirrored(match)
    prompts = finish(match)
    swapped_prompts = finish(mirror, swapped=True)
    assert prompts == swapped_prompts[::-1]
    assert match.rewards(0) == mirror.rewards(1)
    assert match.rewards(1) == mirror.rewards(0)
    for seat in SEATS:
        assert list(game.observe(match, seat)) == list(game.observe(mirror, 1 - seat))


@pytest.mark.parametrize("seed", range(10))
def test_rewards_stay_within_their_bounds(game: Game, seed: int) -> None:
    match = game.start(seed)
    finish(match)
    least, most = game.reward_bounds
    for seat in SEATS:
        assert all(least <= reward <= most for reward in match.rewards(seat))
    assert sum(match.rewards(0)) + sum(match.rewards(1)) <= game.welfare_optimum(match) + 1e-9


@pytest.mark.parametrize(("name", "rules", "player_name"), COOPERATIVE)
def test_cooperators_reach_the_welfare_optimum(
    name: str, rules: dict[str, Any], player_name: str
) -> None:
    game, player = build_game(name, 6, rules), scripted_player(name, player_name)
    for seed in range(10):
        match = game.start(seed)
        play([match], [(player, player)])
        reached = sum(match.rewards(0)) + sum(match.rewards(1))
        assert match.invalid == [0, 0]
        assert reached == pytest.approx(game.welfare_optimum(match))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("prisoners_dilemma", {}),
        ("chicken", {}),
        ("stag_hunt", {}),
        ("matrix_game", OTHER_RULES["matrix_game"][0]),
        ("split", {"kinds": ["hats", "books"], "quantity": 3, "unit_values": [1, 4]}),
        ("trust_and_split", {"coins": 3, "upper_value": 5}),
        ("deal_or_no_deal", {"kinds": ["hats", "balls"], "items": [2, 4], "messages": 1}),
    ],
)
def test_security_is_the_best_worst_case(name: str, rules: dict[str, Any], seed: int) -> None:
    """By trying every pair of replies of a match of one round."""
    game = build_game(name, 1, rules)

    def outcome(*replies: str) -> Match:
        match = game.start(seed)
        while len(turns := match.turns()) < 2:  # messages
            match.take({turns[0].seat: turns[0].grammar.write({"message": "hello"})})
        match.take(dict(enumerate(replies)))
        return match

    (*_, grammar) = game.grammars()
    parts = [part for part in grammar.parts if isinstance(part, Choice)]
    options = product(*(part.options for part in parts))
    names = [part.name for part in parts]
    replies = [grammar.write(dict(zip(names, option, strict=True))) for option in options]
    matches = {pair: outcome(*pair) for pair in product(replies, repeat=2)}
    points = {pair: [match.rewards(seat)[0] for seat in SEATS] for pair, match in matches.items()}
    some_match = matches[replies[0], replies[0]]
    for seat in SEATS:
        worst = [
            min(points[(own, other)[:: 1 - 2 * seat]][seat] for other in replies) for own in replies
        ]
        assert game.security(some_match, seat) == pytest.approx(max(worst))


def test_every_grammatical_reply_parses_back(game: Game) -> None:
    for grammar in game.grammars():
        parts = [part for part in grammar.parts if isinstance(part, Choice | Text)]
        longest = max(len(part.options) if isinstance(part, Choice) else 1 for part in parts)
        for index in range(longest):
            values = {
                part.name: part.options[index % len(part.options)]
                if isinstance(part, Choice)
                else MESSAGES[0][: part.limit]
                for part in parts
            }
            assert grammar.parse(grammar.write(values)) == values


def test_turns_carry_the_grammars_that_the_game_names(game: Game) -> None:
    match, streams = game.start(0), [Random(0), Random(1)]
    seen = set()
    while not match.finished:
        seen |= {turn.grammar for turn in match.turns()}
        match.take(replies_by_seat(match, streams))
    assert seen == set(game.grammars())
    assert match.turns() == ()


SPOILED = {
    "nothing": lambda turn, reply: "",
    "white space": lambda turn, reply: " \n",
    "text before": lambda turn, reply: f"I say {reply}",
    "text behind": lambda turn, reply: f"{reply} because",
    "two replies": lambda turn, reply: f"{reply}{reply}",
    "two replies apart": lambda turn, reply: f"{reply} {reply}",
    "cut off": lambda turn, reply: reply[:-1],
    "control token": lambda turn, reply: f"{reply}<|im_end|>",
    "not offered": lambda turn, reply: not_offered(turn),
}


def not_offered(turn: Turn) -> str:
    """A well-formed reply with a number that is too large or a text that is too long."""
    return turn.grammar.write(
        {
            part.name: "999" if isinstance(part, Choice) else "x" * (part.limit + 1)
            for part in turn.grammar.parts
            if isinstance(part, Choice | Text)
        }
    )


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
@pytest.mark.parametrize("seat", SEATS)
def test_invalid_replies_are_forfeited_and_counted(game: Game, seat: int, spoil: Any) -> None:
    spoiled, forfeited = game.start(3), game.start(3)
    streams, same_streams = ([Random(seat) for seat in SEATS] for _ in range(2))
    wrong = 0
    while not spoiled.finished:
        replies = replies_by_seat(spoiled, streams)
        expected = replies_by_seat(forfeited, same_streams)
        for turn in spoiled.turns():
            if turn.seat == seat:
                replies[seat] = spoil(turn, replies[seat])
                expected[seat] = turn.grammar.write(spoiled.forfeit(turn))
                wrong += 1
        spoiled.take(replies)
        forfeited.take(expected)
    assert spoiled.invalid[seat] == wrong
    assert spoiled.invalid[1 - seat] == 0
    assert forfeited.invalid == [0, 0]
    assert spoiled.history == forfeited.history


DRAWN = {"split": "values", "trust_and_split": "hands", "deal_or_no_deal": "offer"}


@pytest.mark.parametrize("name", DRAWN)
def test_chance_depends_on_the_seed_alone(name: str) -> None:
    """Matches of a seed have common random numbers, whatever is played."""
    random, greedy = (scripted_player(name, player) for player in ("random", "greedy"))

    def drawn(match: Match, *players: ScriptedPlayer) -> list[Any]:
        play([match], [(players[0], players[1])])
        return [getattr(finished, DRAWN[name]) for finished in match.history]

    game = build_game(name, 10)
    first, second = game.start(9), game.start(9)
    assert drawn(first, random, greedy) == drawn(second, greedy, random)
    assert first.history != second.history
    assert len({str(drawn(game.start(seed), greedy, greedy)) for seed in range(50)}) == 50


@pytest.mark.parametrize("name", DRAWN)
def test_forfeits_claim_nothing(name: str) -> None:
    match = build_game(name, 4).start(0)
    greedy = scripted_player(name, "greedy")
    while turns := match.turns():
        replies = {turn.seat: greedy.reply([turn])[0] for turn in turns}
        match.take({**replies, 0: "all of it"} if len(turns) == len(SEATS) else replies)
    assert match.invalid == [4, 0]
    assert match.rewards(0) == [0] * 4
    assert min(match.rewards(1)) > 0


@pytest.mark.parametrize("rounds", HORIZONS)
@pytest.mark.parametrize(("name", "rules"), VARIANTS)
def test_the_horizon_changes_the_length_and_nothing_else(
    name: str, rules: dict[str, Any], rounds: Rounds
) -> None:
    game, longest = build_game(name, rounds, rules), build_game(name, 12, rules)
    for seed in range(4):
        match, reference = game.start(seed), longest.start(seed)
        prompts, all_prompts = finish(match), finish(reference)
        assert match.turns() == ()
        assert len(match.history) == len(match.rewards(0)) == match.rounds <= game.rounds
        assert match.history == reference.history[: match.rounds]
        assert game.welfare_optimum(match) > 0 or rules
        for seat in SEATS:
            assert prompts[seat] == all_prompts[seat][: len(prompts[seat])]


def test_rules_are_stated_once(game: Game) -> None:
    for prompts in finish(game.start(0)):
        assert "as many points as you can" in prompts[0]
        assert not any("as many points as you can" in prompt for prompt in prompts[1:])


def test_behaviours_have_names(game: Game) -> None:
    seen = set()
    for seed in range(300):
        match = game.start(seed)
        finish(match)
        for seat in SEATS:
            seen |= {name for name, _ in game.observe(match, seat)}
    assert seen == set(game.behaviours)


@pytest.mark.parametrize("name", ["chess", "", "game", "dividing", "../split", "split.py", "Split"])
def test_unknown_games_are_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"unknown game {name!r}; known games: .*split"):
        build_game(name, 10)


@pytest.mark.parametrize("name", game_names())
@pytest.mark.parametrize("key", ["payofs", "rounds", "self", "name"])
def test_unknown_rules_are_refused(name: str, key: str) -> None:
    with pytest.raises(UserError, match=f"{name}: unknown rule '{key}'; its rules are: "):
        build_game(name, 10, {key: 1})


def with_points(rules: Any) -> Any:
    """Rules with whole numbers written as 3.0."""
    match rules:
        case dict():
            return {key: with_points(value) for key, value in rules.items()}
        case list():
            return [with_points(value) for value in rules]
        case int():
            return float(rules)
    return rules


@pytest.mark.parametrize(("name", "rules"), VARIANTS)
def test_whole_numbers_may_be_written_with_a_point(name: str, rules: dict[str, Any]) -> None:
    both = (rules, with_points(rules))
    plain, pointed = (wordings([{"name": name, "rules": either}]) for either in both)
    assert repr(plain) == repr(pointed)
    first, second = (build_game(name, 6, either).start(5) for either in both)
    assert finish(first) == finish(second)
    assert repr(first.history) == repr(second.history)


def test_numbers_are_written_exactly() -> None:
    numbers = (3, 3.0, 0.5, 1_234_567, -2.0, 0.1234567)
    assert [*map(in_figures, numbers)] == ["3", "3", "0.5", "1234567", "-2", "0.1234567"]
