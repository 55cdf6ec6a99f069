"""Transcripts: a few matches of two agents, word for word, with points and log-probabilities."""

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from social_dilemmas.agents.agent import UNSEEDED, Agent
from social_dilemmas.agents.play import Players, play_batch
from social_dilemmas.config.settings import TranscriptSettings
from social_dilemmas.evaluation.outcomes import classify, greedy_payoffs
from social_dilemmas.games import game_of
from social_dilemmas.games.game import Match, Turn, welfare_share
from social_dilemmas.policy.log_probabilities import action_log_probabilities
from social_dilemmas.policy.model import load_model
from social_dilemmas.policy.policy import Policy
from social_dilemmas.policy.sampler import LanguageModelPlayer, PolicySampler, in_order
from social_dilemmas.policy.trajectory import collate
from social_dilemmas.randomness import derive_seed

Place = tuple[Match, int]


@dataclass
class Reply:
    """One turn as it was taken.

    Attributes:
        round: counted from 0.
        step: the kind of decision.
        prompt: everything that the seat was told since its last reply.
        reply: the text of the reply.
        log_probability: in nats, of the tokens that were sampled, under the distribution that they were sampled from;
            None for players that aren't language models.
    """

    round: int
    step: str
    prompt: str
    reply: str
    log_probability: float | None = None


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
    file: game, title, agents, and for every match its outcome, welfare_share, the seats and payoffs (points a round) of
    both agents, and its rounds with rewards and replies. Agents stand in their own order, wherever they sit.

    Raises:
        UserError: the model or an adapter isn't there, or the adapter belongs to another base model.
    """
    rules = game_of(game)
    policy = Policy(load_model(model), rules)
    names = in_order("transcripts", rules.name, *(agent.name for agent in agents))
    sampler = PolicySampler(
        policy,
        names,
        temperature=settings.temperature,
        max_new_tokens=settings.max_new_tokens,
    )
    matches = [rules.start(derive_seed("transcript", i // 2)) for i in range(settings.matches)]
    placed = [(0, 1) if i % 2 == 0 else (1, 0) for i in range(settings.matches)]  # seats of both
    replies: dict[Place, list[Reply]] = {}

    def write_down(turn: Turn, reply: str) -> None:
        said = Reply(len(turn.match.history), turn.step, turn.prompt, reply)
        replies.setdefault((turn.match, turn.seat), []).append(said)

    seats = [(agents[seats.index(0)], agents[seats.index(1)]) for seats in placed]
    player = play_batch(matches, seats, Players(rules), sampler, write_down)
    for match, pair in zip(matches, seats, strict=True):
        for seat, agent in enumerate(pair):
            if agent.on_model:
                assert player is not None
                adapter = policy.name_of(agent.adapter)
                said = replies[match, seat]
                _add_log_probabilities(policy, adapter, player, (match, seat), said, settings)
    told = {
        "game": rules.name,
        "title": rules.title,
        "rounds": max(len(match.history) for match in matches),
        "agents": [
            {"name": agent.name, "seed": None if agent.seed == UNSEEDED else agent.seed}
            for agent in agents
        ],
        "matches": [
            _match(match, seats, [replies[match, seat] for seat in seats])
            for match, seats in zip(matches, placed, strict=True)
        ],
    }
    output.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


@torch.inference_mode()
def _add_log_probabilities(
    policy: Policy,
    adapter: str,
    player: LanguageModelPlayer,
    place: Place,
    replies: Sequence[Reply],
    settings: TranscriptSettings,
) -> None:
    """Score the replies of a seat that ran on an adapter, over what the sampler chose from."""
    active: AbstractContextManager[Any] = nullcontext()
    if isinstance(policy.model, PeftModel):
        if adapter in policy.adapters:
            policy.model.set_adapter(adapter)
        else:
            active = policy.model.disable_adapter()
    trajectory = player.trajectory(*place)
    batch = collate([trajectory], policy.language_model.padding)
    with active:
        scores, _ = action_log_probabilities(
            policy.model, batch, policy.masks.allowed, settings.temperature
        )  # (actions,)
    ends = trajectory.reply_ends
    for reply, start, end in zip(replies, [0, *ends], ends, strict=False):
        inside = (batch.position >= start) & (batch.position < end)
        reply.log_probability = round(float(scores.cpu()[inside].sum()), 5)


def _match(
    match: Match, seats: tuple[int, int], replies: Sequence[Sequence[Reply]]
) -> dict[str, Any]:
    """A match as it is written down; agents in their own order."""
    rewards = [match.rewards(seat) for seat in seats]
    share = welfare_share(sum(map(sum, rewards)), match.game.welfare_optimum(match))
    return {
        "seats": list(seats),
        "outcome": classify(match.game, match, greedy_payoffs(match.game, match.seed), seats[0]),
        "payoffs": [sum(points) / len(match.history) for points in rewards],
        "welfare_share": None if math.isnan(share) else share,
        "invalid": [match.invalid[seat] for seat in seats],
        "rounds": [
            {
                "rewards": [points[index] for points in rewards],
                "replies": [
                    [
                        {key: value for key, value in vars(reply).items() if key != "round"}
                        for reply in said
                        if reply.round == index
                    ]
                    for said in replies
                ],
            }
            for index in range(len(match.history))
        ],
    }
