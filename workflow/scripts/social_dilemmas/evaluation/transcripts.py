"""Transcripts: a few matches of two agents, word for word, with points and log-probabilities."""

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from social_dilemmas.agents.play import play
from social_dilemmas.agents.player import Player
from social_dilemmas.evaluation.cross_play import UNSEEDED, Agent, with_adapters
from social_dilemmas.evaluation.outcomes import classify, greedy_payoffs
from social_dilemmas.games import game_of
from social_dilemmas.games.game import Game, Match, Turn, welfare_share
from social_dilemmas.policy.adapters import NO_ADAPTER, check_adapter
from social_dilemmas.policy.log_probabilities import action_log_probabilities
from social_dilemmas.policy.masks import TokenMasks
from social_dilemmas.policy.model import LanguageModel, load_model
from social_dilemmas.policy.sampler import LanguageModelPlayer, streams_in_order
from social_dilemmas.policy.trajectory import collate
from social_dilemmas.randomness import derive_seed

Place = tuple[Match, int]


@dataclass
class Reply:
    """One turn as it was taken.

    Attributes:
        round: counted from 0.
        step: the kind of decision.
        prompt: all that the seat was told since its last reply.
        reply: the text of the reply.
        log_probability: in nats, over the tokens that the sampler chose, under the distribution
            that they were drawn from; None for players that aren't language models.
        end: tokens of the seat's conversation up to the end of this reply; 0 for such players.
    """

    round: int
    step: str
    prompt: str
    reply: str
    log_probability: float | None = None
    end: int = 0


class Recorder:
    """A player that writes down every turn that another one takes."""

    def __init__(self, player: Player) -> None:
        self.player = player
        self.replies: dict[Place, list[Reply]] = {}

    def reply(self, turns: Sequence[Turn]) -> list[str]:
        """The player's replies."""
        answers = self.player.reply(turns)
        for turn, answer in zip(turns, answers, strict=True):
            taken = Reply(len(turn.match.history), turn.step, turn.prompt, answer)
            if isinstance(self.player, LanguageModelPlayer):
                taken.end = len(self.player.trajectory(turn.match, turn.seat).tokens)
            self.replies.setdefault((turn.match, turn.seat), []).append(taken)
        return answers


def run_transcripts(
    *,
    model: Path,
    agents: tuple[Agent, Agent],
    game: Mapping[str, Any],
    settings: Mapping[str, Any],
    output: Path,
) -> None:
    """Play a pair of agents and write down everything as JSON.

    Every two matches share their chance events, with swapped seats.

    Args:
        model: directory of the warm-started model.
        agents: who plays; every match lists them in this order, wherever they sit.
        game: the game's entry in the config.
        settings: how many `matches`, and how replies are sampled: `temperature`, `max_new_tokens`.
        output: JSON file: game, title, agents, and for every match its outcome, welfare_share, the
            seats and payoffs (points a round) of both agents, and its rounds; a round holds the
            rewards of both agents and the replies of each, with prompts and log-probabilities.

    Raises:
        UserError: the model or an adapter isn't there, or the adapter belongs to another base model.
    """
    rules = game_of(game)
    for agent in agents:
        if agent.adapter:
            check_adapter(agent.adapter, model)
    language_model = load_model(model)
    masks = language_model.masks(rules)
    adapters: dict[Path | None, str] = {
        agent.adapter: f"{agent.name}-{agent.seed}" for agent in agents if agent.adapter
    }
    mixed = with_adapters(language_model.model, adapters)
    played = [
        rules.start(derive_seed("transcript", index // 2)) for index in range(settings["matches"])
    ]
    seats = [
        (0, 1) if index % 2 == 0 else (1, 0) for index in range(settings["matches"])
    ]  # of both agents
    adapter_at = {
        (match, seat): adapters.get(agent.adapter, NO_ADAPTER)
        for match, placed in zip(played, seats, strict=True)
        for seat, agent in zip(placed, agents, strict=True)
        if agent.player is None
    }
    model_player = LanguageModelPlayer(
        mixed or language_model.model,
        language_model.chat,
        masks,
        streams_in_order("transcripts", rules.name, *(agent.name for agent in agents)),
        temperature=settings["temperature"],
        max_new_tokens=settings["max_new_tokens"],
        adapter_of=(lambda turn: adapter_at[turn.match, turn.seat]) if mixed else None,
    )
    on_model = Recorder(model_player)
    recorders = [Recorder(agent.player) if agent.player else on_model for agent in agents]
    play(
        played,
        [(recorders[placed.index(0)], recorders[placed.index(1)]) for placed in seats],
    )
    for name in sorted(set(adapter_at.values())):
        places = [place for place, adapter in adapter_at.items() if adapter == name]
        _add_log_probabilities(
            language_model, mixed, name, masks, on_model, places, settings["temperature"]
        )
    told = {
        "game": rules.name,
        "title": rules.title,
        "rounds": max(len(match.history) for match in played),
        "agents": [
            {"name": agent.name, "seed": None if agent.seed == UNSEEDED else agent.seed}
            for agent in agents
        ],
        "matches": [
            _match(rules, match, placed, recorders)
            for match, placed in zip(played, seats, strict=True)
        ],
    }
    output.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


@torch.inference_mode()
def _add_log_probabilities(
    language_model: LanguageModel,
    mixed: PeftModel | None,
    adapter: str,
    masks: TokenMasks,
    recorder: Recorder,
    places: Sequence[Place],
    temperature: float,
) -> None:
    """Score the replies of all seats that ran on an adapter, over what the sampler chose from."""
    player = recorder.player
    assert isinstance(player, LanguageModelPlayer)
    transcripts = [player.trajectory(*place) for place in places]
    active: AbstractContextManager[Any] = nullcontext()
    if mixed is not None and adapter == NO_ADAPTER:
        active = mixed.disable_adapter()
    elif mixed is not None:
        mixed.set_adapter(adapter)
    with active:
        for place, transcript in zip(places, transcripts, strict=True):
            batch = collate([transcript], language_model.padding)
            chosen, _ = action_log_probabilities(
                mixed or language_model.model, batch, masks.allowed, temperature
            )
            start = 0
            for reply in recorder.replies[place]:
                inside = (batch.position >= start) & (batch.position < reply.end)
                reply.log_probability = round(float(chosen.cpu()[inside].sum()), 5)
                start = reply.end


def _match(
    game: Game, match: Match, placed: tuple[int, int], recorders: Sequence[Recorder]
) -> dict[str, Any]:
    """A match as it is written down; agents in their own order."""
    by_agent = list(zip(recorders, placed, strict=True))
    rewards = [match.rewards(seat) for seat in placed]
    rounds = [
        {
            "rewards": [points[index] for points in rewards],
            "replies": [
                [
                    {
                        key: value
                        for key, value in asdict(reply).items()
                        if key not in ("round", "end")
                    }
                    for reply in recorder.replies[match, seat]
                    if reply.round == index
                ]
                for recorder, seat in by_agent
            ],
        }
        for index in range(len(match.history))
    ]
    count = len(match.history)
    share = welfare_share(sum(map(sum, rewards)), game.welfare_optimum(match))
    return {
        "seats": list(placed),
        "outcome": classify(game, match, greedy_payoffs(game, match.seed), placed[0]),
        "payoffs": [sum(points) / count for points in rewards],
        "welfare_share": None if math.isnan(share) else share,
        "invalid": [match.invalid[seat] for seat in placed],
        "rounds": rounds,
    }
