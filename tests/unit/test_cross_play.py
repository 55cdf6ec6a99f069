"""Cross-play: every pair in both seats, with the payoffs that the matches really had."""

import math
from collections import Counter
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from peft import PeftModel

from social_dilemmas.agents.play import play
from social_dilemmas.agents.scripted.player import scripted_player, scripted_player_names
from social_dilemmas.errors import UserError
from social_dilemmas.evaluation.cross_play import (
    UNSEEDED,
    Agent,
    all_pairs,
    own_pairs,
    play_pairs,
    scripted_agents,
)
from social_dilemmas.evaluation.exploitability import learner_pairs
from social_dilemmas.games import build_game, game_names
from social_dilemmas.policy.adapters import (
    LEARNER,
    adapter_weights,
    attach_learner,
    put_adapter,
    save_adapter,
)
from social_dilemmas.policy.model import load_model
from social_dilemmas.randomness import derive_seed

SETTINGS: dict[str, Any] = {
    "opponents": ["always_a", "always_b"],
    "matches": 4,
    "batch": 7,
    "fold_adapter": True,
    "temperature": 1.0,
    "max_new_tokens": 6,
}
OPPONENTS = {name: [scripted_player_names(name)[0], "random"] for name in game_names()}
OPPONENTS["trust_and_split"][0] = "greedy_lying"
FIXED = [
    *("game", "agent", "agent_seed", "opponent", "opponent_seed", "match", "seat", "payoff"),
    *("payoff_opponent", "welfare_share"),
]
ROUNDS = 3
Identity = tuple[str, int]


def run(
    base: Path,
    output: Path,
    adapters: list[tuple[str, int, Path]],
    name: str = "prisoners_dilemma",
    **changes: Any,
) -> pd.DataFrame:
    settings = {**SETTINGS, **changes}
    agents = [
        Agent("warm_start"),
        *(Agent(*adapter) for adapter in adapters),
        *scripted_agents(build_game(name, ROUNDS), settings["opponents"]),
    ]
    return played(base, output, all_pairs(agents), settings, name)


def played(
    base: Path,
    output: Path,
    pairs: list[tuple[Agent, Agent]],
    settings: dict[str, Any],
    name: str = "prisoners_dilemma",
) -> pd.DataFrame:
    play_pairs(
        model=base,
        pairs=pairs,
        game={"name": name, "rounds": ROUNDS, "rules": {}},
        settings=settings,
        output=output / "matches.parquet",
    )
    return pd.read_parquet(output / "matches.parquet")


def saved(base: Path, output: Path, scale: float) -> Path:
    """An adapter of random weights of this size."""
    model = attach_learner(load_model(base, "cpu"), rank=2, alpha=8, seed=0)
    generator = torch.Generator().manual_seed(0)
    weights = {
        key: scale * torch.randn(value.shape, generator=generator)
        for key, value in adapter_weights(model).items()
    }
    put_adapter(model, weights, LEARNER)
    save_adapter(model, base, output)
    return output


@pytest.fixture(scope="module")
def adapters(
    base_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[str, int, Path]]:
    folder = tmp_path_factory.mktemp("adapters")
    return [
        ("naive", 0, saved(base_model, folder / "zero", 0.0)),
        ("naive", 42, saved(base_model, folder / "small", 0.3)),
        ("advantage_alignment", 0, saved(base_model, folder / "large", 1.0)),
    ]


