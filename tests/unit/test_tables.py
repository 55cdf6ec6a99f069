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
from social_dilemmas.statistics.quantities import NORMALISED, PAYOFFS, quantity_words

T_OF_2 = 12.7062047361747  # Student's t of two observations, from tables
GAME, MODEL = "prisoners_dilemma", "embedded"
KEYS = ["agent", "agent_seed", "opponent", "opponent_seed", "match", "seat"]

Row = tuple[object, ...]


def matches(path: Path, rows: Sequence[Row], *quantities: str) -> dict[tuple[str, str], Path]:
    """A file of matches; each row holds `KEYS`, then the quantities. Other payoffs are 0."""
    frame = pd.DataFrame(rows, columns=[*KEYS, *quantities]).assign(game=GAME)
    others = dict.fromkeys(set(PAYOFFS) - set(quantities), 0.0)
    path = path / "matches.parquet" if path.is_dir() else path
    frame.assign(**others).to_parquet(path)
    return {(GAME, MODEL): path}


def cell(
    table: pd.DataFrame, quantity: str, agent: str, opponent: str, relation: str = "all"
) -> pd.Series:
    """The one row of the table that is asked for."""
    keys = ["quantity", "agent", "opponent", "seed_relation"]
    rows = table.set_index(keys).loc[[(quantity, agent, opponent, relation)]]
    assert len(rows) == 1
    return rows.iloc[0]


