"""Strategies of the Axelrod library as players, among themselves, and in a tournament with agents."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import axelrod
import pandas as pd
import pytest

from social_dilemmas.agents.agent import Agent, Kind
from social_dilemmas.agents.axelrod.kinds import (
    COOPERATORS,
    DEFECTORS,
    GRIM_LIKE,
    OTHERS,
    TIT_FOR_TAT_LIKE,
    kind_of_strategy,
)
from social_dilemmas.agents.axelrod.names import ALL, STRATEGIES, chosen_strategies
from social_dilemmas.agents.axelrod.player import AxelrodPlayer, library_game
from social_dilemmas.agents.play import play
from social_dilemmas.agents.scripted.player import scripted_player
from social_dilemmas.config.schema.evaluation import Evaluation
from social_dilemmas.errors import UserError
from social_dilemmas.evaluation.cross_play import play_pairs
from social_dilemmas.evaluation.strategies import kind_row, match_seed, run_strategies
from social_dilemmas.games import build_game, game_of
from social_dilemmas.games.game import Turn
from social_dilemmas.games.prisoners_dilemma import PrisonersDilemma

C, D = axelrod.Action.C, axelrod.Action.D


class Repeating:
    """Plays these actions one after the other, whatever happens."""

    def __init__(self, actions: str) -> None:
        self.actions = actions

    def reply(self, turns: Sequence[Turn]) -> list[str]:
        return [f"<{self.actions[len(turn.match.history)]}>" for turn in turns]


def actions_of(strategy: str, others: str, seed: int = 0, seat: int = 0, **payoffs: int) -> str:
    """What a strategy answers to these actions of the other."""
    match = build_game("prisoners_dilemma", len(others), payoffs).start(seed)
    players = (AxelrodPlayer(strategy), Repeating(others))
    play([match], [players if seat == 0 else players[::-1]])
    return "".join(finished.actions[seat] for finished in match.history)


def test_the_list_is_the_library_s() -> None:
    suitable = {
        strategy.name
        for strategy in axelrod.strategies
        if not strategy.classifier["long_run_time"] and axelrod.Classifiers.obey_axelrod(strategy())
    }
    assert set(STRATEGIES) == suitable
    assert len(STRATEGIES) == len(suitable)
    assert chosen_strategies([ALL]) == list(STRATEGIES)
    assert chosen_strategies(["Grudger"]) == ["Grudger"]


@pytest.mark.parametrize(
    ("strategy", "others", "expected"),
    [
        ("Tit For Tat", "ABBAAB", "AABBAA"),
        ("Suspicious Tit For Tat", "ABBAAB", "BABBAA"),
        ("Tit For 2 Tats", "ABBABA", "AAABAA"),
        ("Grudger", "AABAAA", "AAABBB"),
        ("Win-Stay Lose-Shift", "ABBAB", "AABAA"),
        ("Alternator", "BBBB", "ABAB"),
        ("Defector", "AAAA", "BBBB"),
    ],
)
@pytest.mark.parametrize("seat", [0, 1])
def test_well_known_strategies(strategy: str, others: str, expected: str, seat: int) -> None:
    assert actions_of(strategy, others, seat=seat) == expected


@pytest.mark.parametrize("strategy", ["Random", "Soft Joss", "Stalker", "Naive Prober"])
def test_chance_comes_from_the_match_s_seed(strategy: str) -> None:
    played = [actions_of(strategy, "ABAB" * 5, seed) for seed in range(12)]
    assert played == [actions_of(strategy, "ABAB" * 5, seed) for seed in range(12)]
    assert len(set(played)) > 1
    assert played != [actions_of(strategy, "ABAB" * 5, seed, seat=1) for seed in range(12)]


def test_seats_of_one_player_don_t_mix() -> None:
    """Many matches in one call, in lockstep, give what each gives by itself."""
    game = build_game("prisoners_dilemma", 8)
    player = AxelrodPlayer("Grudger")
    others = ["AAAAAAAA", "ABAAAAAA", "BAAAAAAA", "AAAAAABA"]
    matches = [game.start(seed) for seed in range(len(others))]
    play(matches, [(player, Repeating(actions)) for actions in others])
    for match, actions in zip(matches, others, strict=True):
        played = "".join(finished.actions[0] for finished in match.history)
        assert played == actions_of("Grudger", actions)
    itself = game.start(0)
    play([itself], [(player, player)])
    assert {finished.actions for finished in itself.history} == {("A", "A")}


def test_the_strategy_sees_what_was_really_played() -> None:
    """Win-stay, lose-shift answers its own last action, also where a slip replaced it."""
    match = build_game("prisoners_dilemma", 3).start(0)
    player, other = AxelrodPlayer("Win-Stay Lose-Shift"), Repeating("AAA")
    first, second = match.turns()
    assert player.reply([first]) == ["<A>"]
    match.take({0: "<B>", 1: other.reply([second])[0]})
    assert player.reply([match.turns()[0]]) == ["<B>"]


def test_payoffs_are_the_game_s_and_the_length_is_unknown() -> None:
    rules = {"reward": 4, "punishment": 2, "temptation": 7, "sucker": 1}
    game = build_game("prisoners_dilemma", 2, rules)
    assert isinstance(game, PrisonersDilemma)
    scores = library_game(game).scores
    assert [scores[pair] for pair in product((C, D), repeat=2)] == [(4, 4), (1, 7), (7, 1), (2, 2)]
    # Adaptive tries both actions for some rounds, then keeps to what paid more.
    assert actions_of("Adaptive", "A" * 12)[-1] == "B"
    generous = {"reward": 9, "punishment": 1, "temptation": 10, "sucker": 0}
    assert actions_of("Adaptive", "A" * 12, **generous)[-1] == "A"
    # BackStabber defects in the last two rounds where it knows which they are.
    assert actions_of("BackStabber", "AAAAAA") == "AAAAAA"


def test_an_unknown_strategy_is_refused_with_a_guess() -> None:
    for name, guess in (("Tit for Tat", " .* 'Tit For Tat'"), (".", ".*see config"), ("DBS", "")):
        with pytest.raises(UserError, match=f"unknown strategy '{name}'{guess}"):
            AxelrodPlayer(name)  # DBS is one that takes long


@pytest.mark.parametrize(
    ("kind", "strategies"),
    {
        TIT_FOR_TAT_LIKE: ["Tit For Tat", "Tit For 2 Tats", "Forgiving Tit For Tat"],
        GRIM_LIKE: ["Grudger"],
        COOPERATORS: ["Cooperator"],
        DEFECTORS: ["Defector", "UsuallyDefects"],
        # Not nice; cooperates every other time with a defector; neither.
        OTHERS: ["Suspicious Tit For Tat", "Win-Stay Lose-Shift", "Random"],
    }.items(),
)
def test_kinds(kind: str, strategies: list[str]) -> None:
    assert {kind_row(strategy)["kind"] for strategy in strategies} == {kind}


@pytest.mark.parametrize(
    ("shares", "kind"),
    [
        ((1.0, 0.3, 0.9), TIT_FOR_TAT_LIKE),
        ((1.0, 0.3, 0.89), GRIM_LIKE),
        ((1.0, 0.31, 1.0), OTHERS),
        ((0.99, 0.1, 1.0), OTHERS),
        ((0.9, 0.9, 0.0), COOPERATORS),
        ((0.1, 0.1, 1.0), DEFECTORS),
        ((0.11, 0.0, 0.0), OTHERS),
    ],
)
def test_bounds_of_kinds(shares: tuple[float, float, float], kind: str) -> None:
    assert kind_of_strategy(*shares) == kind


def test_strategies_among_themselves(tmp_path: Path) -> None:
    """Every pair has all its matches from both sides, with the payoffs that plain play gives."""
    names = ["Tit For Tat", "Defector", "Random", "Win-Stay Lose-Shift"]
    rules = {"reward": 4, "punishment": 1, "temptation": 6, "sucker": 0}
    game = {"name": "prisoners_dilemma", "rounds": {"least": 3, "most": 8}, "rules": rules}
    output, kinds = tmp_path / "matches.parquet", tmp_path / "kinds.csv"
    run_strategies(game=game, strategies=names, matches=4, output=output, kinds=kinds)
    table = pd.read_parquet(output)
    assert len(table) == 6 * 4 * 2
    assert not table.duplicated(["agent", "opponent", "match"]).any()
    assert list(pd.read_csv(kinds)["strategy"]) == names
    rounds = set()
    for row in table[table["agent"] == "Defector"].to_dict("records"):
        if row["opponent"] == "Random":
            assert row["payoff"] == pytest.approx(1 + 5 * row["cooperation_opponent"])
            continue
        pair = sorted((row["agent"], row["opponent"]), key=names.index)
        match = game_of(game).start(match_seed(*pair, row["match"]))
        rounds.add(match.rounds)
        play([match], [(AxelrodPlayer(row["agent"]), AxelrodPlayer(row["opponent"]))])
        assert row["payoff"] == pytest.approx(sum(match.rewards(0)) / match.rounds)
        assert row["payoff_opponent"] == pytest.approx(sum(match.rewards(1)) / match.rounds)
        cooperations = sum(finished.actions[1] == "A" for finished in match.history)
        assert row["cooperation_opponent"] == pytest.approx(cooperations / match.rounds)
        assert row["cooperation"] == 0
    assert len(rounds) > 1
    swapped = {"agent": "opponent"}
    swapped |= {measure: f"{measure}_opponent" for measure in ("payoff", "cooperation")}
    mirror = table.rename(columns=swapped | {second: first for first, second in swapped.items()})
    key = ["agent", "opponent", "match"]
    first, second = (one.sort_values(key, ignore_index=True) for one in (table, mirror))
    pd.testing.assert_frame_equal(first, second[list(first)])
    random = table[(table["agent"] == "Random") & (table["opponent"] == "Defector")]
    assert random["cooperation"].nunique() > 1


def test_an_agent_meets_strategies_in_a_tournament(base_model: Path, tmp_path: Path) -> None:
    names = ["Tit For Tat", "Random"]
    play_pairs(
        model=base_model,
        pairs=[(Agent("warm_start"), Agent(name, Kind.AXELROD)) for name in names],
        game={"name": "prisoners_dilemma", "rounds": 10},
        settings=Evaluation(opponents=[], matches=4, batch=5, max_new_tokens=6),
        output=tmp_path / "matches.parquet",
    )
    table = pd.read_parquet(tmp_path / "matches.parquet")
    expected = [*product(["warm_start"], names), *product(names, ["warm_start"])]
    pairs = table.groupby(["agent", "opponent"]).size().to_dict()
    assert pairs == dict.fromkeys(expected, 4)
    tit_for_tat = table[table["agent"] == "Tit For Tat"]
    assert (tit_for_tat["cooperation_at_start"] == 1).all()
    assert (tit_for_tat["cooperation_after_CD"].dropna() == 0).all()
    assert (tit_for_tat["cooperation_after_CC"].dropna() == 1).all()


def test_a_scripted_player_and_the_library_agree() -> None:
    """Our own tit for tat and grim play as the library's, against chance."""
    game = build_game("prisoners_dilemma", 12)
    random = scripted_player("prisoners_dilemma", "random")
    for own, theirs in (("tit_for_tat", "Tit For Tat"), ("grim", "Grudger")):
        players = (scripted_player("prisoners_dilemma", own), AxelrodPlayer(theirs))
        for seed in range(5):
            matches = [game.start(seed), game.start(seed)]
            play(matches, [(player, random) for player in players])
            assert matches[0].history == matches[1].history
