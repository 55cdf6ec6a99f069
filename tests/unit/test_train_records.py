"""What a training leaves: its files, the columns of its metrics, and one sentence where it can't run."""

import json
import math
from contextlib import nullcontext
from dataclasses import replace
from itertools import count, cycle
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import load_file
from tests.unit.conftest import Published
from tests.unit.mixed_adapters import foreign_model, saved_adapter
from tests.unit.replying_server import ReplyingServer
from tests.unit.training_run import (
    BUFFER,
    GAME,
    assert_same,
    interrupt_training,
    metrics,
    run_training,
    sampled_iterations,
    training_settings,
)

from social_dilemmas.agents.agent import Agent, Kind
from social_dilemmas.agents.play import Players, play_batch
from social_dilemmas.errors import UserError
from social_dilemmas.games import build_game, game_of
from social_dilemmas.games.game import SEATS
from social_dilemmas.method import train as train_module
from social_dilemmas.policy.context import longest_conversation
from social_dilemmas.policy.model import load_model, model_fingerprint
from social_dilemmas.policy.policy import Policy
from social_dilemmas.policy.sampler import PolicySampler, in_order
from social_dilemmas.report.printed import printed
from social_dilemmas.run.run import total_usage
from social_dilemmas.statistics.tables import learning_curves

COLUMNS = [
    *("iteration", "payoff", "payoff_opponent", "welfare_share", "normalised_welfare"),
    *("invalid_rate", "invalid_rate_opponent", "loss", "entropy", "kl", "gradient_norm", "tokens"),
]


@pytest.mark.parametrize("name", ["prisoners_dilemma", "split", "trust_and_split"])
def test_metrics_in_every_game(name: str, base_model: Path, tmp_path: Path) -> None:
    run_training(base_model, tmp_path, {**GAME, "name": name}, iterations=2)
    rows = metrics(tmp_path)
    assert [*rows.columns] == [*COLUMNS, *build_game(name, 1).behaviours]
    assert rows["iteration"].tolist() == [0, 1]
    assert rows[COLUMNS].map(math.isfinite).all(axis=None)
    assert (rows[["invalid_rate", "invalid_rate_opponent"]] == 0).all(axis=None)
    assert rows["welfare_share"].between(0, 1, inclusive="right").all()
    assert (rows[["entropy", "gradient_norm"]] > 0).all(axis=None)
    assert (rows["tokens"] > 8 * 2 * 3).all()
    assert rows["kl"].iloc[0] == pytest.approx(0, abs=1e-6)
    assert abs(rows["kl"].iloc[1]) > 1e-7


def test_a_finished_run_leaves_its_record_and_no_checkpoints(
    base_model: Path, tmp_path: Path
) -> None:
    frozen = saved_adapter(base_model, tmp_path / "frozen")
    for name, opponent in (("alone", None), ("frozen", Agent("naive", adapter=str(frozen)))):
        output = run_training(base_model, tmp_path / "runs" / name, iterations=2, opponent=opponent)
        assert {path.name for path in output.iterdir()} == {"adapter", "metrics.csv", "config.yaml"}
        assert yaml.safe_load((output / "config.yaml").read_text()) == {
            "seed": 0,
            "model": str(base_model),
            "game": GAME,
            "settings": training_settings(iterations=2).plain(),
            "opponent": opponent.plain() if opponent else None,
            "code": "",
            "base": model_fingerprint(base_model),
        }


def test_payoffs_are_those_of_self_play_also_with_past_agents(
    base_model: Path, tmp_path: Path
) -> None:
    run_training(base_model, tmp_path, buffer={**BUFFER, "probability": 1.0}, iterations=2)
    rows = metrics(tmp_path)
    outcomes = rows[["payoff", "payoff_opponent", "welfare_share"]]
    assert outcomes.iloc[0].notna().all()  # there is no past agent yet
    assert outcomes.iloc[1].isna().all()
    assert rows["cooperation"].notna().all()


