"""Tables from tiny files whose numbers are worked out by hand."""

import math
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from social_dilemmas.evaluation import tables
from social_dilemmas.evaluation.names import in_order, quantity_words, readable

GAME, MODEL = "prisoners_dilemma", "embedded"
KEYS = ["agent", "agent_seed", "opponent", "opponent_seed", "match", "seat"]


Row = tuple[object, ...]


def matches(tmp_path: Path, rows: Sequence[Row], *quantities: str) -> dict[tuple[str, str], Path]:
    """A file of matches; each row holds `KEYS`, then the quantities. Other payoffs are 0."""
    frame = pd.DataFrame(rows, columns=[*KEYS, *quantities])
    frame.insert(0, "game", GAME)
    for name in tables.PAYOFFS:
        if name not in frame:
            frame[name] = 0.0
    path = tmp_path / "matches.parquet"
    frame.to_parquet(path)
    return {(GAME, MODEL): path}


def cell(table: pd.DataFrame, quantity: str, agent: str, opponent: str, pairing: str) -> pd.Series:
    """The one row of the table that is asked for."""
    rows = table[
        (table["quantity"] == quantity)
        & (table["agent"] == agent)
        & (table["opponent"] == opponent)
        & (table["pairing"] == pairing)
    ]
    assert len(rows) == 1
    return rows.iloc[0]


