"""Agents' matches on a vLLM server of the job's own, and on one that jobs share, are those of the default sampler."""

from concurrent.futures import ThreadPoolExecutor
from itertools import chain, product
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.unit.served_agents import DILEMMA, assert_alike, play_all, shared_server, three_agents
from tests.vllm.conftest import GAME

from social_dilemmas.agents.agent import Agent
from social_dilemmas.agents.play import Players, play_batch
from social_dilemmas.backends.vllm.agents import served_name
from social_dilemmas.backends.vllm.client import NEUTRAL
from social_dilemmas.backends.vllm.shared import KEY
from social_dilemmas.config.schema.evaluation import Evaluation, EvaluationVllm
from social_dilemmas.config.schema.training import Vllm
from social_dilemmas.evaluation.sampling import load_policy, sampling
from social_dilemmas.games import game_of
from social_dilemmas.games.game import SEATS
from social_dilemmas.policy.log_probabilities import action_log_probabilities
from social_dilemmas.policy.policy import Policy
from social_dilemmas.policy.sampler import in_order
from social_dilemmas.policy.trajectory import Trajectory, collate

TEMPERATURE = 0.8
LARGEST_DIFFERENCE = 1e-3  # of log-probabilities


@pytest.fixture(scope="module")
def agents(embedded: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Agent]:
    return three_agents(embedded, tmp_path_factory.mktemp("adapters"), 0.2)


def test_outcomes_are_distributed_as_with_the_default_sampler(
    vllm: Vllm, embedded: Path, tmp_path: Path
) -> None:
    """On a server that the job starts."""
    chosen, agents = EvaluationVllm(**vllm.model_dump()), three_agents(embedded, tmp_path, 0.6)
    own, served = (
        play_all(embedded, tmp_path / "matches.parquet", agents, 64, sampler=sampler, vllm=chosen)
        for sampler in ("trainer", "vllm")
    )
    assert_alike(own, served)
    assert not list(tmp_path.glob("vllm-*"))


def test_jobs_share_a_server(
    vllm: Vllm, embedded: Path, agents: list[Agent], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two at the same time, with more adapters than the server has room for, and seats without one among them."""
    monkeypatch.setenv(KEY, "secret")
    with shared_server(embedded, tmp_path, vllm, DILEMMA, GAME, adapters=1, rank=3) as server:
        settings = Evaluation(
            opponents=[],
            sampler="vllm",
            vllm=EvaluationVllm(base_urls=[str(server.client.base_url)]),
            temperature=TEMPERATURE,
            max_new_tokens=20,
        )
        groups = (agents[:2], agents)
        # Here, as transformers can't load models in two threads at a time; jobs are processes.
        policies = [load_policy(embedded, game_of(GAME), group, "vllm") for group in groups]
        with ThreadPoolExecutor(2) as jobs:
            playing = [
                jobs.submit(trajectories, policy, group, settings, tmp_path / f"{number}.parquet")
                for number, (policy, group) in enumerate(zip(policies, groups, strict=True))
            ]
            played = [each.result() for each in playing]
        names = {served_name(Path(agent.adapter)) for agent in agents if agent.adapter}
        assert {NEUTRAL, *names} < server.served()
    scoring = load_policy(embedded, game_of(GAME), agents)
    own, swapped = [], []
    for agent, trajectory in chain.from_iterable(played):
        own.append(difference(scoring, agent, trajectory))
        swapped.append(difference(scoring, agents[agents.index(agent) - 1], trajectory))
    print(f"largest difference of log-probabilities: {max(own):.2e}")
    assert max(own) < LARGEST_DIFFERENCE
    assert min(swapped) > 100 * LARGEST_DIFFERENCE  # each is under its own adapter


def trajectories(
    policy: Policy, agents: list[Agent], settings: Evaluation, output: Path
) -> list[tuple[Agent, Trajectory]]:
    """A job in which every agent meets every other: who played, and what."""
    rules: Any = policy.game
    seats = [(first, second) for first in agents for second in agents]
    matches = [rules.start(number) for number in range(len(seats))]
    with sampling(policy, settings, game=GAME, agents=agents, output=output) as sampler_of:
        player = play_batch(matches, seats, Players(rules), sampler_of(in_order("job")))
    assert player is not None
    places = product(zip(matches, seats, strict=True), SEATS)
    return [(pair[seat], player.trajectory(match, seat)) for (match, pair), seat in places]


@torch.no_grad()
def difference(policy: Policy, agent: Agent, trajectory: Trajectory) -> float:
    """The largest difference of a token's log-probability from that under an agent's adapter."""
    batch, allowed = collate([trajectory]), policy.masks.allowed
    with policy.under(agent.adapter):
        scores, _ = action_log_probabilities(policy.model, batch, allowed, TEMPERATURE)
    return float((scores - torch.tensor(trajectory.sampled)).abs().max())
