"""Printed tables: the numbers of the tidy ones, in words, as pages and in LaTeX."""

import math
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from social_dilemmas.report.latex import escape, latex_table
from social_dilemmas.report.numbers import number, with_interval
from social_dilemmas.report.pages.page import write_page
from social_dilemmas.report.printed import INTERVAL, printed
from social_dilemmas.statistics import tables
from social_dilemmas.statistics.claims import COLUMNS

SPECIAL = r"50% of $x_1 & {a}^2 ~ #1 \input{secret} <2 ≥ 1"


def tidy(**columns: object) -> pd.DataFrame:
    """One row of a tidy table of cross-play or fingerprints."""
    row = {"model": "embedded", "game": "prisoners_dilemma", "agent": "naive"}
    row |= {"opponent": "always_defect", "seed_relation": "all", "quantity": "payoff"}
    return pd.DataFrame([{**row, "mean": 1.0, "low": 0.9, "high": 1.1, **columns}])


def measured(**columns: object) -> pd.DataFrame:
    """One row of a table of measurements that have no interval."""
    return pd.DataFrame([{"model": "embedded", "game": "prisoners_dilemma", **columns}])


def test_special_characters_stand_for_themselves() -> None:
    escaped = escape(SPECIAL)
    plain = re.sub(
        r"\\textbackslash\{\}|\\text\w+\{\}|\\ensuremath\{.*?\}|\\[&%$#_{}]", "", escaped
    )
    assert not re.search(r"[\\&%$#_{}^~<>]", plain)
    assert escape("Split: 95 %") == r"Split: 95 \%"
    assert escape("\\") == r"\textbackslash{}"  # not escaped a second time


def test_structure_of_a_latex_table() -> None:
    frame = pd.DataFrame(
        {"Agent": ["a_b", "c"], "Points": ["1.03 [1.00, 1.06]", "–"], "Bound": ["≤ 1.15", "x & y"]}
    )
    text = latex_table(frame, caption="50 % of it", label="half")
    assert text.count(r"\begin{") == text.count(r"\end{") == 2
    for command in (r"\toprule", r"\midrule", r"\bottomrule", r"\label{tab:half}"):
        assert text.count(command) == 1
    assert r"\caption{50 \% of it}" in text
    assert r"\begin{tabular}{lrl}" in text
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert body == [
        r"a\_b & 1.03 [1.00, 1.06] & \ensuremath{\le} 1.15 \\",
        r"c & -- & x \& y \\",
    ]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.12345, "0.123"),
        (1.23456, "1.23"),
        (12.345, "12.3"),
        (72.0, "72.0"),
        (-3.5, "−3.50"),
        (-1e-9, "0.000"),
        (12, "12"),
    ],
)
def test_few_digits(value: float, words: str) -> None:
    assert number(value) == words


def test_what_is_missing_is_a_dash() -> None:
    assert number(math.nan) == "–"
    assert with_interval(math.nan, 0.0, 1.0) == "–"
    assert with_interval(1.0, math.nan, 1.0) == "1.00"
    assert with_interval(1.0, 0.0, 2.0) == "1.00 [0.000, 2.00]"


def claim(**changes: object) -> dict[str, object]:
    """One row of the table of claims."""
    row: dict[str, object] = {"model": "embedded", "claim": "C1", "says": "Greedy play"}
    row |= {"game": "split", "agent": "naive", "opponent": "itself", "role": "itself"}
    row |= {"condition": math.nan, "quantity": "normalised welfare", "compared_to": math.nan}
    row |= {"value": 0.058, "low": 0.04, "high": 0.07, "bound": "<= 0.1", "share_of_seeds": 0.9}
    row |= {"seeds": 10, "seeds_holding": 9, "kind": "", "holds": True, "interval_holds": True}
    return {**row, **changes}


