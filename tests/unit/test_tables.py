"""Tables from tiny files whose numbers are worked out by hand."""

import math
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from social_dilemmas.report.names import in_order, readable
from social_dilemmas.statistics import tables
from social_dilemmas.statistics.quantities import PAYOFFS, quantity_words

GAME, MODEL = "prisoners_dilemma", "embedded"
KEYS = ["agent", "agent_seed", "opponent", "opponent_seed", "match", "seat"]


Row = tuple[object, ...]


def matches(tmp_path: Path, rows: Sequence[Row], *quantities: str) -> dict[tuple[str, str], Path]:
    """A file of matches; each row holds `KEYS`, then the quantities. Other payoffs are 0."""
    frame = pd.DataFrame(rows, columns=[*KEYS, *quantities])
    frame.insert(0, "game", GAME)
    for name in PAYOFFS:
        if name not in frame:
            frame[name] = 0.0
    path = tmp_path / "matches.parquet"
    frame.to_parquet(path)
    return {(GAME, MODEL): path}


def cell(table: pd.DataFrame, quantity: str, agent: str, opponent: str, relation: str) -> pd.Series:
    """The one row of the table that is asked for."""
    rows = table[
        (table["quantity"] == quantity)
        & (table["agent"] == agent)
        & (table["opponent"] == opponent)
        & (table["seed_relation"] == relation)
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
        relation: cell(table, "payoff", "naive", "naive", relation)["mean"]
        for relation in ("same seed", "other seed", "all")
    }
    assert means == {"same seed": 1, "other seed": 3, "all": 2}
    fixed = table[(table["agent"] == "grim") & (table["quantity"] == "payoff")]
    assert set(fixed["seed_relation"]) == {"same seed", "all"}
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
    assert set(table["quantity"]) == set(PAYOFFS)


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


def test_learning_against_fixed_is_tidy_and_names_the_opponent(tmp_path: Path) -> None:
    runs = {}
    for opponent, seed, payoff in [
        ("grim", 0, 1.0),
        ("warm_start", 0, 3.0),
        ("warm_start", 42, 5.0),
    ]:
        path = tmp_path / f"{opponent}-{seed}.csv"
        path.write_text(f"iteration,payoff,payoff_opponent,seconds_sampling\n0,{payoff},6,0.5\n")
        runs[GAME, MODEL, "naive", opponent, seed] = path
    table = tables.learning_against_fixed(runs)
    columns = ["model", "game", "algorithm", "opponent", *tables.CURVE_COLUMNS[3:]]
    expected = [
        (MODEL, GAME, "naive", opponent, seed, 0, quantity, value)
        for opponent, seed, payoff in [
            ("grim", 0, 1.0),
            ("warm_start", 0, 3.0),
            ("warm_start", 42, 5.0),
        ]
        for quantity, value in (("payoff", payoff), ("payoff_opponent", 6.0))
    ]
    pd.testing.assert_frame_equal(table, pd.DataFrame(expected, columns=columns), check_dtype=False)


LEARNERS: list[Row] = [  # KEYS, payoff, payoff_opponent, cooperation
    ("naive_learner", 0, "naive", 0, 0, 0, 4.0, 1.0, 0.0),
    ("naive_learner", 0, "naive", 0, 1, 1, 2.0, 1.0, 0.5),  # seed 0: 3, gap 2
    ("naive_learner", 42, "naive", 42, 0, 0, 1.0, 1.0, 1.0),  # seed 42: 1, gap 0
    ("naive", 0, "naive_learner", 0, 0, 1, 1.0, 4.0, 0.25),
    ("naive", 0, "naive_learner", 0, 1, 0, 1.0, 2.0, 0.25),
    ("naive", 42, "naive_learner", 42, 0, 1, 1.0, 1.0, 0.25),
    ("naive_learner", 0, "grim", -1, 0, 0, 2.0, 0.5, 0.0),
    ("grim", -1, "naive_learner", 0, 0, 1, 0.5, 2.0, 0.0),
]
LEARNED = ("payoff", "payoff_opponent", "cooperation")


def test_exploitability_is_about_what_learners_get_more(tmp_path: Path) -> None:
    table = tables.exploitability(matches(tmp_path, LEARNERS, *LEARNED))
    assert set(table["agent"]) == {"naive_learner"}
    assert set(table["seed_relation"]) == {"all"}
    assert set(table["quantity"]) == {*PAYOFFS, "payoff_gap", "cooperation"}
    assert len(table) == 2 * 5
    means = table.set_index(["opponent", "quantity"])["mean"]
    assert means["naive"].drop("welfare_share").to_dict() == {
        "payoff": 2.0,  # of 3 and 1
        "payoff_opponent": 1.0,
        "payoff_gap": 1.0,  # of 2 and 0
        "cooperation": 0.625,  # of 0.25 and 1
    }
    assert means["grim", "payoff_gap"] == 1.5
    gap = cell(table, "payoff_gap", "naive_learner", "naive", "all")
    assert (gap["low"], gap["high"]) == (0, 2)  # two matches with swapped seats are one observation


def test_the_frozen_opponent_s_seed_is_no_second_source_of_seeds(tmp_path: Path) -> None:
    """A learner and its opponent have the same seed: two runs were drawn, not four."""
    table = tables.exploitability(matches(tmp_path, LEARNERS, *LEARNED))
    row = cell(table, "payoff", "naive_learner", "naive", "all")
    assert (row["seeds"], row["interval_over"], row["matches"]) == (2, "seeds and matches", 2)
    fixed = [(*row[:3], -1, *row[4:]) for row in LEARNERS]
    expected = tables.exploitability(matches(tmp_path, fixed, *LEARNED))
    pd.testing.assert_frame_equal(table, expected)
    alone = cell(table, "payoff", "naive_learner", "grim", "all")
    assert (alone["seeds"], alone["interval_over"]) == (1, "matches")