def test_learning_against_a_player_behind_a_server(base_model: Path, tmp_path: Path) -> None:
    """It has one seat, and what it said before an interruption isn't asked for again."""
    with ReplyingServer(lambda _: "<B>") as server:
        opponent = Agent(
            "remote",
            Kind.API,
            api=json.dumps(server.player()),
            cache=str(tmp_path / "cache.sqlite"),
        )
        changes: dict[str, Any] = {"opponent": opponent, "iterations": 3, "matches": 4}
        whole = run_training(base_model, tmp_path / "whole", **changes)
        asked = len(server.asked)
        assert asked == 3 * 4 * GAME["rounds"]
        interrupt_training(base_model, tmp_path / "broken", 1, **changes)
        patient = json.dumps(server.player(timeout=77.0, concurrency=2, prompt_price=1.0))
        changes["opponent"] = replace(opponent, api=patient)  # how it is reached may change
        with sampled_iterations() as iterations:
            run_training(base_model, tmp_path / "broken", **changes)
        assert iterations == [1, 2]
        assert len(server.asked) == asked
    usage, resumed = (
        json.loads((tmp_path / run / "usage.json").read_text()) for run in ("whole", "broken")
    )
    assert (usage["name"], usage["completion_tokens"]) == ("remote", 0)
    assert usage["requests"] >= asked
    assert resumed["replies"] == usage["replies"] == asked  # those before the interruption, too
    assert_same(tmp_path / "broken", whole)
    # Against B in every round, a round is worth 0 or 1, and 5 or 1 to the other.
    rows = metrics(whole)
    assert rows["payoff_opponent"].tolist() == pytest.approx(
        (5 - 4 * rows["payoff"]).tolist(), abs=1e-4
    )


def test_forfeits_of_the_other_are_counted_and_too_many_end_the_training(
    base_model: Path, tmp_path: Path
) -> None:
    replies = cycle(["<B>", "no", "<B>"])
    with ReplyingServer(lambda _: next(replies)) as server:
        for most, found in ((0.5, 1 / 3), (0.3, None)):
            player = server.player(most_forfeits=most)
            cache = str(tmp_path / f"{most}.sqlite")
            opponent = Agent("remote", Kind.API, api=json.dumps(player), cache=cache)
            options: dict[str, Any] = {"opponent": opponent, "iterations": 2}
            if found is None:
                with pytest.raises(UserError, match="8 of 24 replies are invalid"):
                    run_training(base_model, tmp_path / "stopped", **options)
                continue
            rows = metrics(run_training(base_model, tmp_path / "run", **options))
            assert rows["invalid_rate_opponent"].tolist() == pytest.approx([found] * 2, abs=1e-5)
            assert (rows["invalid_rate"] == 0).all()
    learner = {("prisoners_dilemma", "m", "naive", "remote", 0): tmp_path / "run" / "metrics.csv"}
    (shown,) = printed("learning_against_fixed", learning_curves(learner))
    assert shown.frame["The other's forfeits a round"].tolist() == ["0.333 [0.333, 0.333]"]


def test_the_usage_of_all_ranks_is_summed() -> None:
    usages = [{"name": "remote", "requests": count, "cost": 0.5 * count} for count in (3, 4)]
    assert total_usage([None, *usages]) == {"name": "remote", "requests": 7, "cost": 3.5}
    assert total_usage([None, None]) is None
    without_prices = [{"requests": 1, "cost": None}] * 2
    some: list[dict[str, Any]] = [{"requests": 3, "cost": 1.5}, {"requests": 1, "cost": None}]
    assert total_usage(some) == total_usage(some[::-1]) == {"requests": 4, "cost": None}
    assert total_usage(without_prices) == {"requests": 2, "cost": None}


