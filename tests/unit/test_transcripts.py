"""Transcripts hold what was really said, told and won, and the probability of each reply."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from social_dilemmas.errors import UserError
from social_dilemmas.evaluation.cross_play import Agent, scripted_agents
from social_dilemmas.evaluation.transcripts import run_transcripts
from social_dilemmas.games import build_game
from social_dilemmas.policy.adapters import (
    LEARNER,
    adapter_weights,
    attach_learner,
    put_adapter,
    save_adapter,
)
from social_dilemmas.policy.log_probabilities import action_log_probabilities
from social_dilemmas.policy.model import LanguageModel, load_model
from social_dilemmas.policy.trajectory import Trajectory, collate
from social_dilemmas.randomness import derive_seed

SETTINGS: dict[str, Any] = {"matches": 4, "temperature": 0.7, "max_new_tokens": 6}
ROUNDS = 3


@pytest.fixture(scope="module")
def adapter(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of large random weights."""
    folder = tmp_path_factory.mktemp("adapter")
    model = attach_learner(load_model(base_model, "cpu"), rank=2, alpha=8, seed=0)
    generator = torch.Generator().manual_seed(0)
    weights = {
        key: torch.randn(value.shape, generator=generator)
        for key, value in adapter_weights(model).items()
    }
    put_adapter(model, weights, LEARNER)
    save_adapter(model, base_model, folder)
    return folder


def scripted(player: str, name: str = "trust_and_split") -> Agent:
    return scripted_agents(build_game(name, ROUNDS), [player])[0]


def transcripts(
    base: Path, folder: Path, agents: tuple[Agent, Agent], name: str = "trust_and_split"
) -> dict[str, Any]:
    run_transcripts(
        model=base,
        agents=agents,
        game={"name": name, "rounds": ROUNDS, "rules": {}},
        settings=SETTINGS,
        output=folder / "told.json",
    )
    return dict(json.loads((folder / "told.json").read_text()))


@pytest.mark.parametrize("name", ["prisoners_dilemma", "split", "trust_and_split"])
def test_a_match_is_told_as_it_was_played(
    base_model: Path, adapter: Path, tmp_path: Path, name: str
) -> None:
    """Given the same replies, the game asks the same and pays the same."""
    told = transcripts(
        base_model, tmp_path, (Agent("naive", 0, adapter), scripted("random", name)), name
    )
    assert told["agents"] == [{"name": "naive", "seed": 0}, {"name": "random", "seed": None}]
    assert [match["seats"] for match in told["matches"]] == [[0, 1], [1, 0]] * 2
    game = build_game(name, ROUNDS)
    for index, match in enumerate(told["matches"]):
        again = game.start(derive_seed("transcript", index // 2))
        agent_of = {seat: agent for agent, seat in enumerate(match["seats"])}
        waiting = [
            [reply for each in match["rounds"] for reply in each["replies"][agent]]
            for agent in (0, 1)
        ]
        while not again.finished:
            replies = {}
            for turn in again.turns():
                taken = waiting[agent_of[turn.seat]].pop(0)
                assert (taken["step"], taken["prompt"]) == (turn.step, turn.prompt)
                replies[turn.seat] = taken["reply"]
            again.take(replies)
        assert waiting == [[], []]
        for agent, seat in enumerate(match["seats"]):
            assert again.rewards(seat) == [each["rewards"][agent] for each in match["rounds"]]
            assert match["payoffs"][agent] == pytest.approx(sum(again.rewards(seat)) / ROUNDS)
        assert match["invalid"] == [0, 0]


def test_scripted_players_have_no_log_probability(
    base_model: Path, adapter: Path, tmp_path: Path
) -> None:
    told = transcripts(base_model, tmp_path, (Agent("naive", 0, adapter), scripted("greedy")))
    for match in told["matches"]:
        for each in match["rounds"]:
            first, second = each["replies"]
            assert all(reply["log_probability"] <= 0 for reply in first)
            assert all(reply["log_probability"] is None for reply in second)


def test_log_probabilities_are_those_of_the_agent_that_spoke(
    base_model: Path, adapter: Path, tmp_path: Path, tiny: LanguageModel
) -> None:
    """Scored again from their text: the warm start without its neighbour's adapter, which differs."""
    agents = (Agent("warm_start"), Agent("naive", 0, adapter))
    told = transcripts(base_model, tmp_path, agents, "prisoners_dilemma")
    game = build_game("prisoners_dilemma", ROUNDS)
    masks = tiny.masks(game)
    differences = []
    for index, match in enumerate(told["matches"]):
        again = game.start(derive_seed("transcript", index // 2))
        conversations = {seat: Trajectory() for seat in (0, 1)}
        told_sums = [0.0, 0.0]
        waiting = [
            [reply for each in match["rounds"] for reply in each["replies"][agent]]
            for agent in (0, 1)
        ]
        while not again.finished:
            replies = {}
            for turn in again.turns():
                agent = match["seats"].index(turn.seat)
                taken = waiting[agent].pop(0)
                conversations[turn.seat].ask(turn, tiny.chat)
                conversations[turn.seat].answer(turn, taken["reply"], masks)
                told_sums[agent] += taken["log_probability"]
                replies[turn.seat] = taken["reply"]
            again.take(replies)
        batch = collate([conversations[match["seats"][0]]], tiny.padding)
        with torch.no_grad():
            scores, _ = action_log_probabilities(tiny.model, batch, masks.allowed, 0.7)
        assert told_sums[0] == pytest.approx(float(scores.sum()), abs=1e-3)
        other = collate([conversations[match["seats"][1]]], tiny.padding)
        with torch.no_grad():
            scores, _ = action_log_probabilities(tiny.model, other, masks.allowed, 0.7)
        differences.append(abs(told_sums[1] - float(scores.sum())))
    assert max(differences) > 0.1


def test_a_run_is_the_same_again(base_model: Path, adapter: Path, tmp_path: Path) -> None:
    agents = (Agent("naive", 0, adapter), Agent("naive", 0, adapter))
    assert transcripts(base_model, tmp_path, agents) == transcripts(base_model, tmp_path, agents)


def test_an_adapter_of_another_base_is_refused(
    base_model: Path, adapter: Path, tmp_path: Path, tiny: LanguageModel
) -> None:
    other = load_model(base_model, "cpu")
    with torch.no_grad():
        next(iter(other.model.parameters())).add_(1.0)
    other.save(tmp_path / "other")
    with pytest.raises(UserError, match="another base model"):
        transcripts(tmp_path / "other", tmp_path, (Agent("naive", 0, adapter), scripted("greedy")))