def test_claims() -> None:
    rows = [
        claim(),
        claim(
            claim="C3",
            kind="aim",
            share_of_seeds=math.nan,
            opponent="greedy_lying",
            role="worst_scripted",
        ),
        claim(claim="C3", holds=False, compared_to="share of sum_of_rewards", opponent="greedy"),
        claim(claim="C3", value=math.nan, seeds=0, holds=False),
        claim(claim="C3", value=math.nan, opponent="random", holds=False),  # a share of nothing
        claim(claim="C6", condition="shuffled", seeds=0, bound=">= 1"),
    ]
    first, second, third = printed("claims", pd.DataFrame(rows, columns=COLUMNS))
    assert first.title == "C1: Greedy play (1 of 1 bounds hold)"
    assert (
        second.title == "C3: Greedy play (0 of 2 bounds hold, 1 not measured)"
    )  # nor is an aim counted
    assert list(first.frame.iloc[0]) == [
        *("Split", "Naive RL", "a copy of itself", "normalised welfare"),
        *("0.058 [0.040, 0.070]", "≤ 0.1 in\N{NO-BREAK SPACE}90%", "9 of 10", "yes"),
    ]
    assert list(second.frame["With"]) == [
        "greedy, lying (worst scripted)",
        "greedy",
        "random",
    ]
    assert second.frame["Bound"].iloc[0] == "≤ 0.1 (aim)"
    assert second.frame["Measured"].iloc[1] == (
        "normalised welfare, as a share of that of Sum of rewards"
    )
    assert list(third.frame[["With", "In seeds"]].iloc[0]) == [
        *("a copy of itself, messages: shuffled", "")
    ]
    assert third.frame["Bound"].iloc[0].startswith("≥ 1")


def test_results_with_settings_that_differ_by_algorithm_are_marked() -> None:
    table = tables.with_settings(pd.concat([tidy(), tidy(game="split")]), ["split"])
    for part in printed("cross_play", table):
        assert part.title.endswith(" Settings of training differ by algorithm in Split.")
    assert list(tables.with_settings(tidy(), [])) == list(tidy())


def test_learning_curves_end_with_their_last_tenth() -> None:
    columns = ["model", "game", "algorithm", "seed", "iteration", "quantity", "value"]
    rows = [
        ("embedded", "split", "naive", seed, iteration, "payoff", (1 + seed) * (iteration >= 18))
        for seed in (0, 1)
        for iteration in range(20)
    ]
    (only,) = printed("learning_curves", pd.DataFrame(rows, columns=columns))
    assert only.frame.to_numpy().tolist() == [["Split", "Naive RL", "1.50 [1.00, 2.00]"]]


def test_distributions_are_shares_of_matches() -> None:
    welfare = {0: [0.1, 0.25, 0.75, 1.0], 1: [0.74, 0.8, 0.9, 1.0]}
    rows = [
        ("embedded", "split", "naive", seed, match, "normalised_welfare", value)
        for seed, values in welfare.items()
        for match, value in enumerate(values)
    ]
    columns = ["model", "game", "agent", "seed", "match", "quantity", "value"]
    (only,) = printed("distributions", pd.DataFrame(rows, columns=columns))
    assert only.frame.to_dict("records") == [
        {
            **{"Game": "Split", "Agent": "Naive RL", "Below 0.25": "0.125 [0.000, 0.250]"},
            **{"Between": "0.250 [0.250, 0.250]", "From 0.75 on": "0.625 [0.500, 0.750]"},
        }
    ]


def test_both_learners_of_a_pair_have_a_row() -> None:
    columns = ["learner", "algorithm", "seed", "value"]
    rows = [("first", "naive", 0, 1.0), ("first", "naive", 1, 3.0), ("second", "naive", 0, 5.0)]
    table = pd.DataFrame(rows, columns=columns).assign(
        model="embedded", game="split", pair="naive-vs-naive", iteration=0, quantity="payoff"
    )
    (only,) = printed("two_learners", table)
    who = {"Game": "Split", "Pair": "Naive RL and Naive RL", "Algorithm": "Naive RL"}
    assert only.frame.to_dict("records") == [
        {**who, "Learner": "First", "Points a round": "2.00 [1.00, 3.00]"},
        {**who, "Learner": "Second", "Points a round": "5.00 [5.00, 5.00]"},
    ]