def cross_play_of(folder: Path, rows: Sequence[Row]) -> Path:
    """A file of matches with payoffs, in a folder of its own."""
    folder.mkdir()
    (path,) = matches(folder, rows, "payoff").values()
    return path


STANDARD: list[Row] = [  # KEYS, payoff
    *(("alignment", seed, "alignment", seed, match, seat, 3.0 + match)
      for seed, match, seat in product((0, 1), (0, 1), (0, 1))),
    ("alignment", 0, "alignment", 1, 0, 0, 100.0),  # not self-play
    ("alignment", 1, "alignment", 0, 0, 1, 100.0),
    ("alignment", 0, "warm_start", -1, 0, 0, 100.0),
    ("alignment", 0, "naive", 0, 0, 0, 100.0),
    ("naive", 0, "naive", 0, 0, 0, 100.0),
    *(("alignment", seed, "greedy", -1, match, 0, 1.0 + seed + match)
      for seed, match in product((0, 1), (0, 1))),
    ("greedy", -1, "alignment", 0, 0, 1, 100.0),
]  # fmt: skip
WORSE: list[Row] = [
    *(("no_baseline", seed, "no_baseline", seed, 0, seat, 1.0)
      for seed, seat in product((0, 1), (0, 1))),
    *(("no_baseline", seed, "greedy", -1, match, 0, 1.5 + seed + (0, 0, 0, 0, 0, 6)[match])
      for seed, match in product((0, 1), range(6))),  # an interval that isn't symmetric
]  # fmt: skip


@pytest.fixture
def ablated(tmp_path: Path) -> pd.DataFrame:
    return tables.ablations(
        {(GAME, MODEL, "alignment"): cross_play_of(tmp_path / "standard", STANDARD)},
        {(GAME, MODEL, "no_baseline"): cross_play_of(tmp_path / "variant", WORSE)},
    )


def payoff_of(table: pd.DataFrame, agent: str, opponent: str) -> pd.Series:
    return cell(table, "payoff", agent, opponent, "all")


def test_ablations_hold_self_play_and_scripted_players(ablated: pd.DataFrame) -> None:
    assert set(zip(ablated["agent"], ablated["opponent"], strict=True)) == {
        (agent, opponent)
        for agent in ("alignment", "no_baseline")
        for opponent in ("itself", "greedy")
    }
    assert set(ablated["seed_relation"]) == {"all"}
    assert set(ablated["quantity"]) == {*PAYOFFS}
    assert payoff_of(ablated, "alignment", "itself")["mean"] == 3.5
    assert payoff_of(ablated, "alignment", "greedy")["mean"] == 2.0
    assert payoff_of(ablated, "no_baseline", "itself")["mean"] == 1.0
    assert payoff_of(ablated, "alignment", "itself")["seeds"] == 2


def test_the_change_has_the_interval_of_both_means(ablated: pd.DataFrame) -> None:
    """The square root of the sum of squares of both arms, by hand (Zou and Donner 2008)."""
    for opponent in ("itself", "greedy"):
        standard = payoff_of(ablated, "alignment", opponent)
        variant = payoff_of(ablated, "no_baseline", opponent)
        change = variant["mean"] - standard["mean"]
        fall = math.sqrt(
            (variant["mean"] - variant["low"]) ** 2 + (standard["high"] - standard["mean"]) ** 2
        )
        rise = math.sqrt(
            (variant["high"] - variant["mean"]) ** 2 + (standard["mean"] - standard["low"]) ** 2
        )
        assert variant["change"] == pytest.approx(change)
        assert variant["change_low"] == pytest.approx(change - fall)
        assert variant["change_high"] == pytest.approx(change + rise)
        if opponent == "greedy":
            assert rise - fall > 0.1  # so that the arms can be told apart
    itself = payoff_of(ablated, "no_baseline", "itself")
    assert itself["change"] == -2.5
    # the variant has no spread; that of the standard is from 3 to 4
    assert (itself["change_low"], itself["change_high"]) == (-3, -2)


def test_a_change_matters_if_the_interval_leaves_out_zero(
    ablated: pd.DataFrame, tmp_path: Path
) -> None:
    """Also read back from a file; the standard has no change."""
    ablated.to_csv(tmp_path / "ablations.csv", index=False)
    for table in (ablated, pd.read_csv(tmp_path / "ablations.csv")):
        assert bool(payoff_of(table, "no_baseline", "itself")["matters"]) is True
        greedy = payoff_of(table, "no_baseline", "greedy")
        assert greedy["change"] == 1
        assert greedy["change_low"] < 0 < greedy["change_high"]
        assert bool(greedy["matters"]) is False
        standard = table[table["agent"] == "alignment"]
        assert standard[["change", "change_low", "change_high", "matters"]].isna().all(axis=None)


def test_every_variant_is_compared_with_the_standard_of_its_own_game_and_model(
    tmp_path: Path,
) -> None:
    better: list[Row] = [(*row[:6], float(str(row[6])) + 10) for row in STANDARD]
    standard = {
        (GAME, MODEL, "alignment"): cross_play_of(tmp_path / "one", STANDARD),
        (GAME, "another", "alignment"): cross_play_of(tmp_path / "other", better),
    }
    variant = cross_play_of(tmp_path / "variant", WORSE)
    variants = {(GAME, model, "no_baseline"): variant for model in (MODEL, "another")}
    table = tables.ablations(standard, variants)
    changes = {
        model: payoff_of(table[table["model"] == model], "no_baseline", "itself")["change"]
        for model in (MODEL, "another")
    }
    assert changes == {MODEL: -2.5, "another": -12.5}


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
