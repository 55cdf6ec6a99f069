"""Games as a configuration names them: kinds, names, titles, and what a tokenizer depends on."""

import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import pytest

from social_dilemmas.agents.scripted.corpus import game_texts
from social_dilemmas.agents.scripted.player import scripted_player, scripted_player_names
from social_dilemmas.errors import UserError
from social_dilemmas.games import build_game, declare, game_of, named_game, wordings
from social_dilemmas.games.matrix_game import COORDINATION
from social_dilemmas.games.prisoners_dilemma import PrisonersDilemma
from social_dilemmas.report.names import game_title
from social_dilemmas.statistics.quantities import quantity_words
from social_dilemmas.statistics.references import references

THREE = {action: {key: [1, 2] for key in "ABC"} for action in "ABC"}
MINE: dict[str, Any] = {"name": "my_coordination", "kind": "matrix_game", "rounds": 4}
MINE["rules"] = {"payoffs": THREE}


@pytest.fixture
def declared() -> Iterator[None]:
    declare([MINE])
    yield
    declare([])


def test_an_entry_without_a_kind_is_the_game_of_its_name() -> None:
    game = game_of({"name": "split", "rounds": 3, "rules": {"quantity": 4}})
    assert (game.name, game.kind, game.title, game.rounds) == ("split", "split", "Split", 3)
    assert game_of({"name": "split", "rounds": 3}).reward_bounds == (0, 300)


def test_an_entry_with_a_kind_has_a_name_of_its_own() -> None:
    game = game_of(MINE)
    assert (game.name, game.kind) == ("my_coordination", "matrix_game")
    assert game.title == "My coordination"
    assert game_of({"name": "split", "kind": "split", "rounds": 1}).title == "Split"
    assert (
        game_of({"name": "a", "kind": "split", "rounds": 1, "title": "Split, A"}).title
        == "Split, A"
    )


def test_mistakes_name_the_entry_and_the_kind() -> None:
    with pytest.raises(UserError, match=r"^mine: unknown game 'chess'; known games: .*chicken"):
        game_of({"name": "mine", "kind": "chess", "rounds": 1})
    with pytest.raises(UserError, match=r"^mine: split: the rule quantity must be at least 1"):
        game_of({"name": "mine", "kind": "split", "rounds": 1, "rules": {"quantity": 0}})
    with pytest.raises(UserError, match=r"^mine: split: rounds must be at least 1, but is 0"):
        game_of({"name": "mine", "kind": "split", "rounds": 0})


@pytest.mark.usefixtures("declared")
def test_declared_games_are_known_by_their_names() -> None:
    assert game_title("my_coordination") == "My coordination"
    assert game_title("split") == "Split"
    assert "choice_B_after_CA" in named_game("my_coordination").behaviours
    words = quantity_words("my_coordination", "choice_B_after_CA")
    assert words == "chooses B, after it chose C and the other A"
    assert scripted_player_names("my_coordination") == scripted_player_names("matrix_game")
    found = scripted_player("my_coordination", "best_reply")
    assert found is scripted_player("matrix_game", "best_reply")


def test_what_is_not_declared_is_a_kind() -> None:
    declare([MINE])
    declare([])
    with pytest.raises(UserError, match="unknown game 'my_coordination'"):
        named_game("my_coordination")
    with pytest.raises(UserError, match="unknown game 'my_coordination'"):
        scripted_player_names("my_coordination")


@pytest.mark.usefixtures("declared")
def test_references_are_by_name_and_per_round_that_was_played() -> None:
    entry = {"name": "short_dilemma", "kind": "prisoners_dilemma", "rules": {"punishment": 1.5}}
    declare([{**entry, "rounds": {"least": 1, "most": 5}}])
    table = references(["short_dilemma"])
    assert set(table["game"]) == {"short_dilemma"}
    assert dict(zip(table["reference"], table["payoff"], strict=True)) == pytest.approx(
        {"both greedy": 1.5, "welfare-optimal": 3}
    )


def test_missing_rules_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Demanding(PrisonersDilemma):
        kind = "demanding"

        def __init__(self, rounds: int, stakes: float) -> None:
            super().__init__(rounds)

    name = "social_dilemmas.games.demanding"
    module = ModuleType(name)
    vars(module).update(Demanding=Demanding, __spec__=ModuleSpec(name, None))
    monkeypatch.setitem(sys.modules, name, module)
    with pytest.raises(UserError, match="demanding: the rule 'stakes' is missing"):
        build_game("demanding", 10)
    assert build_game("demanding", 10, {"stakes": 3}).rounds == 10


