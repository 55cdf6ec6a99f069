"""Figures of what agents do with each other: cross-play, behaviours, populations, truthfulness, distributions."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from tests.unit.figures.drawn import chosen, draw, module_of, one_game, words
from tests.unit.figures.experiment import ALGORITHMS, GAMES, SCRIPTED, Tables, declared

from social_dilemmas.games import declare
from social_dilemmas.report.figures.curves import MEAN


def test_cells_hold_the_numbers_of_the_table(shown: Tables) -> None:
    """The diagonal is self-play."""
    table = shown["cross_play"]
    itself = table["agent"] == table["opponent"]
    assert set(table.loc[itself, "seed_relation"]) == {"same seed"}
    assert set(table.loc[~itself, "seed_relation"]) == {"all"}
    texts = words(draw("cross_play", table))
    dilemma = table[table["game"] == GAMES[0]]
    assert len(dilemma) == (4 + len(SCRIPTED[GAMES[0]])) ** 2
    for mean, low, high in dilemma[["mean", "low", "high"]].to_numpy().tolist():
        interval = "" if np.isnan(low) else f"\n{low:.2f}–{high:.2f}"
        assert f"{mean:.2f}{interval}" in texts


def test_behaviours_are_those_of_trained_agents_with_everyone(made: Tables, shown: Tables) -> None:
    """Coins by hand are those of self-play."""
    keys = ["game", "agent", "opponent", "seed_relation", "quantity"]
    measured = made["fingerprints"].set_index(keys)["mean"]
    for name in ("fingerprints", "proposals"):
        table = shown[name]
        assert set(table["agent"]) == {*ALGORITHMS, "warm_start"}
        by_hand = table["quantity"].isin(["coins_upper_hand", "coins_lower_hand"])
        own = by_hand & (name == "proposals")
        assert (table["opponent"] == table["agent"].where(own, "everyone")).all()
        assert (table["seed_relation"] == own.map({True: "same seed", False: "all"})).all()
        np.testing.assert_array_equal(
            table.set_index(keys)["mean"], measured[table.set_index(keys).index]
        )
    assert len(shown["proposals"]) == 4 * 5
    assert "truthfulness" not in set(shown["fingerprints"]["quantity"])


def test_games_are_known_by_their_kind(made: Tables) -> None:
    """A game may have any name."""
    declare([*map(declared, GAMES), {**declared("mine"), "kind": "trust_and_split"}])
    renamed = {name: table.replace("trust_and_split", "mine") for name, table in made.items()}
    for name, sources in {
        "proposals": ("fingerprints",),
        "truthfulness": ("learning_curves", "fingerprints"),
    }.items():
        table = module_of(name).table(*(renamed[source] for source in sources))
        assert set(table["game"]) == {"mine"}


def test_any_trained_agents_are_the_corners_of_the_population(made: Tables) -> None:
    """Those that nobody gave a colour, too; the warm start and scripted players come last."""
    table = made["population"].replace("sum_of_rewards", "of_my_own")
    table = table[table["game"] == GAMES[0]]
    names = module_of("population").agents_of(table)
    assert set(names[:3]) == {"naive", "of_my_own", "advantage_alignment"}
    assert set(names[3:]) >= {"warm_start", "always_defect"}


def test_truthfulness_in_training_and_after_it(made: Tables, shown: Tables) -> None:
    table = shown["truthfulness"]
    assert set(table["line"]) >= {MEAN, "seed 42", "cross-play"}
    after = table[table["line"] == "cross-play"].set_index(["algorithm", "opponent"])["value"]
    opponents = {"itself", "everyone", *SCRIPTED["trust_and_split"]}
    assert set(after.index) == {*product([*ALGORITHMS, "warm_start"], opponents)}
    keys = {"quantity": "truthfulness", "seed_relation": "same seed"}
    own = chosen(made["fingerprints"], **keys, agent="advantage_alignment")["mean"]
    assert [after["advantage_alignment", "itself"]] == list(own)


def test_truthfulness_in_two_games_says_which(shown: Tables) -> None:
    """Only in Trust-and-Split is it known how often chance tells the truth."""
    table = shown["truthfulness"]
    axes = draw("truthfulness", pd.concat([table, table.assign(game="deal_or_no_deal")])).axes
    titles = [axis.get_title(loc="left") for axis in axes]
    games = ("Trust-and-Split", "Deal-or-No-Deal")
    assert titles == [
        f"{words}, {game}"
        for game in games
        for words in ("In training", "After training, by opponent")
    ]
    dashed = [[line.get_linestyle() for line in axis.lines].count("--") for axis in axes]
    assert dashed == [1, 1, 0, 0]


def test_distributions_show_every_match_and_the_mean_of_every_seed(shown: Tables) -> None:
    table = one_game(shown["distributions"])
    (axis,) = draw("distributions", table).axes
    points = np.concatenate([np.asarray(each.get_offsets())[:, 0] for each in axis.collections])
    assert sorted(points) == pytest.approx(sorted(table["value"]))
    means = {np.asarray(line.get_xdata())[0] for line in axis.lines} - {0, 1}  # two are references
    assert means == {*table.groupby(["agent", "seed"])["value"].mean()}
