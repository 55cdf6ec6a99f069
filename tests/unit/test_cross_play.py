"""Cross-play: every pair in both seats, with the payoffs that the matches really had."""

import math
from collections import Counter
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.unit.mixed_adapters import foreign_model, saved_adapter
from tests.unit.playing import points_of

from social_dilemmas.agents.agent import WARM_START, Agent, Kind
from social_dilemmas.agents.scripted.player import scripted_player_names
from social_dilemmas.config.schema.evaluation import Evaluation
from social_dilemmas.errors import UserError
from social_dilemmas.evaluation.cross_play import Pair, play_pairs
from social_dilemmas.games import build_game, game_names
from social_dilemmas.randomness import derive_seed

OPPONENTS = {name: [scripted_player_names(name)[0], "random"] for name in game_names()}
OPPONENTS["trust_and_split"][0] = "greedy_lying"
FIXED = [
    *("game", "agent", "agent_seed", "opponent", "opponent_seed", "match", "seat", "payoff"),
    *("payoff_opponent", "welfare_share", "normalised_welfare", "normalised_payoff"),
    "normalised_payoff_opponent",
]
ROUNDS = 3


def scripted(*names: str) -> list[Agent]:
    return [Agent(name, Kind.SCRIPTED) for name in names]


def all_pairs(agents: list[Agent]) -> list[Pair]:
    return list(combinations_with_replacement(agents, 2))


def run(
    base: Path, output: Path, pairs: list[Pair], name: str = "prisoners_dilemma", **changes: Any
) -> pd.DataFrame:
    small = {"opponents": [], "matches": 4, "batch": 7, "max_new_tokens": 6}
    play_pairs(
        model=base,
        pairs=pairs,
        game={"name": name, "rounds": ROUNDS},
        settings=Evaluation(**{**small, **changes}),
        output=output / "matches.parquet",
    )
    return pd.read_parquet(output / "matches.parquet")


def of(table: pd.DataFrame, agent: Agent, opponent: Agent) -> pd.DataFrame:
    """Rows of an agent against an opponent."""
    rows = table
    for column, each in (("agent", agent), ("opponent", opponent)):
        rows = rows[(rows[column] == each.name) & (rows[f"{column}_seed"] == each.seed)]
    return rows.reset_index(drop=True)


@pytest.fixture(scope="module")
def trained(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Agent]:
    """Agents with adapters of zeros and of large weights."""
    folder = tmp_path_factory.mktemp("adapters")
    return [
        Agent(name, seed=seed, adapter=str(saved_adapter(base_model, folder / str(scale), scale)))
        for name, seed, scale in (("naive", 0, 0.0), ("naive", 42, 1.0))
    ]


@pytest.fixture(scope="module")
def agents(trained: list[Agent]) -> list[Agent]:
    return [Agent(WARM_START), *trained]


@pytest.mark.parametrize("name", game_names())
def test_every_pair_meets_in_both_seats(
    base_model: Path, tmp_path: Path, agents: list[Agent], name: str
) -> None:
    pairs = all_pairs([*agents, *scripted(*OPPONENTS[name])])
    table = run(base_model, tmp_path, pairs, name, matches=2)
    assert len(table) == len(pairs) * 2 * 2
    places = ["agent", "agent_seed", "opponent", "opponent_seed", "match", "seat"]
    found = Counter(table[places].itertuples(index=False, name=None))
    for pair in pairs:
        first, second = ((agent.name, agent.seed) for agent in pair)
        for match in range(2):
            assert found[*first, *second, match, match] == 1
            assert found[*second, *first, match, 1 - match] == 1
    assert max(found.values()) == 1
    behaviours = build_game(name, 1).behaviours
    columns = [column for one in behaviours for column in (one, f"{one}_count")]
    assert [*table.columns] == [*FIXED, *columns]
    assert {*table["game"]} == {name}
    assert table[FIXED].notna().all(axis=None)
    for one in behaviours:
        assert ((table[f"{one}_count"] == 0) == table[one].isna()).all()
    # Both rows of a match hold the same payoffs.
    turned = table.assign(seat=1 - table["seat"])[
        [*places[2:4], *places[:2], *places[4:], "payoff_opponent", "payoff"]
    ]
    both = table[[*places, "payoff", "payoff_opponent"]].to_numpy().tolist()
    assert sorted(both) == sorted(turned.to_numpy().tolist())


