"""Learning curves: means, ranges and seeds, references, learners against others."""

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.lines import Line2D
from tests.unit.figures.drawn import chosen, draw, module_of, thick, titles, words
from tests.unit.figures.experiment import ALGORITHMS, BEST, GAMES, MODEL, PAIRS, Tables

from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.curves import MEAN, REFERENCE, summarise
from social_dilemmas.report.names import game_title


def test_the_mean_and_the_range_are_those_of_the_seeds() -> None:
    rows = [("m", "split", "naive", s, 3, "payoff", v) for s, v in [(0, 1.0), (1, 2.0), (2, 6.0)]]
    rows.append(("m", "split", "naive", 0, 4, "payoff", np.nan))
    columns = ["model", "game", "algorithm", "seed", "iteration", "quantity", "value"]
    found = summarise(pd.DataFrame(rows, columns=columns), "payoff").set_index("line")["value"]
    seeds = {"seed 0": 1, "seed 1": 2, "seed 2": 6}
    assert found.to_dict() == seeds | {MEAN: 3, "lowest seed": 1, "highest seed": 6}


@pytest.mark.parametrize("values", [{}, {(0, 0): 2.0, (1, 1): 3.0}])
def test_learning_curves_of_little_that_was_observed(values: dict[tuple[int, int], float]) -> None:
    """As where agents hardly ever meet themselves: runs without a common iteration have no mean."""
    rows = [
        ("m", "split", "naive", seed, iteration, "payoff", values.get((seed, iteration), np.nan))
        for seed, iteration in product(range(2), range(2))
    ]
    columns = ["model", "game", "algorithm", "seed", "iteration", "quantity", "value"]
    curves = module_of("learning_curves").table(pd.DataFrame(rows, columns=columns))
    assert {*curves["line"]} == {REFERENCE, *(f"seed {seed}" for seed, _ in values)}
    figure = draw("learning_curves", curves)
    assert titles(figure) == [game_title("split")]
    drawn = [line for line in figure.axes[0].lines if np.size(line.get_xdata())]
    assert len(drawn) == 2 + len(values)  # with both references


def test_learning_curves_are_drawn_through_the_numbers_of_the_table(shown: Tables) -> None:
    table = shown["learning_curves"]
    figure = draw("learning_curves", table)
    wanted = chosen(table, game=GAMES[0], algorithm="naive", line=MEAN)
    (line,) = thick(figure.axes[0], "naive")
    np.testing.assert_array_equal(line.get_ydata(), wanted["value"])
    np.testing.assert_array_equal(line.get_xdata(), wanted["iteration"])
    texts = words(figure)
    assert texts.count("both greedy") == texts.count("welfare-optimal") == len(GAMES)
    assert "Payoff per round (points)" in texts
    assert {"Naive RL", "Sum of rewards", "Advantage Alignment"} <= set(texts)


def test_reference_payoffs_are_those_of_the_rules(shown: Tables) -> None:
    lines = chosen(shown["learning_curves"], line=REFERENCE)
    found = lines.pivot(index="game", columns="algorithm", values="value")
    assert found["both greedy"].to_list() == pytest.approx([1, 82.5, 27.5], rel=0.02)
    assert found["welfare-optimal"].to_list() == pytest.approx(list(BEST.values()), rel=0.02)


def test_naive_learning_curves_are_those_of_naive_play_by_model(shown: Tables) -> None:
    """One panel for each game; with several models there is a colour for each."""
    table, every = shown["naive_learning_curves"], shown["learning_curves"]
    is_reference = table["line"] == REFERENCE
    curves, naive = table[~is_reference], chosen(every, algorithm="naive")["value"]
    np.testing.assert_array_equal(np.sort(curves["value"]), np.sort(naive))
    assert set(curves["model"]) == {MODEL}
    assert set(table.loc[is_reference, "model"]) == {"both greedy", "welfare-optimal"}
    assert is_reference.sum() == 2 * len(GAMES)
    assert "Naive RL" in words(draw("naive_learning_curves", table))
    another = curves.assign(model="another", value=curves["value"] + 1)
    figure = draw("naive_learning_curves", pd.concat([table, another], ignore_index=True))
    assert {"Embedded", "Another"} <= set(words(figure))
    for part in (curves, another):
        (line,) = thick(figure.axes[0], part["model"].iloc[0], ("another", MODEL))
        wanted = chosen(part, game=GAMES[0], line=MEAN)
        np.testing.assert_array_equal(line.get_ydata(), wanted["value"])


def test_both_learners_of_a_pair_are_drawn_through_the_numbers_of_the_table(shown: Tables) -> None:
    """In the colour of their algorithm, the second one dashed."""
    table = shown["two_learners"]
    figure = draw("two_learners", table)
    for axis, (first, second) in zip(figure.axes, PAIRS, strict=False):
        means = thick(axis, first) + thick(axis, second)
        lines: dict[Any, Line2D] = {line.get_linestyle(): line for line in means}
        rows = chosen(table, game=GAMES[0], pair=f"{first}-vs-{second}", line=MEAN)
        for learner, style_of_line in (("first", "-"), ("second", "--")):
            wanted = chosen(rows, learner=learner)
            np.testing.assert_array_equal(lines[style_of_line].get_ydata(), wanted["value"])
        assert lines["--"].get_color() == style.COLOURS[second]
    assert titles(figure)[:2] == ["Naive RL and\nNaive RL", "Advantage Alignment and\nNaive RL"]
    assert words(figure).count("both greedy") == len(GAMES) * len(PAIRS)


def test_invalid_replies_are_counted_by_round(shown: Tables) -> None:
    table = shown["invalid_replies"]
    assert set(table["algorithm"]) == {*ALGORITHMS}
    assert table.loc[(table["iteration"] == 0) & (table["line"] == MEAN), "value"].min() > 0.2
    figure = draw("invalid_replies", table)
    assert "Invalid replies a round" in words(figure)
    assert all(axis.get_ylim()[1] >= table["value"].max() for axis in figure.axes)
    none = draw("invalid_replies", table.assign(value=0.0))  # as with masks: no reply is invalid
    assert none.axes[0].get_ylim()[1] == pytest.approx(0.1)


def test_learning_against_fixed_shows_both_sides(shown: Tables) -> None:
    table = shown["learning_against_fixed"]
    rows = chosen(
        table, game="trust_and_split", opponent="warm_start", algorithm="naive", line=MEAN
    )
    naive = rows.pivot(index="iteration", columns="side", values="value")
    np.testing.assert_allclose(naive["opponent"], 0.8 * naive["learner"])
    figure = draw("learning_against_fixed", table)
    every = ["Before RL", "Naive RL", "Sum of rewards", "Advantage Alignment", "Random"]
    assert titles(figure) == [*every, *every[:2], *every]
    solid, dashed = thick([axis for axis in figure.axes if axis.get_visible()][-5], "naive")
    np.testing.assert_array_equal(solid.get_ydata(), naive["learner"])
    np.testing.assert_array_equal(dashed.get_ydata(), naive["opponent"])
    assert (solid.is_dashed(), dashed.is_dashed()) == (False, True)


def test_learning_against_one_opponent_alone(shown: Tables) -> None:
    alone, every = shown["learning_against_alignment"], shown["learning_against_fixed"]
    wanted = every[every["opponent"] == "advantage_alignment"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, wanted)
    found = titles(draw("learning_against_alignment", alone))
    assert found == [game_title(game) for game in ("prisoners_dilemma", "trust_and_split")]
