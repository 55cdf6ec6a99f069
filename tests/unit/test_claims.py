"""Claims on hand-made tables where some numbers hold and others don't."""

import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml

from social_dilemmas.agents.agent import WARM_START, is_learner, learner_name
from social_dilemmas.agents.axelrod.kinds import KINDS
from social_dilemmas.agents.scripted.player import scripted_player_names
from social_dilemmas.config.settings import ablated
from social_dilemmas.games import build_game
from social_dilemmas.statistics.claims import (
    CHANGE,
    CLAIMS,
    CRITERIA,
    FURTHER_CRITERIA,
    Criterion,
    claims,
    format_claims,
)

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
    found = verdicts(claims([table(MEASURED)]))
    assert found["naive", "itself"] == (True, False)
    assert found["advantage_alignment", "itself"] == (False, False)
    assert found["advantage_alignment", "always_b"] == (True, True)


def test_self_play_is_with_the_same_seed() -> None:
    row = claims([table(MEASURED)]).iloc[0]
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
    row = claims([table(MEASURED), table(rows)], [criterion]).iloc[0]
    assert row["quantity"] == "cooperates after both cooperated"
    assert row["holds"]
    assert row["interval_holds"]


def test_what_was_not_measured_does_not_hold() -> None:
    found = claims([table(MEASURED)])
    row = found[found["agent"] == "sum_of_rewards"].iloc[0]
    assert math.isnan(row["value"])
    assert not row["holds"]
    assert not row["interval_holds"]


def test_games_that_were_not_played_have_no_rows() -> None:
    assert set(claims([table(MEASURED)])["game"]) == {"prisoners_dilemma"}


def test_every_model_has_its_rows() -> None:
    both = pd.concat([table(MEASURED), table(MEASURED, "another")])
    assert len(claims([both])) == 2 * len(claims([table(MEASURED)]))


@pytest.mark.parametrize(
    ("direction", "value", "holds"),
    [("<=", 2, True), ("<=", 2.01, False), (">=", 2, True), (">=", 1.99, False)]
    + [(direction, math.nan, False) for direction in ("<=", ">=")],
)
def test_bounds_belong_to_what_holds(direction: str, value: float, holds: bool) -> None:
    criterion = Criterion("C1", "split", "naive", "itself", "payoff", direction, 2)
    assert criterion.holds(value) is holds


TRAINED = {"naive", "sum_of_rewards", "advantage_alignment"}


def test_criteria_name_things_that_exist() -> None:
    quantities = {"payoff", "payoff_opponent", "welfare_share"}
    for criterion in CRITERIA:
        assert criterion.claim in CLAIMS
        assert criterion.agent in TRAINED
        opponents = {"itself", "everyone", *scripted_player_names(criterion.game)}
        assert criterion.opponent in opponents
        assert criterion.quantity in quantities | set(build_game(criterion.game, 10).behaviours)
        assert criterion.direction in ("<=", ">=")
        assert not criterion.whole


def test_further_criteria_are_about_what_the_default_configuration_measures() -> None:
    config = yaml.safe_load((Path(__file__).parents[2] / "config" / "config.yaml").read_text())
    learners = {
        game["name"]: game.get("exploitability", {}).get("learners", {}) for game in config["games"]
    }
    for criterion in FURTHER_CRITERIA:
        assert criterion.claim in CLAIMS
        quantities = {"payoff", "payoff_opponent"} | set(build_game(criterion.game, 10).behaviours)
        if is_learner(criterion.agent):
            quantities |= {"payoff_gap"}
            assert learner_name("naive") == criterion.agent
            assert criterion.opponent in learners[criterion.game]["naive"]
        elif criterion.quantity == CHANGE:
            quantities = {CHANGE}
            assert (criterion.game, criterion.agent) in ablated(config)
            assert criterion.opponent in {"itself", *scripted_player_names(criterion.game)}
        else:
            assert criterion.agent in TRAINED
            assert criterion.opponent in KINDS
            assert criterion.game == "prisoners_dilemma"
        assert criterion.quantity in quantities
    assert {criterion.claim for criterion in (*CRITERIA, *FURTHER_CRITERIA)} == CLAIMS.keys()


GAP = Criterion("C2", "split", learner_name("naive"), WARM_START, "payoff_gap", ">=", 0, whole=True)


@pytest.mark.parametrize(
    ("interval", "holds"),
    [((2.0, 0.5, 3.0), True), ((2.0, -0.5, 3.0), False), ((-1.0, -2.0, -0.5), False)],
)
def test_some_criteria_want_the_whole_interval(
    interval: tuple[float, float, float], holds: bool
) -> None:
    rows: list[Row] = [("split", "naive_learner", "warm_start", "all", "payoff_gap", *interval)]
    found = claims([table(rows)], [GAP]).iloc[0]
    assert (found["holds"], found["interval_holds"]) == (holds, holds)
    assert found["value"] == interval[0]
    mean_decides = claims([table(rows)], [replace(GAP, whole=False)]).iloc[0]
    assert mean_decides["holds"] == (interval[0] >= 0)