@pytest.mark.parametrize("name", game_names())
def test_every_pair_meets_in_both_seats(
    base_model: Path, tmp_path: Path, adapters: list[tuple[str, int, Path]], name: str
) -> None:
    table = run(base_model, tmp_path, adapters, name, opponents=OPPONENTS[name])
    agents = [
        ("warm_start", -1),
        *((algorithm, seed) for algorithm, seed, _ in adapters),
        *((opponent, -1) for opponent in OPPONENTS[name]),
    ]
    pairs = list(combinations_with_replacement(agents, 2))
    assert len(table) == len(pairs) * 4 * 2
    identities = zip(
        zip(table["agent"], table["agent_seed"], strict=True),
        zip(table["opponent"], table["opponent_seed"], strict=True),
        table["match"],
        table["seat"],
        strict=True,
    )
    found = Counter(identities)
    for first, second in pairs:
        for match in range(4):
            seats = (0, 1) if match % 2 == 0 else (1, 0)
            if first == second:
                assert [found[first, first, match, seat] for seat in (0, 1)] == [1, 1]
            else:
                assert found[first, second, match, seats[0]] == 1
                assert found[second, first, match, seats[1]] == 1
    assert sum(found.values()) == len(table)
    behaviours = build_game(name, 1).behaviours
    columns = [column for one in behaviours for column in (one, f"{one}_count")]
    assert [*table.columns] == [*FIXED, *columns]
    assert {*table["game"]} == {name}
    assert table[FIXED].notna().all(axis=None)
    for one in behaviours:
        assert ((table[f"{one}_count"] == 0) == table[one].isna()).all()


def test_both_rows_of_a_match_tell_the_same(
    base_model: Path, tmp_path: Path, adapters: list[tuple[str, int, Path]]
) -> None:
    table = run(base_model, tmp_path, adapters)
    key = ["agent", "agent_seed", "opponent", "opponent_seed", "match", "seat"]
    rows = {
        row[:6]: row[6:]
        for row in table[[*key, "payoff", "payoff_opponent"]].itertuples(index=False, name=None)
    }
    for (agent, agent_seed, opponent, opponent_seed, match, seat), payoffs in rows.items():
        other = rows[opponent, opponent_seed, agent, agent_seed, match, 1 - seat]
        assert other == payoffs[::-1]


