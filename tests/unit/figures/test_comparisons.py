"""Figures that compare agents by points with intervals: exploitability, ablations, rivals."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from tests.unit.figures.drawn import chosen, draw
from tests.unit.figures.experiment import (
    ALGORITHMS,
    GAMES,
    LEARNING,
    SCRIPTED,
    SEEDS,
    VARIANTS,
    Tables,
)

from social_dilemmas.agents.agent import learner_name
from social_dilemmas.report.figures import style


def points(axis: Axes) -> list[tuple[float, float, str, bool]]:
    """Points with error bars: x, y, colour, and whether they are filled."""
    found = []
    for container in axis.containers:
        assert isinstance(container, ErrorbarContainer)
        line = container.lines[0]
        assert line is not None
        (x,), (y,) = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
        filled = line.get_markerfacecolor() != "white"
        found.append((float(x), float(y), str(line.get_color()), filled))
    return found


def labels(axis: Axes) -> list[str]:
    return [label.get_text() for label in axis.get_yticklabels()]


def test_exploitability_shows_what_both_sides_get(shown: Tables) -> None:
    table = shown["exploitability"]
    assert set(table["agent"]) == {learner_name(algorithm) for algorithm in LEARNING}
    axis = draw("exploitability", table).axes[0]
    wanted = {
        (mean, style.COLOURS[agent.removesuffix("_learner")], quantity == "payoff")
        for game, agent, quantity, mean in table[["game", "agent", "quantity", "mean"]].to_numpy()
        if game == GAMES[0]
    }
    found = points(axis)
    assert len(found) == 2 * sum(map(len, LEARNING.values()))
    assert {(x, colour, filled) for x, _, colour, filled in found} == wanted
    every = ["Before RL", "Naive RL", "Sum of rewards", "Advantage Alignment", "Random"]
    assert labels(axis) == every
    places = {y for _, y, colour, _ in found if colour == style.COLOURS["naive"]}
    assert sorted(map(round, places)) == [0, 1, 2, 3, 4]
    assert len({y for _, y, _, _ in found}) == 7  # two learners never lie on each other


def test_ablations_are_filled_where_they_matter(shown: Tables) -> None:
    table = shown["ablations"]
    axis = draw("ablations", table).axes[0]
    itself = chosen(table, game=GAMES[0], opponent="itself", quantity="payoff")
    assert list(itself["agent"]) == ["advantage_alignment", *VARIANTS]
    np.testing.assert_allclose([x for x, *_ in points(axis)], itself["mean"])
    assert [y for _, y, _, _ in points(axis)] == [0, 1, 2, 3]
    assert [filled for *_, filled in points(axis)] == [True, True, False, True]
    assert points(axis)[0][2] == style.COLOURS["advantage_alignment"]
    assert labels(axis) == ["Advantage Alignment", "No group baseline", "Critic", "With buffer"]


def test_ablations_show_self_play_greedy_players_and_cooperators(shown: Tables) -> None:
    table = shown["ablations"]
    for game, rows in table.groupby("game"):
        greedy, kind = (
            ("always_defect", "always_cooperate") if game == GAMES[0] else SCRIPTED["split"][:2]
        )
        payoffs = {(name, "payoff") for name in ("itself", greedy, kind)}
        found = set(zip(rows["opponent"], rows["quantity"], strict=True))
        assert found == payoffs | {(kind, "payoff_opponent")}
    # a game without such players has the first panel only
    alone = draw("ablations", table[table["opponent"] == "itself"])
    assert [axis.get_visible() for axis in alone.axes] == 3 * [True, False, False, False]


def test_rivals_are_shown_with_every_run(shown: Tables) -> None:
    table = shown["rivals"]
    assert set(table["agent"]) == {*ALGORITHMS, *VARIANTS}
    axis = draw("rivals", table).axes[0]
    rows = chosen(table, game=GAMES[0]).set_index(["agent", "opponent"])
    means, runs = set(), set()
    for agent in rows.index.unique("agent"):
        sides = [rows.loc[(agent, side)] for side in ("itself", "worst_case")]
        means.add(tuple(side["mean"] for side in sides))
        runs |= {*zip(*(map(float, side["by_seed"].split()) for side in sides), strict=True)}
    drawn = [line for line in axis.lines if line.get_marker() not in ("None", "")]
    found = [np.asarray(line.get_xydata()).tolist() for line in drawn]
    assert {tuple(each) for line in found for each in line if len(line) == 1} == means
    assert {tuple(each) for line in found for each in line if len(line) > 1} == runs
    assert sum(map(len, found)) == (1 + len(SEEDS)) * (len(ALGORITHMS) + len(VARIANTS))