@pytest.mark.parametrize(
    ("name", "rules", "message"),
    [
        ("prisoners_dilemma", {"reward": 6}, "temptation > reward > punishment > sucker.*5, 6, 1"),
        ("prisoners_dilemma", {"sucker": 1}, "temptation > reward > punishment > sucker"),
        ("prisoners_dilemma", {"punishment": float("nan")}, "punishment must be a finite number"),
        ("split", {"value_draw": "range", "unit_values": [1, 10**9]}, "whole numbers up to 10000"),
        ("deal_or_no_deal", {"items": [5, 10**9]}, "can be valued in too many ways"),
        ("deal_or_no_deal", {"total_value": 10**4}, "can be valued in too many ways"),
        ("split", {"unit_values": [10]}, r"set needs two different unit_values.* \[10\]"),
        ("split", {"unit_values": [10, 10]}, "two different unit_values"),
        ("split", {"unit_values": [-1, 10]}, "negative.*-1, 10"),
        ("split", {"kinds": ["hats"]}, "two or more different single words.*hats"),
        ("split", {"kinds": ["hats", "hats"]}, "different single words.*hats"),
        ("split", {"kinds": ["red hats", "books"]}, "different single words"),
        ("split", {"quantity": 0}, "quantity must be at least 1, but is 0"),
        ("split", {"quantity": 2.5}, "quantity must be a whole number, but is 2.5"),
        ("split", {"value_draw": "any"}, "value_draw must be one of set, exclusive, range.*'any'"),
        ("split", {"value_draw": "exclusive", "unit_values": [1, 2, 3]}, "two different unit_val"),
        ("split", {"value_draw": "range", "unit_values": [0.5, 3]}, "whole numbers.*0.5, 3"),
        ("trust_and_split", {"coins": -5}, "the rule coins must be at least 1, but is -5"),
        ("trust_and_split", {"message_limit": 0}, "the rule message_limit must be at least 1"),
        ("trust_and_split", {"message_limit": 14}, "message_limit must be at least 15, so that"),
        ("trust_and_split", {"messages": 0}, "the rule messages must be at least 1, but is 0"),
        ("trust_and_split", {"upper_value": 1}, "upper_value > lower_value >= 0, but are 1 and 1"),
        ("trust_and_split", {"lower_value": -1}, "upper_value > lower_value >= 0"),
        ("deal_or_no_deal", {"kinds": ["hats"]}, "two or more different single words.*hats"),
        ("deal_or_no_deal", {"items": [2, 7]}, r"each of the 3 kinds, but is \[2, 7\]"),
        ("deal_or_no_deal", {"items": [7, 5]}, "least and the most number of items"),
        ("deal_or_no_deal", {"items": [5]}, "least and the most number of items"),
        ("deal_or_no_deal", {"messages": 0}, "messages must be at least 1, but is 0"),
        ("deal_or_no_deal", {"message_limit": 0}, "message_limit must be at least 1, but is 0"),
        ("deal_or_no_deal", {"total_value": 0}, "total_value must be at least 1, but is 0"),
        ("deal_or_no_deal", {"total_value": 1}, "no values of 5 to 7 items add up to.* of 1"),
    ],
)
def test_senseless_rules_are_refused(name: str, rules: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=f"{name}: .*{message}"):
        build_game(name, 10, rules)


# What a tokenizer depends on


def test_a_tokenizer_depends_on_kinds_and_not_on_payoffs() -> None:
    dilemma = {"name": "prisoners_dilemma", "rounds": 10, "rules": {"reward": 3}}
    again = {"name": "other", "kind": "prisoners_dilemma", "rounds": 3, "rules": {"reward": 4}}
    split = {"name": "split", "rounds": 10, "rules": {"quantity": 3}}
    expected = [{"name": "prisoners_dilemma", "rules": {}}, {"name": "split", "rules": {}}]
    assert wordings([split, dilemma, again]) == wordings([dilemma, split]) == expected


@pytest.mark.parametrize(
    ("kind", "rules"),
    [
        ("split", {"kinds": ["apples", "pears"]}),
        ("split", {"unit_values": [1, 20], "value_draw": "range"}),
        ("trust_and_split", {"messages": 2}),
        ("deal_or_no_deal", {"total_value": 12, "messages": 1}),
    ],
)
def test_a_tokenizer_depends_on_rules_that_change_sentences(
    kind: str, rules: dict[str, Any]
) -> None:
    assert wordings([{"name": kind, "rules": rules}]) == [{"name": kind, "rules": rules}]
    assert game_texts([{"name": kind, "rules": rules}]) != game_texts([{"name": kind}])


def test_of_a_payoff_table_only_the_actions_count() -> None:
    (two,) = wordings([{"name": "stag_hunt", "rules": {"payoffs": COORDINATION}}])
    zeros = {action: {"A": [0, 0], "B": [0, 0]} for action in "AB"}
    assert two == {"name": "stag_hunt", "rules": {"payoffs": zeros}}
    texts, _ = game_texts([MINE])
    assert any("choose A, B or C" in text for text in texts)


def test_the_text_is_that_of_the_given_games_in_any_order() -> None:
    entries = [{"name": "split"}, {"name": "prisoners_dilemma"}]
    texts, varying = game_texts(entries)
    assert (texts, varying) == game_texts(entries[::-1])
    assert any("hats" in text for text in texts)
    assert not any("coins" in text for text in texts)
    assert len(game_texts([*entries, {"name": "chicken"}])[0]) > len(texts)