@pytest.mark.parametrize("name", game_names())
def test_scripted_players_get_what_they_get_in_plain_play(
    base_model: Path, tmp_path: Path, name: str
) -> None:
    table = run(base_model, tmp_path, [], name, opponents=OPPONENTS[name], matches=6)
    first, second = OPPONENTS[name]
    found = table[(table["agent"] == first) & (table["opponent"] == second)]
    assert len(found) == 6
    game = build_game(name, ROUNDS)
    for row in found.to_dict("records"):
        match = game.start(derive_seed("cross-play match", row["match"] // 2))
        names = (first, second) if row["seat"] == 0 else (second, first)
        players = [scripted_player(name, who) for who in names]
        play([match], [(players[0], players[1])])
        assert row["payoff"] == pytest.approx(sum(match.rewards(row["seat"])) / ROUNDS)
        assert row["payoff_opponent"] == pytest.approx(sum(match.rewards(1 - row["seat"])) / ROUNDS)
        both = sum(match.rewards(0)) + sum(match.rewards(1))
        assert row["welfare_share"] == pytest.approx(both / game.welfare_optimum(match))
        observed: dict[str, list[float]] = {one: [] for one in game.behaviours}
        for one, value in game.observe(match, row["seat"]):
            observed[one].append(value)
        for one, values in observed.items():
            assert row[f"{one}_count"] == len(values)
            mean = sum(values) / len(values) if values else math.nan
            assert row[one] == pytest.approx(mean, nan_ok=True)


def test_a_match_and_its_swap_share_their_chance_events(base_model: Path, tmp_path: Path) -> None:
    """Greedy players of Trust-and-Split get what their hands are worth, seat by seat."""
    table = run(base_model, tmp_path, [], "trust_and_split", opponents=["greedy"], matches=8)
    found = table[(table["agent"] == "greedy") & (table["opponent"] == "greedy")]
    payoffs = {(row["match"], row["seat"]): row["payoff"] for row in found.to_dict("records")}
    for match in range(0, 8, 2):
        assert all(payoffs[match, seat] == payoffs[match + 1, seat] for seat in (0, 1))
    assert len({payoffs[match, 0] for match in range(0, 8, 2)}) > 1


def test_an_adapter_of_zeros_is_the_warm_start(
    base_model: Path, tmp_path: Path, adapters: list[tuple[str, int, Path]]
) -> None:
    """At a temperature near zero, where chance plays no part, it plays the same; others don't."""
    table = run(base_model, tmp_path, adapters, "split", opponents=["greedy"], temperature=1e-4)
    against = table[table["opponent"] == "greedy"].sort_values(["match", "seat"])

    def claims(agent: str, seed: int) -> list[float]:
        chosen = against[(against["agent"] == agent) & (against["agent_seed"] == seed)]
        return [*chosen["payoff"], *chosen["claim_preferred"], *chosen["claim_other"]]

    assert claims("naive", 0) == claims("warm_start", -1)
    assert claims("advantage_alignment", 0) != claims("warm_start", -1)


def test_adapters_don_t_mix(
    base_model: Path, tmp_path: Path, adapters: list[tuple[str, int, Path]]
) -> None:
    """Near temperature zero an agent plays the same, whoever else takes part."""
    together = run(base_model, tmp_path, adapters, "split", opponents=["greedy"], temperature=1e-4)
    for algorithm, seed, path in adapters:
        entrants = [(algorithm, seed, path)]
        alone = run(base_model, tmp_path, entrants, "split", opponents=["greedy"], temperature=1e-4)

        def of(table: pd.DataFrame, agent: str = algorithm, number: int = seed) -> pd.DataFrame:
            mine = (table["agent"] == agent) & (table["agent_seed"] == number)
            return table[mine & (table["opponent"] == "greedy")].reset_index(drop=True)

        assert len(of(alone)) == 4
        pd.testing.assert_frame_equal(of(alone), of(together))


def test_the_same_entrants_give_the_same_table(
    base_model: Path, tmp_path: Path, adapters: list[tuple[str, int, Path]]
) -> None:
    first = run(base_model, tmp_path, adapters)
    pd.testing.assert_frame_equal(first, run(base_model, tmp_path, adapters))


def test_a_foreign_adapter_is_refused(
    base_model: Path, tmp_path: Path, adapters: list[tuple[str, int, Path]]
) -> None:
    language_model = load_model(base_model, "cpu")
    with torch.no_grad():
        next(language_model.model.parameters()).mul_(1.01)
    language_model.save(tmp_path / "other")
    with pytest.raises(UserError, match="trained for another base model"):
        run(tmp_path / "other", tmp_path, adapters)
    assert not (tmp_path / "matches.parquet").exists()


def test_an_unknown_opponent_is_refused(base_model: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown player 'nobody'"):
        run(base_model, tmp_path, [], opponents=["nobody"])


def test_adapters_of_zeros_have_the_base_model_s_logits(
    base_model: Path, adapters: list[tuple[str, int, Path]]
) -> None:
    base = load_model(base_model, "cpu").model
    tokens = torch.tensor([[3, 14, 15, 9]])
    with torch.no_grad():
        expected = base(tokens).logits
        for (_, _, path), same in zip(adapters, (True, False, False), strict=True):
            model = PeftModel.from_pretrained(load_model(base_model, "cpu").model, str(path))
            assert torch.equal(model(tokens).logits, expected) == same


@pytest.mark.parametrize("name", ["prisoners_dilemma", "trust_and_split"])
def test_folded_or_not_the_matches_are_the_same(
    base_model: Path, tmp_path: Path, adapters: list[tuple[str, int, Path]], name: str
) -> None:
    quick, plain = (
        run(
            base_model,
            tmp_path,
            adapters,
            name,
            opponents=OPPONENTS[name],
            matches=2,
            fold_adapter=fold,
        )
        for fold in (True, False)
    )
    pd.testing.assert_frame_equal(quick, plain)


def entrants(adapters: list[tuple[str, int, Path]]) -> list[Agent]:
    game = build_game("prisoners_dilemma", ROUNDS)
    trained = [Agent(*adapter) for adapter in adapters]
    return [Agent("warm_start"), *trained, *scripted_agents(game, ["always_a", "grim"])]


def identities(pairs: list[tuple[Agent, Agent]]) -> list[tuple[Identity, Identity]]:
    return [((first.name, first.seed), (second.name, second.seed)) for first, second in pairs]


def test_scripted_agents_have_a_player_and_no_seed() -> None:
    (agent,) = scripted_agents(build_game("prisoners_dilemma", 1), ["grim"])
    assert (agent.name, agent.seed, agent.adapter) == ("grim", UNSEEDED, None)
    assert agent.player is not None


def test_all_pairs_are_every_agent_with_every_other_and_itself_once(
    adapters: list[tuple[str, int, Path]],
) -> None:
    agents = entrants(adapters)
    pairs = identities(all_pairs(agents))
    assert len(pairs) == 6 * 7 / 2
    assert len({frozenset(pair) for pair in pairs}) == len(pairs)
    assert {agent for pair in pairs for agent in pair} == {(one.name, one.seed) for one in agents}


def test_own_pairs_are_those_of_trained_agents_with_themselves_and_scripted_players(
    adapters: list[tuple[str, int, Path]],
) -> None:
    pairs = identities(own_pairs(entrants(adapters)))
    trained = [(name, seed) for name, seed, _ in adapters]
    assert pairs == [
        (agent, other) for agent in trained for other in (agent, ("always_a", -1), ("grim", -1))
    ]


def test_own_pairs_play_as_they_do_in_the_whole_cross_play(
    base_model: Path, tmp_path: Path, adapters: list[tuple[str, int, Path]]
) -> None:
    """Near temperature zero, where chance plays no part; so ablations can be held against it."""
    settings = {**SETTINGS, "temperature": 1e-4}
    agents = entrants(adapters)
    whole = played(base_model, tmp_path, all_pairs(agents), settings)
    own = played(base_model, tmp_path, own_pairs(agents), settings)
    rows = [*whole.columns[:7]]
    assert len(own) == 3 * 3 * 4 * 2
    expected = own[rows].merge(whole, on=rows)
    pd.testing.assert_frame_equal(own, expected)


def test_learners_meet_the_opponents_that_they_learned_against(
    base_model: Path, tmp_path: Path, adapters: list[tuple[str, int, Path]]
) -> None:
    game = build_game("prisoners_dilemma", ROUNDS)
    zero, small, large = (path for _, _, path in adapters)
    learners: list[tuple[str, int, dict[str, Any]]] = [
        ("naive", 0, {"name": "naive", "adapter": str(large)}),
        ("naive", 42, {"name": "naive", "adapter": str(zero)}),
        ("naive", 42, {"name": "warm_start", "adapter": None}),
        ("advantage_alignment", 7, {"name": "always_b"}),
    ]
    pairs = learner_pairs(game, learners, [zero, small, small, large])
    assert identities(pairs) == [
        (("naive_learner", 0), ("naive", 0)),
        (("naive_learner", 42), ("naive", 42)),
        (("naive_learner", 42), ("warm_start", -1)),
        (("advantage_alignment_learner", 7), ("always_b", -1)),
    ]
    assert [learner.adapter for learner, _ in pairs] == [zero, small, small, large]
    assert [other.adapter for _, other in pairs] == [large, zero, None, None]
    assert [other.player is not None for _, other in pairs] == [False, False, False, True]
    table = played(base_model, tmp_path, pairs, SETTINGS)
    assert len(table) == len(pairs) * SETTINGS["matches"] * 2
    facing = table[table["opponent"] == "always_b"]
    assert (facing["payoff_opponent"] >= facing["payoff"]).all()
    assert {*table.loc[table["agent"] == "always_b", "opponent"]} == {"advantage_alignment_learner"}


def test_every_learner_needs_its_adapter(adapters: list[tuple[str, int, Path]]) -> None:
    game = build_game("prisoners_dilemma", ROUNDS)
    with pytest.raises(ValueError, match="shorter"):
        learner_pairs(game, [("naive", 0, {"name": "grim"})], [])


def test_play_without_any_adapter(base_model: Path, tmp_path: Path) -> None:
    table = run(base_model, tmp_path, [], "split", opponents=["greedy"], matches=2)
    assert {*table["agent"]} == {"warm_start", "greedy"}
