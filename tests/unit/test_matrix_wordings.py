"""Matrix games in other words: names and order of actions, wordings, letters that alternate."""

import re
from typing import Any

import pytest
from tests.unit.matrices import KINDS, OTHER_NAMES, play_all
from tests.unit.playing import points_of

from social_dilemmas.errors import UserError
from social_dilemmas.games import build_game, wordings
from social_dilemmas.games.matrix_game import MatrixGame
from social_dilemmas.games.matrix_wordings import WORDINGS

PLAIN = (
    "You meet one other player again and again. In every round you both choose A or B at the same time, and only "
    "afterwards learn what the other chose. If you choose A and the other chooses A, you get 3 and the other gets 3 "
    "points. If you choose A and the other chooses B, you get 0 and the other gets 5 points. If you choose B and the "
    "other chooses A, you get 5 and the other gets 0 points. If you choose B and the other chooses B, you get 1 and "
    "the other gets 1 points. Your aim is to collect as many points as you can over all rounds. Reply with <A> or <B> "
    "and nothing else."
)


def told(kind: str = "prisoners_dilemma", seed: int = 0, **rules: Any) -> str:
    """The first prompt."""
    return build_game(kind, 3, rules).start(seed).turns()[0].prompt


def test_the_words_of_old_stay_as_they_were() -> None:
    """Agents trained on them know no others."""
    assert told() == told(actions=["A", "B"], order=["A", "B"], wording="plain") == PLAIN


def test_names_of_actions_stand_where_the_letters_stood() -> None:
    share = told(actions=["share", "keep"])
    assert share == re.sub(r"\bB\b", "keep", re.sub(r"\bA\b", "share", PLAIN))
    assert told(actions=[1, 2]).endswith("Reply with <1> or <2> and nothing else.")


def test_where_the_other_letter_cooperates_only_points_differ() -> None:
    swapped = told(actions=["B", "A"], order=["A", "B"])
    assert re.sub(r"\d", "", swapped) == re.sub(r"\d", "", PLAIN)
    assert re.findall(r"\d", swapped) == list("11500533")


def test_the_order_is_turned_round() -> None:
    turned = told(order=["B", "A"])
    assert "you both choose B or A at the same time" in turned
    assert re.findall(r"choose (\w) and the other chooses (\w), you get (\d)", turned) == [
        *(("B", "B", "1"), ("B", "A", "5"), ("A", "B", "0"), ("A", "A", "3"))
    ]
    assert turned.endswith("Reply with <B> or <A> and nothing else.")


@pytest.mark.parametrize("wording", WORDINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_wording_states_all_points_and_the_news(kind: str, wording: str) -> None:
    match = build_game(kind, 3, {"wording": wording, "actions": ["X", "Y"]}).start(0)
    prompt = match.turns()[0].prompt
    assert isinstance(match.game, MatrixGame)
    for (own, other), points in match.game.payoffs.items():
        pattern = rf"\b{own}\b[^.<]*\b{other}\b\D*\b{points[0]}\b\D*\b{points[1]}\b"
        assert re.search(pattern, prompt)
    assert "<X> or <Y>" in prompt
    assert not re.search(r"[{}]|\bA\b|\bB\b|  ", prompt)
    match.take({0: "<X>", 1: "<Y>"})
    assert [re.findall("<.>", turn.prompt) for turn in match.turns()] == [["<Y>"], ["<X>"]]


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"actions": ["A"]}, "actions must be 2 different names"),
        ({"actions": ["A", "A"]}, "actions must be 2 different names"),
        ({"actions": ["A", "<B>"]}, "names without < or >"),
        ({"actions": "AB"}, "actions must be 2 different names"),
        ({"actions": [True, False]}, "actions must be 2 different names"),
        ({"actions": [None, "A"]}, "actions must be 2 different names"),
        ({"actions": ["A\nB", "C"]}, "actions must be 2 different names"),
        ({"order": ["A", "C"]}, "order must list A, B, but is"),
        ({"alternate_actions": "no"}, "the rule alternate_actions must be true or false"),
        ({"wording": "short"}, "wording must be one of plain, brief, shops, but is 'short'"),
        ({"payoffs": {}}, "unknown rule 'payoffs'; its rules are: reward, .*, alternate_actions"),
    ],
)
def test_words_that_make_no_sense_are_refused(rules: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=f"^prisoners_dilemma: .*{message}"):
        build_game("prisoners_dilemma", 1, rules)


@pytest.mark.parametrize("rules", OTHER_NAMES)
def test_cooperation_is_what_an_action_means(rules: dict[str, Any]) -> None:
    cooperate, defect = rules["actions"]
    match = build_game("prisoners_dilemma", 3, rules).start(0)
    play_all(match, cooperate + defect, defect + cooperate, defect + defect)
    assert match.rewards(0) == [0, 5, 1]
    seen = [(name, value) for name, value in match.game.observe(match, 0) if "_" in name]
    assert seen == [
        ("cooperation_at_start", 1),
        ("cooperation_after_CD", 0),
        ("cooperation_after_DC", 0),
    ]


def test_letters_alternate_from_seed_to_seed() -> None:
    game = build_game("prisoners_dilemma", 2, {"alternate_actions": True})
    assert isinstance(game, MatrixGame)
    matches = [game.start(seed) for seed in range(200)]
    assert 70 < sum(match.actions == ("B", "A") for match in matches) < 130
    assert game.start(5).actions == matches[5].actions  # all matches of a group
    assert len({turn.grammar for match in matches for turn in match.turns()}) == 1
    for match in matches:
        cooperate, defect = match.actions
        by_letter = told(actions=[cooperate, defect], order=["A", "B"])
        assert match.turns()[0].prompt == by_letter
        play_all(match, cooperate + defect, defect + defect)
        assert match.rewards(0) == [0, 1]
        assert [value for name, value in game.observe(match, 0) if name == "cooperation"] == [1, 0]
        assert points_of(game.start(match.seed), "always_cooperate", "always_defect") == (0, 10)


def test_behaviours_name_the_action_by_its_place_where_letters_alternate() -> None:
    game = build_game("stag_hunt", 2, {"alternate_actions": True})
    assert (
        game.behaviours["choice_A_after_AB"] == "... after it chose action 1 and the other action 2"
    )
    named = build_game("stag_hunt", 2, {"actions": ["X", "Y"]})
    assert named.behaviours["choice_A"] == "chooses X"


def test_only_rules_that_change_sentences_reach_the_tokenizer() -> None:
    def entry(**rules: Any) -> dict[str, Any]:
        return {"name": "prisoners_dilemma", "rounds": 2, "rules": rules}

    assert wordings([entry(), entry(reward=4, alternate_actions=True, system="Hello.")]) == [
        {"name": "prisoners_dilemma", "rules": {}}
    ]
    assert len(wordings([entry(), entry(wording="brief"), entry(actions=["X", "Y"])])) == 3
