"""Claims on hand-made tables where some numbers hold and others don't."""

import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from social_dilemmas.agents.agent import is_learner, learner_name
from social_dilemmas.agents.axelrod.kinds import KINDS
from social_dilemmas.agents.scripted.player import scripted_player_names
from social_dilemmas.config.load import load_scale
from social_dilemmas.config.settings import ablated, exploitability_settings
from social_dilemmas.games import build_game
from social_dilemmas.report.claims_text import format_claims
from social_dilemmas.statistics.claims import (
    CHANGE,
    CLAIMS,
    CRITERIA,
    Criterion,
    all_claims,
    claims,
    judge,
)

Row = tuple[str, str, str, str, str, float, float, float]

MAIN = [criterion for criterion in CRITERIA if not criterion.further]
FURTHER = [criterion for criterion in CRITERIA if criterion.further]

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
    names = ["game", "agent", "opponent", "seed_relation", "quantity", "mean", "low", "high"]
    frame = pd.DataFrame(rows, columns=names)
    frame.insert(0, "model", model)
    return frame


def judged(*tables: pd.DataFrame) -> pd.DataFrame:
    return judge(tables, MAIN)


def test_the_mean_decides_and_the_interval_is_reported_separately() -> None:
    """Self-play is with the same seed."""
    frame = judged(table(MEASURED))
    points = frame[frame["quantity"] == "points a round"].set_index(["agent", "opponent"])
    found = points[["value", "holds", "interval_holds"]].T.to_dict("list")
    assert found["naive", "itself"] == [1.05, True, False]
    assert found["advantage_alignment", "itself"] == [2.5, False, False]
    assert found["advantage_alignment", "always_b"] == [0.9, True, True]
    missing = found["sum_of_rewards", "itself"]  # wasn't measured
    assert math.isnan(missing[0])
    assert missing[1:] == [False, False]
    assert points["bound"].iloc[0] == "<= 1.15"


def test_behaviour_comes_from_the_fingerprints() -> None:
    criterion = next(one for one in CRITERIA if one.quantity == "cooperation_after_CC")
    rows: list[Row] = [
        (
            *("prisoners_dilemma", "advantage_alignment", "everyone"),
            *("all", "cooperation_after_CC", 0.97, 0.96, 0.98),
        )
    ]
    row = judge([table(MEASURED), table(rows)], [criterion]).iloc[0]
    assert row["quantity"] == "cooperates after both cooperated"
    assert (row["holds"], row["interval_holds"]) == (True, True)


def test_only_games_that_were_played_have_rows_and_every_model_its_own() -> None:
    one = judged(table(MEASURED))
    assert set(one["game"]) == {"prisoners_dilemma"}
    assert len(judged(pd.concat([table(MEASURED), table(MEASURED, "another")]))) == 2 * len(one)


TRAINED = {"naive", "sum_of_rewards", "advantage_alignment"}


def test_criteria_name_things_that_exist() -> None:
    quantities = {"payoff", "payoff_opponent", "welfare_share"}
    for criterion in MAIN:
        assert criterion.agent in TRAINED
        opponents = {"itself", "everyone", *scripted_player_names(criterion.game)}
        assert criterion.opponent in opponents
        assert criterion.quantity in quantities | set(build_game(criterion.game, 10).behaviours)
        assert not criterion.whole
    assert {criterion.claim for criterion in CRITERIA} == CLAIMS.keys()
    assert {criterion.direction for criterion in CRITERIA} == {"<=", ">="}


def test_further_criteria_are_about_what_the_default_configuration_measures() -> None:
    config = load_scale("laptop")
    learners = {
        game.name: exploitability_settings(config, game.name).learners for game in config.games
    }
    for criterion in FURTHER:
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


@pytest.mark.parametrize("direction", ["<=", ">="])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(
    "interval",
    [(2.0, 0.5, 3.0), (2.0, 2.0, 2.0), (2.01, 2.001, 2.1), (1.99, 1.5, 1.999), (math.nan,) * 3],
)
def test_bounds_belong_to_what_holds(
    direction: str, whole: bool, interval: tuple[float, float, float]
) -> None:
    criterion = Criterion("C2", "split", "naive_learner", "warm_start", "payoff_gap", direction, 2)
    rows: list[Row] = [("split", "naive_learner", "warm_start", "all", "payoff_gap", *interval)]
    found = judge([table(rows)], [replace(criterion, whole=whole)]).iloc[0]
    within = [end <= 2 if direction == "<=" else end >= 2 for end in interval]
    assert found["interval_holds"] == all(within)
    assert found["holds"] == (all(within) if whole else within[0])


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
    found = judge([frame], [one for one in FURTHER if one.claim == "C5"])
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
    row = judge([frame], [criterion]).iloc[0]
    assert (row["value"], row["low"], row["high"], row["holds"]) == (40, 39, 41, True)


def test_where_tables_say_the_same_the_first_counts() -> None:
    other = [(*row[:5], 9.0, 8.0, 10.0) for row in MEASURED]
    first = judged(table(MEASURED), table(other))
    pd.testing.assert_frame_equal(first, judged(table(MEASURED)))
    assert judged(table(other), table(MEASURED))["value"].max() == 9


def test_rows_are_ordered_by_model_claim_game_and_agent(tmp_path: Path) -> None:
    games = ("split", "trust_and_split", "prisoners_dilemma")
    rows: list[Row] = [(game, "naive", "grim", "all", "payoff", 1.0, 1.0, 1.0) for game in games]
    pd.concat([table(rows, "b"), table(rows, "a")]).to_csv(tmp_path / "measured.csv", index=False)
    found = all_claims({"measured": tmp_path / "measured.csv"})
    assert list(found["model"]) == ["a"] * len(CRITERIA) + ["b"] * len(CRITERIA)
    groups = found[found["model"] == "a"][["claim", "game", "agent"]]
    together = groups.drop_duplicates()
    assert list(together["claim"]) == sorted(together["claim"])
    # the rows of a game, and of an agent in it, stand together
    assert (groups != groups.shift()).any(axis=1).sum() == len(together)
    for _, of_claim in together.groupby("claim"):
        order = ["prisoners_dilemma", "split", "trust_and_split"]
        assert list(of_claim["game"]) == sorted(of_claim["game"], key=order.index)
    only_main = claims({"measured": tmp_path / "measured.csv"})
    assert len(only_main) == 2 * len(MAIN)


def test_games_that_no_claim_is_about_leave_an_empty_table() -> None:
    rows: list[Row] = [("stag_hunt", "naive", "grim", "all", "payoff", 1.0, 1.0, 1.0)]
    found = judge([table(rows)], CRITERIA)
    assert len(found) == 0
    assert list(found) == list(judged(table(MEASURED)))
    assert "0 of 0 bounds hold" in format_claims(found)


def test_terminal_text_is_narrow_and_says_what_failed() -> None:
    everything = [
        (one.game, one.agent, one.opponent, "all", one.quantity, 100.25, 99.75, 101.55)
        for one in CRITERIA
    ]
    text = format_claims(judged(table(MEASURED)))
    for each in (text, format_claims(judge([table(everything)], CRITERIA))):
        assert max(map(len, each.splitlines())) <= 100
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "yes in self-play points a round 1.05 [1.00, 1.20] <= 1.15" in lines
    assert "NO in self-play points a round 2.50 [2.40, 2.70] >= 2.6" in lines
    assert "2 of 7 bounds hold for the mean over seeds," in lines