def test_learning_curves_are_tidy_and_hold_no_times(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("iteration,payoff,seconds_sampling,cooperation\n0,2.5,9.1,\n1,1.5,9.2,0.25\n")
    nothing = math.nan
    columns = ["iteration", "quantity", "value"]
    rows = [(0, "payoff", 2.5), (1, "payoff", 1.5)]
    rows += [(0, "cooperation", nothing), (1, "cooperation", 0.25)]
    curve = pd.DataFrame(rows, columns=columns)
    keys = {"model": MODEL, "game": GAME, "algorithm": "naive"}
    found = tables.learning_curves({(GAME, MODEL, "naive", 42): path})
    expected = curve.assign(**keys, seed=42)[[*keys, "seed", *columns]]
    pd.testing.assert_frame_equal(found, expected)
    against = tables.learning_curves(
        {(GAME, MODEL, "naive", opponent, 42): path for opponent in ("grim", "warm_start")}
    )
    parts = [expected.assign(opponent=opponent) for opponent in ("grim", "warm_start")]
    order = [*keys, "opponent", "seed", *columns]
    pd.testing.assert_frame_equal(against, pd.concat(parts, ignore_index=True)[order])


def test_curves_of_two_learners_are_kept_apart(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("iteration,learner,payoff,seconds_sampling\n0,1,2.5,9.1\n0,2,1.5,9.1\n")
    found = tables.two_learners({(GAME, MODEL, "advantage_alignment", "naive", 42): path})
    pair = "advantage_alignment-vs-naive"
    columns = ["model", "game", "pair", "learner", "algorithm", "seed", "iteration", "quantity"]
    rows = [
        (MODEL, GAME, pair, "first", "advantage_alignment", 42, 0, "payoff", 2.5),
        (MODEL, GAME, pair, "second", "naive", 42, 0, "payoff", 1.5),
    ]
    pd.testing.assert_frame_equal(found, pd.DataFrame(rows, columns=[*columns, "value"]))


def test_cross_play_averages_seats_then_matches_then_seeds(tmp_path: Path) -> None:
    rows = [
        ("naive", 0, "grim", -1, 0, 0, 1.0),
        ("naive", 0, "grim", -1, 0, 1, 3.0),  # match 0: 2
        ("naive", 0, "grim", -1, 1, 0, 4.0),
        ("naive", 0, "grim", -1, 1, 1, 4.0),  # match 1: 4, so seed 0: 3
        ("naive", 42, "grim", -1, 0, 0, 5.0),
        ("naive", 42, "grim", -1, 0, 1, 5.0),  # seed 42: 5
    ]
    row = cell(tables.cross_play(matches(tmp_path, rows, "payoff")), "payoff", "naive", "grim")
    reach = T_OF_2  # of two runs 1 from their mean; both matches of seed 0 are one deal
    assert [row["mean"], row["low"], row["high"]] == pytest.approx([4, 4 - reach, 4 + reach])
    assert (row["matches"], row["observations"], row["seeds"]) == (3, 6, 2)
    assert (row["interval_over"], row["by_seed"]) == ("seeds", "3 5")


def test_files_of_the_same_game_are_pooled_and_what_both_hold_counts_once(tmp_path: Path) -> None:
    fixed = [("warm_start", -1, "grim", -1, 0, seat, 1.0) for seat in (0, 1)]
    files = {}
    for seed, points in ((0, 2.0), (1, 6.0)):
        rows = [("naive", seed, "grim", -1, 0, seat, points) for seat in (0, 1)]
        found = matches(tmp_path / f"{seed}.parquet", [*fixed, *rows], "payoff")
        files[GAME, MODEL, f"part {seed}"] = found[GAME, MODEL]
    table = tables.cross_play(files)
    row = cell(table, "payoff", "naive", "grim")
    assert (row["mean"], row["seeds"], row["matches"]) == (4, 2, 2)
    assert cell(table, "payoff", "warm_start", "grim")["matches"] == 1


def test_self_play_is_kept_apart_from_play_with_other_seeds(tmp_path: Path) -> None:
    rows = [
        ("naive", first, "naive", second, 0, seat, 1.0 if first == second else 3.0)
        for first, second, seat in product((0, 42), (0, 42), (0, 1))
    ]
    rows += [("grim", -1, "grim", -1, 0, seat, 2.0) for seat in (0, 1)]
    table = tables.cross_play(matches(tmp_path, rows, "payoff"))
    for relation, mean in {"same seed": 1, "other seed": 3, "all": 2}.items():
        assert cell(table, "payoff", "naive", "naive", relation)["mean"] == mean
    fixed = table[(table["agent"] == "grim") & (table["quantity"] == "payoff")]
    assert set(fixed["seed_relation"]) == {"same seed", "all"}
    assert set(fixed["seeds"]) == {0}
    assert set(fixed["interval_over"]) == {"nothing"}


def test_both_sides_of_a_pair_have_rows_of_their_own(tmp_path: Path) -> None:
    rows = [("naive", 0, "grim", -1, 0, 0, 1.5, 0.5), ("grim", -1, "naive", 0, 0, 1, 0.5, 1.5)]
    table = tables.cross_play(matches(tmp_path, rows, "payoff", "payoff_opponent"))
    assert cell(table, "payoff", "naive", "grim")["mean"] == 1.5
    assert cell(table, "payoff", "grim", "naive")["mean"] == 0.5
    assert cell(table, "payoff_opponent", "grim", "naive")["mean"] == 1.5
    assert set(table["quantity"]) == set(PAYOFFS)


def test_fingerprints_leave_out_matches_without_the_event_and_count_them(tmp_path: Path) -> None:
    rows = [
        ("naive", 0, "grim", -1, 0, 0, 0.5),
        ("naive", 0, "grim", -1, 1, 0, None),
        ("naive", 0, "grim", -1, 2, 0, 1.0),
        ("naive", 0, "random", -1, 0, 0, None),
    ]
    table = tables.fingerprints(matches(tmp_path, rows, "cooperation_after_CD"))
    row = cell(table, "cooperation_after_CD", "naive", "grim")
    assert (row["mean"], row["matches"], row["missing"]) == (0.75, 2, 1)
    assert math.isnan(cell(table, "cooperation_after_CD", "naive", "random")["mean"])


def test_observations_count_the_same_where_their_number_is_known(tmp_path: Path) -> None:
    """One cooperation out of 1, and none out of 3: one out of four, not the mean of 1 and 0."""
    rows = [
        ("naive", 0, "grim", -1, 0, 0, 1.0, 1),
        ("naive", 0, "grim", -1, 1, 0, 0.0, 3),
        ("naive", 0, "grim", -1, 2, 0, None, 0),
    ]
    table = tables.fingerprints(matches(tmp_path, rows, "cooperation", "cooperation_count"))
    row = cell(table, "cooperation", "naive", "grim")
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
    row = cell(table, "cooperation", "naive", "everyone")
    assert (row["mean"], row["matches"], row["seeds"]) == (0.75, 4, 2)


def test_distributions_hold_every_match_of_self_play_once(tmp_path: Path) -> None:
    rows = [
        *(("naive", seed, "naive", seed, match, seat, seed + match / 4)
          for seed, match, seat in product((0, 1), (0, 1), (0, 1))),
        *(("naive", 0, "naive", 1, 0, seat, 9.0) for seat in (0, 1)),  # not self-play
        *(("grim", -1, "grim", -1, 0, seat, 9.0) for seat in (0, 1)),  # not trained
    ]  # fmt: skip
    table = tables.distributions(matches(tmp_path, rows, "normalised_welfare"))
    assert table[["agent", "seed", "match", "value"]].to_numpy().tolist() == [
        ["naive", seed, match, seed + match / 4] for seed, match in product((0, 1), (0, 1))
    ]


def test_the_same_files_give_the_same_table_whatever_else_is_in_it(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = [
        ("naive", seed, opponent, -1, match, 0, random.random())
        for opponent, seed, match in product(("grim", "random"), (0, 1), range(5))
    ]
    both = tables.cross_play(matches(tmp_path, rows, "payoff"))
    alone = tables.cross_play(matches(tmp_path, rows[:10], "payoff"))
    pd.testing.assert_frame_equal(both[both["opponent"] == "grim"], alone)


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
    assert len(table) == 2 * (len(PAYOFFS) + 2)
    means = table.set_index(["opponent", "quantity"])["mean"]
    assert means["naive"].to_dict() == {
        "payoff": 2.0,  # of 3 and 1
        "payoff_opponent": 1.0,
        "welfare_share": 0.0,
        **dict.fromkeys(NORMALISED, 0.0),
        "payoff_gap": 1.0,  # of 2 and 0
        "cooperation": 0.625,  # of 0.25 and 1
    }
    assert means["grim", "payoff_gap"] == 1.5
    gap = cell(table, "payoff_gap", "naive_learner", "naive")
    assert gap["high"] == pytest.approx(
        1 + T_OF_2
    )  # two matches with swapped seats are one observation


def test_the_frozen_opponent_s_seed_is_no_second_source_of_seeds(tmp_path: Path) -> None:
    """A learner and its opponent have the same seed: two runs were drawn, not four."""
    table = tables.exploitability(matches(tmp_path, LEARNERS, *LEARNED))
    row = cell(table, "payoff", "naive_learner", "naive")
    assert (row["seeds"], row["interval_over"], row["matches"]) == (2, "seeds", 3)
    fixed = [(*row[:3], -1, *row[4:]) for row in LEARNERS]
    expected = tables.exploitability(matches(tmp_path, fixed, *LEARNED))
    pd.testing.assert_frame_equal(table, expected)
    alone = cell(table, "payoff", "naive_learner", "grim")
    assert (alone["seeds"], alone["interval_over"]) == (1, "nothing")


STANDARD: list[Row] = [  # KEYS, payoff
    *(("alignment", seed, "alignment", seed, 2 * deal, seat, 3.0 + deal % 2)
      for seed, deal, seat in product((0, 1), range(10), (0, 1))),
    ("alignment", 0, "alignment", 1, 0, 0, 100.0),  # not self-play
    ("alignment", 1, "alignment", 0, 0, 1, 100.0),
    ("alignment", 0, "warm_start", -1, 0, 0, 100.0),
    ("alignment", 0, "naive", 0, 0, 0, 100.0),
    ("naive", 0, "naive", 0, 0, 0, 100.0),
    *(("alignment", seed, "always_defect", -1, 2 * deal, 0, 1.0 + seed + deal)
      for seed, deal in product((0, 1), (0, 1))),
    ("always_defect", -1, "alignment", 0, 0, 1, 100.0),
]  # fmt: skip
WORSE: list[Row] = [
    *(("no_baseline", seed, "no_baseline", seed, 0, seat, 1.0)
      for seed, seat in product((0, 1), (0, 1))),
    *(("no_baseline", seed, "always_defect", -1, match, 0, 1.5 + seed + (0, 0, 0, 0, 0, 6)[match])
      for seed, match in product((0, 1), range(6))),
]  # fmt: skip


def renamed(rows: Sequence[Row], name: str) -> list[Row]:
    """The same matches, played by a variant of another name."""
    return [tuple(name if value == "no_baseline" else value for value in row) for row in rows]


@pytest.fixture
def ablated(tmp_path: Path) -> pd.DataFrame:
    """With two models; in the other one the standard gets 10 points more."""
    better: list[Row] = [(*row[:6], float(str(row[6])) + 10) for row in STANDARD]
    standard, variants = {}, {}
    worst: list[Row] = [(*row[:6], float(str(row[6])) - 1) for row in renamed(WORSE, "worst")]
    for model, rows in ((MODEL, STANDARD), ("another", better)):
        (standard[GAME, model, "alignment"],) = matches(tmp_path / model, rows, "payoff").values()
        (path,) = matches(tmp_path / "variant", WORSE, "payoff").values()
        variants[GAME, model, "no_baseline", "alignment"] = path
        (path,) = matches(tmp_path / "worst", worst, "payoff").values()
        variants[GAME, model, "worst", "no_baseline"] = path
    return tables.ablations(standard, variants)


@pytest.fixture
def of_model(ablated: pd.DataFrame) -> pd.DataFrame:
    return ablated[ablated["model"] == MODEL]


def test_ablations_hold_self_play_and_scripted_players(of_model: pd.DataFrame) -> None:
    pairs = {*product(("alignment", "no_baseline", "worst"), ("itself", "always_defect"))}
    assert {*zip(of_model["agent"], of_model["opponent"], strict=True)} == pairs
    assert set(of_model["seed_relation"]) == {"all"}
    assert set(of_model["quantity"]) == {*PAYOFFS}
    itself = cell(of_model, "payoff", "alignment", "itself")
    assert (itself["mean"], itself["seeds"]) == (3.5, 2)
    assert cell(of_model, "payoff", "alignment", "always_defect")["mean"] == 2.0
    assert cell(of_model, "payoff", "no_baseline", "itself")["mean"] == 1.0


def test_the_change_has_the_interval_of_both_means(of_model: pd.DataFrame) -> None:
    """The square root of the sum of squares of both arms, by hand (Zou and Donner 2008)."""
    for opponent in ("itself", "always_defect"):
        standard = cell(of_model, "payoff", "alignment", opponent)
        variant = cell(of_model, "payoff", "no_baseline", opponent)
        change = variant["mean"] - standard["mean"]
        reach = math.hypot(*(each["high"] - each["mean"] for each in (variant, standard)))
        found = variant[["change", "change_low", "change_high"]].to_list()
        assert found == pytest.approx([change, change - reach, change + reach])
    itself = cell(of_model, "payoff", "no_baseline", "itself")
    # the variant has no spread, the standard that of ten deals .5 from their mean
    reach = 2.2621571628 / math.sqrt(9) / 2
    found = itself[["change", "change_low", "change_high"]].to_list()
    assert found == pytest.approx([-2.5, -2.5 - reach, -2.5 + reach])


def test_a_change_matters_if_the_interval_leaves_out_zero(
    of_model: pd.DataFrame, tmp_path: Path
) -> None:
    """Also read back from a file; the standard has no change."""
    of_model.to_csv(tmp_path / "ablations.csv", index=False)
    for table in (of_model, pd.read_csv(tmp_path / "ablations.csv")):
        assert bool(cell(table, "payoff", "no_baseline", "itself")["matters"]) is True
        greedy = cell(table, "payoff", "no_baseline", "always_defect")
        assert greedy["change_low"] < 0 < greedy["change"] == 1 < greedy["change_high"]
        assert bool(greedy["matters"]) is False
        standard = table[table["agent"] == "alignment"]
        assert standard[["change", "change_low", "change_high", "matters"]].isna().all(axis=None)


def test_every_variant_is_compared_with_the_standard_of_its_own_model(
    ablated: pd.DataFrame,
) -> None:
    other = cell(ablated[ablated["model"] == "another"], "payoff", "no_baseline", "itself")
    assert other["change"] == -12.5


def test_a_variant_may_be_compared_with_another(of_model: pd.DataFrame) -> None:
    for opponent in ("itself", "always_defect"):
        found = cell(of_model, "payoff", "worst", opponent)
        control = cell(of_model, "payoff", "no_baseline", opponent)
        assert (found["compared_with"], found["change"]) == ("no_baseline", pytest.approx(-1))
        reach = math.hypot(found["high"] - found["mean"], control["high"] - control["mean"])
        assert found["change_high"] == pytest.approx(-1 + reach)
        assert control["compared_with"] == "alignment"


def test_the_worst_case_is_that_of_every_run(tmp_path: Path) -> None:
    """Seed 0 gets least with greedy, seed 1 with a cooperator; other seeds and the warm start don't count."""
    rows: list[Row] = [
        *(
            ("mixed", seed, "mixed", seed, match, 0, 0.9, 0.5)
            for seed in (0, 1)
            for match in (0, 1)
        ),
        ("mixed", 0, "mixed", 1, 0, 0, -9.0, -9.0),
        ("mixed", 0, "warm_start", -1, 0, 0, -9.0, -9.0),
        *(("mixed", 0, "always_defect", -1, match, 0, 0.7, match - 0.7) for match in (0, 1)),  # -.2
        *(("mixed", 0, "always_cooperate", -1, match, 0, 0.7, 0.1) for match in (0, 1)),
        *(("mixed", 1, "always_defect", -1, match, 0, 0.7, 0.3) for match in (0, 1)),
        *(("mixed", 1, "always_cooperate", -1, match, 0, 0.7, 0.2) for match in (0, 1)),
    ]
    source = matches(tmp_path, rows, "normalised_welfare", "normalised_payoff")
    files = {(*key, "mixed"): path for key, path in source.items()}
    table = tables.rivals({}, files)
    worst = cell(table, "normalised_payoff", "mixed", "worst_case")
    assert worst["mean"] == pytest.approx((-0.2 + 0.2) / 2)
    assert worst["by_seed"].split() == ["-0.2", "0.2"]
    assert cell(table, "normalised_payoff", "mixed", "always_defect")["mean"] == pytest.approx(0.05)
    assert cell(table, "normalised_welfare", "mixed", "itself")["mean"] == 0.9


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
    listed = ["warm_start", "naive", "advantage_alignment", "grim", "new_agent"]
    assert in_order(sorted(listed)) == listed
    assert readable("new_agent") == "New agent"