def test_learning_curves_are_tidy_and_hold_no_times(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("iteration,payoff,seconds_sampling,cooperation\n0,2.5,9.1,\n1,1.5,9.2,0.25\n")
    table = tables.learning_curves({(GAME, MODEL, "naive", 42): path})
    assert list(table) == tables.CURVE_COLUMNS
    assert table.iloc[:, :4].drop_duplicates().values.tolist() == [[MODEL, GAME, "naive", 42]]
    values = table.set_index(["quantity", "iteration"])["value"]
    assert values["payoff", 0] == 2.5
    assert values["payoff", 1] == 1.5
    assert math.isnan(values["cooperation", 0])
    assert values["cooperation", 1] == 0.25
    assert len(table) == 4


def test_cross_play_averages_seats_then_matches_then_seeds(tmp_path: Path) -> None:
    rows = [
        ("naive", 0, "grim", -1, 0, 0, 1.0),
        ("naive", 0, "grim", -1, 0, 1, 3.0),  # match 0: 2
        ("naive", 0, "grim", -1, 1, 0, 4.0),
        ("naive", 0, "grim", -1, 1, 1, 4.0),  # match 1: 4, so seed 0: 3
        ("naive", 42, "grim", -1, 0, 0, 5.0),
        ("naive", 42, "grim", -1, 0, 1, 5.0),  # seed 42: 5
    ]
    row = cell(
        tables.cross_play(matches(tmp_path, rows, "payoff")), "payoff", "naive", "grim", "all"
    )
    assert row["mean"] == 4
    assert (row["matches"], row["observations"], row["seeds"]) == (3, 6, 2)
    assert row["interval_over"] == "seeds and matches"
    assert (row["low"], row["high"]) == (2, 5)


def test_self_play_is_kept_apart_from_play_with_other_seeds(tmp_path: Path) -> None:
    rows = [
        ("naive", first, "naive", second, 0, seat, 1.0 if first == second else 3.0)
        for first, second, seat in product((0, 42), (0, 42), (0, 1))
    ]
    rows += [("grim", -1, "grim", -1, 0, seat, 2.0) for seat in (0, 1)]
    table = tables.cross_play(matches(tmp_path, rows, "payoff"))
    means = {
        pairing: cell(table, "payoff", "naive", "naive", pairing)["mean"]
        for pairing in ("same seed", "other seed", "all")
    }
    assert means == {"same seed": 1, "other seed": 3, "all": 2}
    fixed = table[(table["agent"] == "grim") & (table["quantity"] == "payoff")]
    assert set(fixed["pairing"]) == {"same seed", "all"}
    assert set(fixed["seeds"]) == {0}
    assert set(fixed["interval_over"]) == {"matches"}


def test_both_sides_of_a_pair_have_rows_of_their_own(tmp_path: Path) -> None:
    rows = [
        ("naive", 0, "grim", -1, 0, 0, 1.5, 0.5),
        ("grim", -1, "naive", 0, 0, 1, 0.5, 1.5),
    ]
    table = tables.cross_play(matches(tmp_path, rows, "payoff", "payoff_opponent"))
    assert cell(table, "payoff", "naive", "grim", "all")["mean"] == 1.5
    assert cell(table, "payoff", "grim", "naive", "all")["mean"] == 0.5
    assert cell(table, "payoff_opponent", "grim", "naive", "all")["mean"] == 1.5
    assert set(table["quantity"]) == set(tables.PAYOFFS)


def test_fingerprints_leave_out_matches_without_the_event_and_count_them(tmp_path: Path) -> None:
    rows = [
        ("naive", 0, "grim", -1, 0, 0, 0.5),
        ("naive", 0, "grim", -1, 1, 0, None),
        ("naive", 0, "grim", -1, 2, 0, 1.0),
        ("naive", 0, "random", -1, 0, 0, None),
    ]
    table = tables.fingerprints(matches(tmp_path, rows, "cooperation_after_CD"))
    row = cell(table, "cooperation_after_CD", "naive", "grim", "all")
    assert (row["mean"], row["matches"], row["missing"]) == (0.75, 2, 1)
    assert math.isnan(cell(table, "cooperation_after_CD", "naive", "random", "all")["mean"])


def test_observations_count_the_same_where_their_number_is_known(tmp_path: Path) -> None:
    """One cooperation out of 1, and none out of 3: one out of four, not the mean of 1 and 0."""
    rows = [
        ("naive", 0, "grim", -1, 0, 0, 1.0, 1),
        ("naive", 0, "grim", -1, 1, 0, 0.0, 3),
        ("naive", 0, "grim", -1, 2, 0, None, 0),
    ]
    quantities = ("cooperation", "cooperation_count")
    table = tables.fingerprints(matches(tmp_path, rows, *quantities))
    row = cell(table, "cooperation", "naive", "grim", "all")
    assert (row["mean"], row["observations"], row["missing"]) == (0.25, 4, 1)
    assert set(table["quantity"]) == {"cooperation"}


def test_everyone_pools_the_matches_of_each_seed(tmp_path: Path) -> None:
    rows = [
        ("naive", 0, "grim", -1, 0, 0, 0.0),
        ("naive", 0, "random", -1, 0, 0, 1.0),
        ("naive", 0, "random", -1, 1, 0, 0.5),  # seed 0: 0.5
        ("naive", 1, "grim", -1, 0, 0, 1.0),  # seed 1: 1
    ]
    table = tables.fingerprints(matches(tmp_path, rows, "cooperation"))
    row = cell(table, "cooperation", "naive", "everyone", "all")
    assert (row["mean"], row["matches"], row["seeds"]) == (0.75, 4, 2)


def test_the_same_files_give_the_same_table_whatever_else_is_in_it(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = [
        ("naive", seed, opponent, -1, match, 0, random.random())
        for seed, opponent, match in product((0, 1), ("grim", "random"), range(5))
    ]
    both = tables.cross_play(matches(tmp_path, rows, "payoff"))
    alone = tables.cross_play(
        matches(tmp_path, [row for row in rows if row[2] == "grim"], "payoff")
    )
    pd.testing.assert_frame_equal(
        both[both["opponent"] == "grim"].reset_index(drop=True), alone.reset_index(drop=True)
    )


def test_a_full_cross_play_takes_little_time(tmp_path: Path) -> None:
    """16 agents, as at laptop scale: a second or two on one core."""
    agents = [*product(("naive", "sum", "alignment"), range(3)), *((f"s{i}", -1) for i in range(7))]
    random = np.random.default_rng(0)
    rows = [
        (*agent, *opponent, match, seat, *random.random(4))
        for agent, opponent, match, seat in product(agents, agents, range(64), (0, 1))
    ]
    source = matches(tmp_path, rows, "payoff", "a", "b", "c")
    start = time.thread_time()
    tables.cross_play(source)
    tables.fingerprints(source)
    assert time.thread_time() - start < 8


@pytest.mark.parametrize(
    ("game", "quantity", "words"),
    [
        ("prisoners_dilemma", "payoff", "points a round"),
        ("prisoners_dilemma", "cooperation_after_CC", "cooperates after both cooperated"),
        (
            "trust_and_split",
            "coins_lower_at_start",
            "coins asked with the lower hand, before it was ever treated in any way",
        ),
        (
            "split",
            "claim_other_after_grab",
            "units asked of what the other values more, "
            "after the other grabbed what it values more",
        ),
    ],
)
def test_words_of_a_quantity_stand_by_themselves(game: str, quantity: str, words: str) -> None:
    assert quantity_words(game, quantity) == words


def test_agents_are_listed_in_one_order_and_unknown_ones_last() -> None:
    assert in_order(["grim", "new_agent", "advantage_alignment", "warm_start", "naive"]) == [
        "warm_start",
        "naive",
        "advantage_alignment",
        "grim",
        "new_agent",
    ]
    assert readable("new_agent") == "New agent"