@pytest.mark.parametrize("name", game_names())
def test_scripted_players_get_what_they_get_in_plain_play(
    base_model: Path, tmp_path: Path, name: str
) -> None:
    first, second = scripted(*OPPONENTS[name])
    found = of(run(base_model, tmp_path, [(first, second)], name, matches=6), first, second)
    assert len(found) == 6
    game = build_game(name, ROUNDS)
    for row in found.to_dict("records"):
        match = game.start(derive_seed("cross-play match", row["match"] // 2))
        names = (first.name, second.name)
        points = points_of(match, *(names if row["seat"] == 0 else names[::-1]))
        assert row["payoff"] == pytest.approx(points[row["seat"]] / ROUNDS)
        assert row["payoff_opponent"] == pytest.approx(points[1 - row["seat"]] / ROUNDS)
        assert row["welfare_share"] == pytest.approx(sum(points) / game.welfare_optimum(match))
        securities = [game.security(match, seat) for seat in (0, 1)]
        room = game.welfare_optimum(match) - sum(securities)
        normalised = [2 * (points[seat] - securities[seat]) / room for seat in (0, 1)]
        assert row["normalised_payoff"] == pytest.approx(normalised[row["seat"]])
        assert row["normalised_payoff_opponent"] == pytest.approx(normalised[1 - row["seat"]])
        assert row["normalised_welfare"] == pytest.approx((sum(points) - sum(securities)) / room)
        observed: dict[str, list[float]] = {one: [] for one in game.behaviours}
        for one, value in game.observe(match, row["seat"]):
            observed[one].append(value)
        for one, values in observed.items():
            assert row[f"{one}_count"] == len(values)
            mean = sum(values) / len(values) if values else math.nan
            assert row[one] == pytest.approx(mean, nan_ok=True)


def test_a_match_and_its_swap_share_their_chance_events(base_model: Path, tmp_path: Path) -> None:
    """Greedy players of Trust-and-Split get what their hands are worth, seat by seat."""
    pairs = all_pairs(scripted("greedy"))
    table = run(base_model, tmp_path, pairs, "trust_and_split", matches=8)
    payoffs = {(row["match"], row["seat"]): row["payoff"] for row in table.to_dict("records")}
    for match in range(0, 8, 2):
        assert all(payoffs[match, seat] == payoffs[match + 1, seat] for seat in (0, 1))
    assert len({payoffs[match, 0] for match in range(0, 8, 2)}) > 1


def test_adapters_don_t_mix(base_model: Path, tmp_path: Path, agents: list[Agent]) -> None:
    """Near temperature zero an agent plays the same, whoever else takes part, and one of zeros like the base."""
    (greedy,) = scripted("greedy")
    cold: dict[str, Any] = {"name": "split", "temperature": 1e-4}
    together = run(base_model, tmp_path, all_pairs([*agents, greedy]), **cold)
    found = []
    for agent in agents:
        alone = of(run(base_model, tmp_path, [(agent, greedy)], **cold), agent, greedy)
        assert len(alone) == 4
        pd.testing.assert_frame_equal(alone, of(together, agent, greedy))
        found.append(alone.drop(columns=["agent", "agent_seed"]))
    warm_start, zero, large = found
    assert zero.equals(warm_start)
    assert not large.equals(warm_start)


@pytest.mark.parametrize("name", ["prisoners_dilemma", "trust_and_split"])
def test_the_same_pairs_give_the_same_table_merged_or_not(
    base_model: Path, tmp_path: Path, agents: list[Agent], name: str
) -> None:
    pairs = all_pairs([*agents, *scripted(OPPONENTS[name][0])])
    merged, again, apart = (
        run(base_model, tmp_path, pairs, name, matches=2, merge_adapter=merge)
        for merge in (True, True, False)
    )
    pd.testing.assert_frame_equal(merged, again)
    pd.testing.assert_frame_equal(merged, apart)


def test_a_foreign_adapter_is_refused(
    base_model: Path, tmp_path: Path, trained: list[Agent]
) -> None:
    with pytest.raises(UserError, match="trained for another base model"):
        run(foreign_model(base_model, tmp_path / "other"), tmp_path, all_pairs(trained))
    assert not (tmp_path / "matches.parquet").exists()


def test_an_unknown_opponent_is_refused(base_model: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown player 'nobody'"):
        run(base_model, tmp_path, all_pairs(scripted("nobody")))