@pytest.mark.parametrize(("wrong", "last"), [("a gradient", 1), ("a weight", 2)])
def test_what_is_not_finite_ends_a_run_and_is_never_kept(
    wrong: str, last: int, base_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the first iteration or the last; the last checkpoint stays, from which a rerun comes to the same end."""
    gradients, step, calls = train_module.add_gradients, torch.optim.Adam.step, count()

    def spoiled(policy: Policy, *given: Any, **more: Any) -> Any:
        sums = gradients(policy, *given, **more)
        if next(calls) == last and wrong == "a gradient":
            next(p for p in policy.model.parameters() if p.grad is not None).grad[0, 0] = math.nan
        return sums

    def overflowing(self: torch.optim.Adam, *given: Any) -> None:
        step(self, *given)
        if next(calls) == 2 * last + 1 and wrong == "a weight":
            self.param_groups[0]["params"][0].data[0, 0] = math.inf

    monkeypatch.setattr(train_module, "add_gradients", spoiled)
    if wrong == "a weight":
        monkeypatch.setattr(torch.optim.Adam, "step", overflowing)
    with pytest.raises(UserError, match=rf"^iteration {last}: .* isn't finite any more; most like"):
        run_training(base_model, tmp_path, iterations=3)
    assert not (tmp_path / "adapter").exists()
    kept = sorted((tmp_path / "checkpoints").glob("iteration-*"))
    assert kept[-1].name == f"iteration-{last:06d}"
    weights = load_file(kept[-1] / "learner.safetensors")
    assert all(each.isfinite().all() for each in weights.values())


def test_a_model_that_gives_no_probabilities_is_told(base_model: Path, tmp_path: Path) -> None:
    model = load_model(base_model)
    model.model.get_output_embeddings().weight.data[:] = math.nan
    model.save(tmp_path / "model")
    with pytest.raises(UserError, match=r"the model's probabilities.* aren't finite"):
        run_training(tmp_path / "model", tmp_path / "run", iterations=1)


@pytest.mark.parametrize("name", ["prisoners_dilemma", "trust_and_split"])
def test_a_game_that_doesn_t_fit_into_the_context_is_refused_before_anything_runs(
    name: str, base_model: Path, tmp_path: Path
) -> None:
    """By the longest conversation, which every sampled one stays within, and comes near to."""
    game = {"name": name, "rounds": 12}
    model = load_model(base_model)
    policy = Policy(model, build_game(name, 12))
    sampler = PolicySampler(policy, in_order("test"), max_new_tokens=6)
    matches = [policy.game.start(seed) for seed in range(8)]
    agents = [(Agent("a"), Agent("a"))] * 8
    player = play_batch(matches, agents, Players(policy.game), sampler)
    assert player is not None
    sampled = [len(player.trajectory(match, seat).tokens) for match in matches for seat in SEATS]
    longest = longest_conversation(policy, 6)
    assert max(sampled) <= longest <= 1.3 * max(sampled)
    with_strangers = longest_conversation(policy, 6, stranger=True)
    assert with_strangers - longest == (12 * (500 - 6) if name == "trust_and_split" else 0)
    for context, refused in ((longest - 1, True), (longest, False)):
        model.model.config.max_position_embeddings = context
        model.save(tmp_path / "model")
        with pytest.raises(UserError) if refused else nullcontext() as caught:
            run_training(tmp_path / "model", tmp_path / "run", game, iterations=1)
        assert (tmp_path / "run" / "metrics.csv").exists() != refused
        if caught:
            assert f"{name}: a conversation may take {longest} tokens" in str(caught.value)


def test_the_system_turn_takes_its_part_of_the_context(published: Published) -> None:
    model, system = load_model(published("qwen2")), "A long story." * 20
    entry: Any = {"name": "prisoners_dilemma", "rounds": 2}
    told, plain = (
        longest_conversation(Policy(model, game_of({**entry, "rules": rules})), 6)
        for rules in ({"system": system}, {})
    )
    turns = (model.chat.with_system(text).opening("") for text in (system, ""))
    assert told - plain == len(next(turns)) - len(next(turns)) > 60


@pytest.mark.parametrize("rounds", [1, 2])
def test_hands_may_slip_in_place_of_all_choices(
    base_model: Path, tmp_path: Path, rounds: int
) -> None:
    """Of a whole iteration, or of a micro-batch."""
    game = {"name": "prisoners_dilemma", "rounds": rounds}
    settings: Any = {"iterations": 2, "matches": 2, "group_size": 2, "micro_batch_tokens": 1}
    run_training(base_model, tmp_path, game, **settings, tremble=0.999 if rounds == 1 else 0.7)
    table = pd.read_csv(tmp_path / "metrics.csv")
    assert len(table) == 2
    assert table["entropy"].isna().all() == (rounds == 1)


def test_what_is_missing_or_does_not_fit_is_refused_in_one_sentence(
    base_model: Path, tmp_path: Path
) -> None:
    nowhere, frozen = tmp_path / "nowhere", saved_adapter(base_model, tmp_path / "frozen")
    for model, opponent, sentence in (
        (nowhere, None, f"{nowhere} is not a complete model directory"),
        (base_model, Agent("nobody", Kind.SCRIPTED), "unknown player 'nobody'"),
        (base_model, Agent("naive", adapter=str(nowhere)), f"{nowhere}: not an adapter directory"),
        (
            foreign_model(base_model, tmp_path / "other"),
            Agent("naive", adapter=str(frozen)),
            f"{frozen}: this adapter was trained for another base model",
        ),
    ):
        with pytest.raises(UserError) as caught:
            run_training(model, tmp_path / "run", opponent=opponent)
        assert sentence in str(caught.value)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "run" / "adapter").exists()
