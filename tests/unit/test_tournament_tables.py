"""Ranking and payoffs by opponent on hand-made matches."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from social_dilemmas.agents.axelrod.kinds import EVERY_STRATEGY
from social_dilemmas.report.figures import tournament as figure
from social_dilemmas.statistics.tournament import (
    by_opponent,
    ranking,
    with_opponents_cooperation,
)

T_OF_2 = 12.7062047361747  # Student's t of two observations, from tables
GAME, MODEL = "prisoners_dilemma", "embedded"
DEALS = 2


def rows(
    agent: tuple[str, int], opponent: tuple[str, int], payoffs: tuple[float, float], shares: Any
) -> list[dict[str, Any]]:
    """Both sides of a match of each deal; the second one pays 0.1 more to everybody."""
    found = []
    for deal in range(DEALS):
        for side, (one, other) in enumerate(((agent, opponent), (opponent, agent))):
            row = {"agent": one[0], "agent_seed": one[1], "opponent": other[0]}
            row |= {"opponent_seed": other[1], "match": 2 * deal, "seat": side}
            row |= {"payoff": payoffs[side] + 0.1 * deal, "cooperation": shares[side]}
            row["normalised_payoff"] = (payoffs[side] + 0.1 * deal - 1) / 2
            found.append({**row, "payoff_opponent": payoffs[1 - side] + 0.1 * deal})
    return found


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Any]:
    """Two seeds of `kind` and a `warm_start` among the strategies Nice (N), Mean (M) and Other (O)."""
    nice, mean = ("Nice", -1), ("Mean", -1)
    played = [
        *rows(("kind", 0), nice, (3, 3), (1, 1)),
        *rows(("kind", 0), mean, (0, 5), (1, 0)),
        *rows(("kind", 1), nice, (3, 3), (1, 1)),
        *rows(("kind", 1), mean, (1, 1), (0, 0)),
        *rows(("warm_start", -1), nice, (4, 2), (0.5, 1)),
        *rows(("warm_start", -1), mean, (0.5, 2), (0.5, 0)),
        *rows(("warm_start", -1), ("kind", 0), (5, 0), (0, 1)),
        *rows(("warm_start", -1), ("kind", 1), (1, 1), (0, 0)),
        *rows(("kind", 0), ("kind", 1), (100, 100), (1, 1)),  # its own other seed doesn't count
    ]
    fixed = pd.DataFrame(rows(nice, mean, (0, 5), (1, 0)))
    fixed = with_opponents_cooperation(fixed).drop(columns=["agent_seed", "opponent_seed", "seat"])
    kinds = pd.DataFrame({"strategy": ["Nice", "Mean"], "kind": ["cooperators", "defectors"]})
    names = ("matches.parquet", "strategies.parquet", "kinds.csv")
    paths = {name.partition(".")[0]: tmp_path / name for name in names}
    pd.DataFrame(played).to_parquet(paths["matches"])
    fixed.to_parquet(paths["strategies"])
    kinds.to_csv(paths["kinds"], index=False)
    return {
        "matches": {(GAME, MODEL): paths["matches"]},
        "strategies": {GAME: paths["strategies"]},
        "kinds": {GAME: paths["kinds"]},
    }


def test_ranking(sources: dict[str, Any]) -> None:
    table = ranking(**sources).set_index("agent")
    more = 0.05  # half of what the second deal pays more
    # Each opponent counts the same, whatever the number of its seeds.
    expected = {
        "Mean": ((5 + 1) / 2 + 2 + 5) / 3 + more,
        "warm_start": (4 + 0.5 + (5 + 1) / 2) / 3 + more,
        "Nice": (3 + 2 + 0) / 3 + more,
        "kind": ((3 + 0 + 0) / 3 + (3 + 1 + 1) / 3) / 2 + more,
    }
    assert table["payoff"].to_dict() == pytest.approx(expected)
    order = sorted(expected, key=lambda name: -expected[name])
    assert list(table.index) == order
    assert list(table["rank"]) == [1, 2, 3, 4]
    assert set(table["entrants"]) == {4}
    assert table["kind"].to_dict() == {
        **{"Mean": "defectors", "Nice": "cooperators"},
        **{"kind": "", "warm_start": ""},
    }
    assert table["cooperation"].to_dict() == pytest.approx(
        {"Mean": 0, "Nice": 1, "warm_start": (0.5 + 0.5 + 0) / 3, "kind": (1 + 1 / 3) / 2}
    )
    assert table.loc["kind", "seeds"] == 2
    assert table.loc["kind", "interval_over"] == "seeds and matches"
    assert table.loc["Nice", "interval_over"] == "matches"
    assert (table["payoff_low"] <= table["payoff"]).all()
    assert (table["payoff"] <= table["payoff_high"]).all()
    assert list(table.loc["Nice", ["payoff_low", "payoff_high"]]) == pytest.approx(
        [expected["Nice"] - T_OF_2 * more, expected["Nice"] + T_OF_2 * more]
    )
    # The end of its interval, of two seeds 1/3 from their mean, would be first; others' ends don't count.
    assert [table.loc["kind", end] for end in ("rank_low", "rank_high")] == [1, 4]


def test_without_an_interval_a_rank_has_none(sources: dict[str, Any]) -> None:
    """As where there is one deal and one seed."""
    path = sources["matches"][GAME, MODEL]
    played = pd.read_parquet(path)
    alone = (played["match"] == 0) & (played["agent"] != "kind") & (played["opponent"] != "kind")
    played[alone].to_parquet(path)
    fixed = pd.read_parquet(sources["strategies"][GAME])
    fixed[fixed["match"] == 0].to_parquet(sources["strategies"][GAME])
    table = ranking(**sources)
    assert sorted(table["rank"]) == [1, 2, 3]
    assert table[["rank_low", "rank_high"]].isna().all(axis=None)


def test_by_opponent(sources: dict[str, Any]) -> None:
    table = by_opponent(sources["matches"], sources["kinds"])
    assert set(table["agent"]) == {"kind", "warm_start"}
    assert set(table["opponent"]) == {"Nice", "Mean", "cooperators", "defectors", EVERY_STRATEGY}
    means = table.set_index(["agent", "opponent", "quantity"])["mean"]
    assert means["kind", "Mean", "payoff"] == pytest.approx(0.55)
    assert means["kind", "Mean", "normalised_payoff"] == pytest.approx((0.55 - 1) / 2)
    assert means["kind", "Mean", "payoff_opponent"] == pytest.approx(3.05)
    assert means["kind", "Mean", "cooperation"] == pytest.approx(0.5)
    assert means["kind", "Mean", "cooperation_opponent"] == 0
    assert means["kind", "cooperators", "cooperation_opponent"] == 1
    assert means["kind", EVERY_STRATEGY, "payoff"] == pytest.approx((3 + 0.5) / 2 + 0.05)
    assert means["warm_start", "defectors", "payoff_opponent"] == pytest.approx(2.05)
    seeds = table.set_index(["agent", "opponent", "quantity"])["seeds"]
    assert seeds["kind", "Nice", "payoff"] == 2
    assert seeds["warm_start", "Nice", "payoff"] == 0
    assert not table.duplicated(["agent", "opponent", "quantity"]).any()


def test_figure(sources: dict[str, Any]) -> None:
    """It shows all entrants with their ranks, trained agents in their colours."""
    shown = figure.table(ranking(**sources), by_opponent(sources["matches"], sources["kinds"]))
    ranks = shown[shown["panel"] == figure.RANKING].set_index("agent")["rank"].to_dict()
    assert ranks == {"Mean": 1, "warm_start": 2, "Nice": 3, "kind": 4}
    kinds = set(shown.loc[shown["panel"] == figure.BY_KIND, "opponent"])
    assert kinds == {"cooperators", "defectors", EVERY_STRATEGY}
    drawn = figure.draw(shown)
    words = {text.get_text() for axis in drawn.axes for text in axis.texts}
    assert words == {"Before RL (2)", "Kind (4)"}
    assert len(drawn.axes) == 1 + len(figure.QUANTITIES)


def test_a_figure_without_intervals(sources: dict[str, Any]) -> None:
    """As where there is one seed: all means are seen."""
    shown = figure.table(ranking(**sources), by_opponent(sources["matches"], sources["kinds"]))
    ranks, *panels = figure.draw(shown.assign(low=float("nan"), high=float("nan"))).axes
    means = shown.groupby(["panel", "quantity"])["mean"].max()
    assert ranks.get_ylim()[1] > means[figure.RANKING, "payoff"]
    for axis, quantity in zip(panels, figure.QUANTITIES, strict=True):
        assert axis.get_xlim()[1] >= means[figure.BY_KIND, quantity]
