"""Claims on hand-made tables where some numbers hold and others don't."""

import math

import pandas as pd
import pytest

from social_dilemmas.evaluation.claims import CLAIMS, CRITERIA, Criterion, claims, format_claims
from social_dilemmas.games import build_game
from social_dilemmas.players.scripted import scripted_player_names

Row = tuple[str, str, str, str, str, float, float, float]

MEASURED: list[Row] = [
    ("prisoners_dilemma", "naive", "naive", "same seed", "payoff", 1.05, 1.0, 1.2),
    ("prisoners_dilemma", "naive", "naive", "all", "payoff", 3.0, 3.0, 3.0),
    (
        *("prisoners_dilemma", "advantage_alignment", "advantage_alignment"),
        *("same seed", "payoff", 2.5, 2.4, 2.7),
    ),
    (
        *("prisoners_dilemma", "advantage_alignment", "always_b"),
        *("all", "payoff", 0.9, 0.86, 0.95),
    ),
]


def table(rows: list[Row], model: str = "embedded") -> pd.DataFrame:
    names = ["game", "agent", "opponent", "pairing", "quantity", "mean", "low", "high"]
    frame = pd.DataFrame(rows, columns=names)
    frame.insert(0, "model", model)
    return frame


def verdicts(frame: pd.DataFrame) -> dict[tuple[str, str], tuple[bool, bool]]:
    return {
        (row["agent"], row["opponent"]): (row["holds"], row["interval_holds"])
        for row in frame.to_dict("records")
        if row["quantity"] == "points a round"
    }


def test_the_mean_decides_and_the_interval_is_told_apart() -> None:
    found = verdicts(claims(table(MEASURED), table([])))
    assert found["naive", "itself"] == (True, False)
    assert found["advantage_alignment", "itself"] == (False, False)
    assert found["advantage_alignment", "always_b"] == (True, True)


def test_self_play_is_with_the_same_seed() -> None:
    row = claims(table(MEASURED), table([])).iloc[0]
    assert (row["claim"], row["agent"], row["value"]) == ("C1", "naive", 1.05)
    assert row["bound"] == "<= 1.15"


def test_behaviour_comes_from_the_fingerprints() -> None:
    criterion = next(one for one in CRITERIA if one.quantity == "cooperation_after_CC")
    rows: list[Row] = [
        (
            *("prisoners_dilemma", "advantage_alignment", "everyone"),
            *("all", "cooperation_after_CC", 0.97, 0.96, 0.98),
        )
    ]
    row = claims(table(MEASURED), table(rows), [criterion]).iloc[0]
    assert row["quantity"] == "cooperates after both cooperated"
    assert row["holds"]
    assert row["interval_holds"]


def test_what_was_not_measured_does_not_hold() -> None:
    found = claims(table(MEASURED), table([]))
    row = found[found["agent"] == "sum_of_rewards"].iloc[0]
    assert math.isnan(row["value"])
    assert not row["holds"]
    assert not row["interval_holds"]


def test_games_that_were_not_played_have_no_rows() -> None:
    assert set(claims(table(MEASURED), table([]))["game"]) == {"prisoners_dilemma"}


def test_every_model_has_its_rows() -> None:
    both = pd.concat([table(MEASURED), table(MEASURED, "another")])
    assert len(claims(both, table([]))) == 2 * len(claims(table(MEASURED), table([])))


@pytest.mark.parametrize(
    ("direction", "value", "holds"),
    [("<=", 2, True), ("<=", 2.01, False), (">=", 2, True), (">=", 1.99, False)]
    + [(direction, math.nan, False) for direction in ("<=", ">=")],
)
def test_bounds_belong_to_what_holds(direction: str, value: float, holds: bool) -> None:
    criterion = Criterion("C1", "split", "naive", "itself", "payoff", direction, 2)
    assert criterion.holds(value) is holds


def test_criteria_name_things_that_exist() -> None:
    trained = {"naive", "sum_of_rewards", "advantage_alignment"}
    quantities = {"payoff", "payoff_opponent", "welfare_share"}
    for criterion in CRITERIA:
        assert criterion.claim in CLAIMS
        assert criterion.agent in trained
        opponents = {"itself", "everyone", *scripted_player_names(criterion.game)}
        assert criterion.opponent in opponents
        assert criterion.quantity in quantities | set(build_game(criterion.game, 10).behaviours)
        assert criterion.direction in ("<=", ">=")


def test_terminal_text_is_narrow_and_says_what_failed() -> None:
    everything = [
        (one.game, one.agent, one.opponent, "all", one.quantity, 100.25, 99.75, 101.55)
        for one in CRITERIA
    ]
    text = format_claims(claims(table(everything), table([])))
    assert max(map(len, text.splitlines())) <= 100
    text = format_claims(claims(table(MEASURED), table([])))
    assert max(map(len, text.splitlines())) <= 100
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "yes in self-play points a round 1.05 [1.00, 1.20] <= 1.15" in lines
    assert "NO in self-play points a round 2.50 [2.40, 2.70] >= 2.6" in lines
    assert "2 of 7 bounds hold for the mean over seeds," in lines
