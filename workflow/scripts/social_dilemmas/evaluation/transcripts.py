"""Transcripts: a few matches of two agents, word for word, with points and log-probabilities."""

import json
import math
from collections import defaultdict
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from social_dilemmas.agents.agent import UNSEEDED, Agent
from social_dilemmas.agents.play import Players, play_batch
from social_dilemmas.config.settings import TranscriptSettings
from social_dilemmas.evaluation.outcomes import classify
from social_dilemmas.evaluation.sampling import load_policy, sampling
from social_dilemmas.games import game_of
from social_dilemmas.games.game import Match, Turn, welfare_share
from social_dilemmas.policy.log_probabilities import action_log_probabilities
from social_dilemmas.policy.policy import Policy
from social_dilemmas.policy.sampler import in_order
from social_dilemmas.policy.trajectory import Trajectory, collate
from social_dilemmas.randomness import derive_seed

Replies = dict[tuple[Match, int, int], list[dict[str, Any]]]
"""The replies of each match, seat and round, as they are written down."""


def run_transcripts(
    *,
    model: Path,
    agents: tuple[Agent, Agent],
    game: Mapping[str, Any],
    settings: TranscriptSettings,
    output: Path,
) -> None:
    """Play a pair of agents and write down everything; every two matches differ in their seats only.

    `model` is the directory of the warm-started model, `game` the game's entry in the configuration. `output` is a JSON
    file: game, rounds (the most of a match), agents, and for every match its outcome, welfare_share, invalid (how many
    replies of both agents were), the seats and payoffs (points a round) of both, and its rounds with rewards and
    replies. Agents stand in their own order, wherever they sit. A reply has its step (the kind of decision), its prompt
    (all that the seat was told since its last reply), and the log_probability (in nats) of its sampled tokens; null for
    players that aren't language models.

    Raises:
        UserError: as `play_pairs`.
    """
    rules = game_of(game)
    policy = load_policy(model, rules, agents, settings.sampler)
    names = in_order("transcripts", rules.name, *(agent.name for agent in agents))
    matches = [rules.start(derive_seed("transcript", i // 2)) for i in range(settings.matches)]
    placed = [(0, 1) if i % 2 == 0 else (1, 0) for i in range(settings.matches)]  # seats of both
    replies: Replies = defaultdict(list)

    def write_down(turn: Turn, reply: str) -> None:
        said = {"step": turn.step, "prompt": turn.prompt, "reply": reply, "log_probability": None}
        replies[turn.match, turn.seat, turn.round].append(said)

    seated = [(agents[first], agents[second]) for first, second in placed]
    with sampling(policy, settings, game=game, agents=agents, output=output) as sampler_of:
        player = play_batch(matches, seated, Players(rules), sampler_of(names), write_down)
    for match, pair in zip(matches, seated, strict=True):
        for seat, agent in enumerate(pair):
            if agent.on_model:
                assert player is not None
                rounds = range(len(match.history))
                said = [reply for index in rounds for reply in replies[match, seat, index]]
                trajectory = player.trajectory(match, seat)
                scores = _log_probabilities(policy, agent, trajectory, settings.temperature)
                for reply, score in zip(said, scores, strict=True):
                    reply["log_probability"] = score
    told = {
        "game": rules.name,
        "rounds": max(len(match.history) for match in matches),
        "agents": [
            {"name": agent.name, "seed": None if agent.seed == UNSEEDED else agent.seed}
            for agent in agents
        ],
        "matches": [
            _match(match, seats, replies) for match, seats in zip(matches, placed, strict=True)
        ],
    }
    output.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _log_probabilities(
    policy: Policy,
    agent: Agent,
    trajectory: Trajectory,
    temperature: float,
) -> list[float]:
    """The log-probability of each reply of a seat, over what the sampler chose from; a server has said its own."""
    positions = torch.tensor(trajectory.positions)  # (actions,)
    scores = torch.tensor(trajectory.sampled)  # (actions,), or empty where the policy sampled
    if not trajectory.sampled:
        scores = _scores(policy, agent, trajectory, temperature)
    return [
        round(float(scores[(positions >= start) & (positions < end)].sum()), 5)
        for start, end in pairwise([0, *trajectory.reply_ends])
    ]


@torch.inference_mode()
def _scores(policy: Policy, agent: Agent, trajectory: Trajectory, temperature: float) -> Tensor:
    """(actions,) log-probabilities of the chosen tokens under an agent's adapter."""
    batch = collate([trajectory], policy.model.device)
    with policy.under(agent.adapter):
        scores, _ = action_log_probabilities(policy.model, batch, policy.masks.allowed, temperature)
    return scores.cpu()


def _match(match: Match, seats: tuple[int, int], replies: Replies) -> dict[str, Any]:
    """A match as it is written down; agents in their own order."""
    rewards = [match.rewards(seat) for seat in seats]
    share = welfare_share(sum(map(sum, rewards)), match.game.welfare_optimum(match))
    return {
        "seats": list(seats),
        "outcome": classify(match, seats[0]),
        "payoffs": [sum(points) / len(match.history) for points in rewards],
        "welfare_share": None if math.isnan(share) else share,
        "invalid": [match.invalid[seat] for seat in seats],
        "rounds": [
            {
                "rewards": [points[index] for points in rewards],
                "replies": [replies[match, seat, index] for seat in seats],
            }
            for index in range(len(match.history))
        ],
    }
