"""Claims on hand-made tables where some numbers hold and others don't."""

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from social_dilemmas.agents.agent import is_learner, learner_name
from social_dilemmas.agents.axelrod.kinds import KINDS
from social_dilemmas.agents.scripted.player import scripted_player_names
from social_dilemmas.config.load import load_scale
from social_dilemmas.config.settings import ablated, exploitability_settings
from social_dilemmas.games import build_game
from social_dilemmas.report.claims_text import format_claims
from social_dilemmas.statistics.claims import CLAIMS, CRITERIA, all_claims, claims, judge

Row = tuple[str, str, str, str, str, float, float, float]

IS_FURTHER = CRITERIA["kind"].str.contains("further")
MAIN, FURTHER = CRITERIA[~IS_FURTHER], CRITERIA[IS_FURTHER]
COMMON = {"payoff", "payoff_opponent", "welfare_share"}
TRAINED = {"naive", "sum_of_rewards", "advantage_alignment"}

ALIGNMENT = "advantage_alignment"
MEASURED: list[Row] = [
    ("prisoners_dilemma", "naive", "naive", "same seed", "payoff", 1.05, 1.0, 1.2),
    ("prisoners_dilemma", "naive", "naive", "all", "payoff", 3.0, 3.0, 3.0),
    ("prisoners_dilemma", ALIGNMENT, ALIGNMENT, "same seed", "payoff", 2.5, 2.4, 2.7),
    ("prisoners_dilemma", ALIGNMENT, "always_b", "all", "payoff", 0.9, 0.86, 0.95),
]


def table(rows: list[Row], model: str = "embedded") -> pd.DataFrame:
    names = ["game", "agent", "opponent", "seed_relation", "quantity", "mean", "low", "high"]
    frame = pd.DataFrame(rows, columns=names)
    frame.insert(0, "model", model)
    return frame


def judged(*tables: pd.DataFrame) -> pd.DataFrame:
    return judge(tables, MAIN)


def criterion(*values: str | float) -> pd.DataFrame:
    """One criterion of its own, with the columns of `CRITERIA`."""
    return pd.DataFrame([values], columns=list(CRITERIA))


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


def test_only_games_that_were_played_have_rows_and_every_model_its_own() -> None:
    one = judged(table(MEASURED))
    assert set(one["game"]) == {"prisoners_dilemma"}
    assert len(judged(pd.concat([table(MEASURED), table(MEASURED, "another")]))) == 2 * len(one)


def test_criteria_name_things_that_the_main_job_measures() -> None:
    for one in MAIN.to_dict("records"):
        assert one["agent"] in TRAINED
        assert one["opponent"] in {"itself", "everyone", *scripted_player_names(one["game"])}
        assert one["quantity"] in COMMON | set(build_game(one["game"], 10).behaviours)
        assert "whole" not in one["kind"]
    assert set(CRITERIA["claim"]) == CLAIMS.keys()
    assert set(CRITERIA["side"]) == {"<=", ">="}
    kinds = {word for kind in CRITERIA["kind"] for word in kind.split("+")}
    assert kinds == {"-", "aim", "whole", "further"}


def test_further_criteria_are_about_what_the_default_configuration_measures() -> None:
    config = load_scale("laptop")
    for one in FURTHER.to_dict("records"):
        quantities = COMMON | set(build_game(one["game"], 10).behaviours)
        if is_learner(one["agent"]):
            assert one["agent"] == learner_name("naive")
            assert one["opponent"] in exploitability_settings(config, one["game"]).learners["naive"]
            quantities |= {"payoff_gap"}
        elif one["quantity"] == "payoff_change":
            assert (one["game"], one["agent"]) in ablated(config)
            assert one["opponent"] in {"itself", *scripted_player_names(one["game"])}
            quantities = {"payoff_change"}
        else:
            assert one["agent"] in TRAINED
            assert one["opponent"] in KINDS
            assert one["game"] == "prisoners_dilemma"
        assert one["quantity"] in quantities


@pytest.mark.parametrize("side", ["<=", ">="])
@pytest.mark.parametrize("kind", ["-", "whole"])
@pytest.mark.parametrize(
    "interval",
    [(2.0, 0.5, 3.0), (2.0, 2.0, 2.0), (2.01, 2.001, 2.1), (1.99, 1.5, 1.999), (math.nan,) * 3],
)
def test_bounds_belong_to_what_holds(
    side: str, kind: str, interval: tuple[float, float, float]
) -> None:
    what = ("split", "naive_learner", "warm_start")
    bound = criterion("C2", *what, "payoff_gap", side, 2, kind)
    found = judge([table([(*what, "all", "payoff_gap", *interval)])], bound).iloc[0]
    within = [end <= 2 if side == "<=" else end >= 2 for end in interval]
    assert found["interval_holds"] == all(within)
    assert found["holds"] == (all(within) if kind == "whole" else within[0])


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
    found = judge([frame], FURTHER[FURTHER["claim"] == "C5"])
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
    bound = criterion("C5", "trust_and_split", "with_buffer", "itself", "payoff", ">=", 39.5, "-")
    row = judge([frame], bound).iloc[0]
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
    names = ["game", "agent", "opponent", "quantity"]
    numbers: dict[str, Any] = {"seed_relation": "all", "mean": 100.25, "low": 99.75, "high": 101.55}
    everything = CRITERIA[names].assign(model="embedded", **numbers)
    text = format_claims(judged(table(MEASURED)))
    for each in (text, format_claims(judge([everything], CRITERIA))):
        assert max(map(len, each.splitlines())) <= 100
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "yes in self-play points a round 1.05 [1.00, 1.20] <= 1.15" in lines
    assert "NO in self-play points a round 2.50 [2.40, 2.70] >= 2.6" in lines
    assert "2 of 7 bounds hold for the mean over seeds," in lines