CHANGE = {"change_low": -2.0, "change_high": -1.0, "matters": True}
NO_CHANGE = {"change": math.nan, "change_low": math.nan, "change_high": math.nan}
CONTROL, COMPARED = {"compared_with": "naive"}, {"Compared with": "Naive RL"}
PAYOFF = {"Game": "Iterated prisoner's dilemma", "Variant": "Naive RL", "With": "Always-defect"}
PAYOFF[f"Points a round{INTERVAL}"] = "1.00 [0.900, 1.10]"
ARISES = {"quantity": "cooperation_after_CC"}
LEARNER = {"agent": "naive_learner"}
NOISE = {"condition": "none", "seed": "all"}
DEFECTOR = {"opponent": "defector", "quantity": "normalised_payoff"}
LETTER_B = {"cooperates": "B", "listed_first": "A"}
TABLES: dict[str, tuple[Any, ...]] = {
    "tournament_by_opponent": (  # row by row
        tidy(learner="sum_of_rewards", rank=3, rank_low=1, rank_high=4, wins=True),
        {
            "Game": "Iterated prisoner's dilemma",
            "Agent": "Naive RL",
            "Opponent": "Always-defect",
            "Seed relation": "all",
            "Quantity": "points a round",
            "Mean [95 % interval]": "1.00 [0.900, 1.10]",
            "Learner": "Sum of rewards",
            "Rank [95 % interval]": "3 [1, 4]",
            "Wins": "yes",
        },
    ),
    "cross_play": (  # opponents down, agents that aren't scripted across
        pd.concat(
            [
                tidy(),
                tidy(opponent="naive", seed_relation="same seed", mean=2.0),
                tidy(opponent="naive", seed_relation="all", mean=7.0),  # not with itself
                tidy(
                    agent="always_defect", opponent="naive", mean=8.0
                ),  # a scripted player's payoff
                tidy(quantity="welfare_share", mean=9.0),
            ]
        ),
        {"Opponent": "Naive RL", "Naive RL": "2.00 [0.900, 1.10]"},
        {"Opponent": "Always-defect", "Naive RL": "1.00 [0.900, 1.10]"},
    ),
    "fingerprints": (  # those with everyone, without what never arises
        pd.concat(
            [
                tidy(quantity="cooperation_after_DD", opponent="everyone", mean=math.nan),
                tidy(agent="warm_start", opponent="everyone", **ARISES, mean=math.nan),
                tidy(opponent="everyone", **ARISES, mean=0.5),
                tidy(**ARISES, mean=0.1),
            ]
        ),
        {
            "What it does": "cooperates after both cooperated",
            "Before RL": "–",
            "Naive RL": "0.500 [0.900, 1.10]",
        },
    ),
    "ablations": (
        pd.concat(
            [
                tidy(**NO_CHANGE, matters=False, compared_with=math.nan),
                tidy(agent="critic", opponent="itself", change=-1.5, **CHANGE, **CONTROL),
                tidy(
                    **{"agent": "critic", "change": 0.5, "change_low": -1.0, "change_high": 2.0},
                    **{"matters": False, **CONTROL},
                ),
            ]
        ),
        {**PAYOFF, f"Change{INTERVAL}": "–", "Compared with": "–", "Matters": ""},
        {
            **{**PAYOFF, "Variant": "Critic", "With": "Itself", **COMPARED},
            **{f"Change{INTERVAL}": "−1.50 [−2.00, −1.00]", "Matters": "it does"},
        },
        {
            **{**PAYOFF, "Variant": "Critic", **COMPARED},
            **{f"Change{INTERVAL}": "0.500 [−1.00, 2.00]", "Matters": "can't be told"},
        },
    ),
    "noise": (  # agents in their order; in self-play one side is enough
        pd.concat(
            [
                tidy(agent="grim", opponent="itself", **NOISE),
                tidy(opponent="itself", **NOISE, mean=2.0),
                tidy(opponent="itself", **{**NOISE, "condition": "one_slip"}, mean=3.0),
                tidy(opponent="itself", **NOISE, quantity="payoff_opponent"),
                tidy(opponent="itself", **NOISE, quantity="payoff_round_1"),
                tidy(opponent="itself", **{**NOISE, "seed": "0"}),
            ]
        ),
        {
            **{"Agent": "Naive RL", "What it gets or does": "points a round"},
            **{"None": "2.00 [0.900, 1.10]", "One slip": "3.00 [0.900, 1.10]"},
        },
        {
            **{"Agent": "Grim", "What it gets or does": "points a round"},
            **{"None": "1.00 [0.900, 1.10]", "One slip": "–"},
        },
    ),
    "generalisation": (
        pd.concat(
            [
                tidy(variation="chicken", opponent="itself", quantity="cooperation", seeds=3),
                tidy(variation="chicken", quantity="cooperation", opponent="cooperator", seeds=3),
                tidy(variation="chicken", quantity="cooperation", opponent="defector", seeds=3),
                tidy(variation="chicken", **DEFECTOR, mean=-0.5, seeds=3),
            ]
        ),
        {
            **{"Variation": "Chicken", "Agent": "Naive RL", "Seeds": "3"},
            "Cooperates with itself": "1.00 [0.900, 1.10]",
            "With a cooperator": "1.00 [0.900, 1.10]",
            "Payoff against a defector, normalised": "−0.500 [0.900, 1.10]",
        },
    ),
    "perplexity": (
        pd.concat(
            [
                measured(agent="warm_start", seed=-1, perplexity=20.0, ratio=1.0),
                measured(agent="naive", seed=0, perplexity=21.0, ratio=1.05),
                measured(agent="naive", seed=1, perplexity=23.0, ratio=1.15),
            ]
        ),
        {
            **{"Game": "Iterated prisoner's dilemma", "Agent": "Before RL"},
            **{"Perplexity": "20.0 [20.0, 20.0]"},
            **{"Times that before training": "1.00 [1.00, 1.00]"},
        },
        {
            **{"Game": "Iterated prisoner's dilemma", "Agent": "Naive RL"},
            **{"Perplexity": "22.0 [21.0, 23.0]"},
            **{"Times that before training": "1.10 [1.05, 1.15]"},
        },
    ),
    "prior_audit": (
        pd.concat(
            [
                measured(**LETTER_B, situation="start", probability=0.2),
                measured(**LETTER_B, situation="CD", probability=0.68),
            ]
        ),
        {
            **{"Game": "Iterated prisoner's dilemma", "Cooperates": "B", "Listed first": "A"},
            **{"At the start": "0.200", "After CD": "0.680"},
        },
    ),
    "exploitability": (
        pd.concat(
            [tidy(**LEARNER, quantity=name) for name in ("payoff_gap", "payoff_opponent")]
            + [tidy(**LEARNER, mean=3.0)]
        ),
        {
            "Game": "Iterated prisoner's dilemma",
            "Opponent": "Always-defect",
            "Agent": "Naive RL learner",
            "Learner's points a round": "3.00 [0.900, 1.10]",
            "Opponent's points a round": "1.00 [0.900, 1.10]",
            "Difference": "1.00 [0.900, 1.10]",
        },
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_cells(name: str) -> None:
    table, *expected = TABLES[name]
    (only,) = printed(name, table)
    assert only.frame.to_dict("records") == expected


def test_the_tournament_lists_trained_agents_first() -> None:
    rows = [tidy(rank=1, kind="grim_like", agent="Grudger"), tidy(rank=2, kind=None)]
    trained, everyone = printed("tournament", pd.concat(rows).drop(columns="opponent"))
    assert list(trained.frame["Agent"]) == ["Naive RL"]
    assert list(everyone.frame["Rank"]) == ["1", "2"]


def test_several_models_have_a_table_each() -> None:
    parts = printed("cross_play", pd.concat([tidy(), tidy(model="other")]))
    assert [part.label for part in parts] == [
        *("prisoners_dilemma-embedded", "prisoners_dilemma-other")
    ]
    assert parts[1].title.endswith("(other)")


def test_text_of_a_table_stays_text_on_its_page(tmp_path: Path) -> None:
    parts = printed("tournament_by_opponent", tidy(strategy="<b>Bold</b>"))
    write_page("table.html.jinja", tmp_path / "page.html", title="Table", tables=parts)
    page = (tmp_path / "page.html").read_text()
    assert "<b>" not in page.lower()
    assert "&lt;b&gt;bold&lt;/b&gt;" in page.lower()