def ablations(*rows: tuple[str, str, float, float, float]) -> pd.DataFrame:
    """A table as `tables.ablations` makes it; each row holds agent, opponent, change, low, high."""
    game, mean = "trust_and_split", 40.0
    frame = table(
        [(game, agent, opponent, "all", "payoff", mean, 39.0, 41.0) for agent, opponent, *_ in rows]
    )
    frame[["change", "change_low", "change_high"]] = [row[2:] for row in rows]
    return frame


def test_changes_of_ablations_are_quantities_of_their_own() -> None:
    nothing = (math.nan,) * 3
    frame = ablations(
        ("advantage_alignment", "itself", *nothing),
        ("no_group_baseline", "itself", -5.0, -7.0, -3.0),
        ("no_group_baseline", "greedy", -1.0, -2.0, 0.5),
        ("with_buffer", "itself", 2.0, 1.0, 3.0),
    )
    found = claims([frame], [one for one in FURTHER_CRITERIA if one.claim == "C5"])
    verdict = {
        (row["agent"], row["opponent"]): (row["value"], row["low"], row["high"], row["holds"])
        for row in found.to_dict("records")
    }
    assert verdict["no_group_baseline", "itself"] == (-5.0, -7.0, -3.0, True)
    assert verdict["no_group_baseline", "greedy"] == (-1.0, -2.0, 0.5, False)
    assert verdict["with_buffer", "itself"] == (2.0, 1.0, 3.0, True)
    assert math.isnan(verdict["with_buffer", "greedy"][0])
    assert set(found["quantity"]) == {"points a round more than the method as it is"}


def test_payoffs_of_variants_can_be_looked_up_too() -> None:
    frame = ablations(("with_buffer", "itself", 2.0, 1.0, 3.0))
    criterion = Criterion("C5", "trust_and_split", "with_buffer", "itself", "payoff", ">=", 39.5)
    row = claims([frame], [criterion]).iloc[0]
    assert (row["value"], row["low"], row["high"], row["holds"]) == (40, 39, 41, True)


def test_where_tables_say_the_same_the_first_counts() -> None:
    other = [(*row[:5], 9.0, 8.0, 10.0) for row in MEASURED]
    first = claims([table(MEASURED), table(other)])
    pd.testing.assert_frame_equal(first, claims([table(MEASURED)]))
    assert claims([table(other), table(MEASURED)])["value"].max() == 9


def test_rows_are_ordered_by_claim_game_and_agent() -> None:
    games = ("split", "trust_and_split", "prisoners_dilemma")
    rows: list[Row] = [(game, "naive", "naive", "all", "payoff", 1.0, 1.0, 1.0) for game in games]
    mixed = [*reversed(FURTHER_CRITERIA), *reversed(CRITERIA)]
    found = claims([table(rows)], mixed)
    assert len(found) == len(mixed)
    assert list(found["claim"]) == sorted(found["claim"])
    for _, of_claim in found.groupby("claim"):
        order = ["prisoners_dilemma", "split", "trust_and_split"]
        places = [order.index(game) for game in of_claim["game"]]
        assert places == sorted(places)
        for _, of_game in of_claim.groupby("game"):  # an agent's rows stand together
            agents = list(of_game["agent"])
            assert agents == sorted(agents, key=list(dict.fromkeys(agents)).index)
    of_c5 = found[found["claim"] == "C5"]  # agents that no other claim is about, by name
    assert list(dict.fromkeys(of_c5["agent"])) == ["no_buffer", "no_group_baseline", "with_buffer"]
    of_c3 = found[(found["claim"] == "C3") & (found["game"] == "prisoners_dilemma")]
    assert list(dict.fromkeys(of_c3["agent"])) == ["advantage_alignment", "sum_of_rewards"]
    # each model's rows together
    both = claims([pd.concat([table(rows, "b"), table(rows, "a")])], mixed)
    assert list(both["model"]) == ["a"] * len(mixed) + ["b"] * len(mixed)


def test_games_that_no_claim_is_about_leave_an_empty_table(tmp_path: Path) -> None:
    rows: list[Row] = [("stag_hunt", "naive", "naive", "all", "payoff", 1.0, 1.0, 1.0)]
    found = claims([table(rows)], (*CRITERIA, *FURTHER_CRITERIA))
    assert len(found) == 0
    assert list(found) == list(claims([table(MEASURED)]))
    assert "0 of 0 bounds hold" in format_claims(found)


def test_terminal_text_is_narrow_and_says_what_failed() -> None:
    criteria = (*CRITERIA, *FURTHER_CRITERIA)
    everything = [
        (one.game, one.agent, one.opponent, "all", one.quantity, 100.25, 99.75, 101.55)
        for one in criteria
    ]
    text = format_claims(claims([table(everything)], criteria))
    assert max(map(len, text.splitlines())) <= 100
    text = format_claims(claims([table(MEASURED)]))
    assert max(map(len, text.splitlines())) <= 100
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "yes in self-play points a round 1.05 [1.00, 1.20] <= 1.15" in lines
    assert "NO in self-play points a round 2.50 [2.40, 2.70] >= 2.6" in lines
    assert "2 of 7 bounds hold for the mean over seeds," in lines
