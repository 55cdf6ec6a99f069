"""Supervised warm start: a model learns to play like a population of scripted players.

The base model gets its social prior here, as a large model gets it from its pre-training. It is one warm start
for all algorithms and seeds of a game. The loss is on the players' own choices only, under the same token masks
as in play.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from peft import PeftModel
from torch import Tensor
from transformers import PreTrainedModel

from social_dilemmas.agents.play import play
from social_dilemmas.agents.player import Player
from social_dilemmas.agents.scripted.noise import Noisy
from social_dilemmas.agents.scripted.player import scripted_player
from social_dilemmas.games import game_of
from social_dilemmas.games.game import Game, Match, Turn
from social_dilemmas.method.rollout import summarise
from social_dilemmas.policy.adapters import attach_learner
from social_dilemmas.policy.chat import ChatFormat
from social_dilemmas.policy.log_probabilities import action_log_probabilities
from social_dilemmas.policy.masks import TokenMasks
from social_dilemmas.policy.model import LanguageModel, load_model
from social_dilemmas.policy.sampler import LanguageModelPlayer, streams_in_order
from social_dilemmas.policy.trajectory import Trajectory, collate
from social_dilemmas.randomness import derive_seed, stream
from social_dilemmas.run.metrics import MetricsFile
from social_dilemmas.run.progress import Progress

EVALUATED_EVERY = 25  # steps


class Recorder:
    """A player whose conversations are written down as trajectories."""

    def __init__(self, player: Player, chat: ChatFormat, masks: TokenMasks) -> None:
        self._player = player
        self._chat = chat
        self._masks = masks
        self.trajectories: dict[tuple[Match, int], Trajectory] = {}

    def reply(self, turns: Sequence[Turn]) -> list[str]:
        """The player's replies."""
        replies = self._player.reply(turns)
        for turn, reply in zip(turns, replies, strict=True):
            trajectory = self.trajectories.setdefault((turn.match, turn.seat), Trajectory())
            trajectory.ask(turn, self._chat)
            trajectory.answer(turn, reply, self._masks)
        return replies


class Population:
    """Trajectories of matches between players drawn from a weighted population.

    Args:
        population: weights by the names of scripted players.
        noise: probability that a choice is replaced by a random one.
    """

    def __init__(
        self,
        game: Game,
        population: Mapping[str, float],
        noise: float,
        chat: ChatFormat,
        masks: TokenMasks,
    ) -> None:
        self._game = game
        self._weights = list(population.values())
        self._recorders = [
            Recorder(Noisy(scripted_player(game.kind, name), noise), chat, masks)
            for name in population
        ]

    def trajectories(self, count: int, *purpose: object) -> list[Trajectory]:
        """Both seats' trajectories of `count` new matches; the same purpose gives the same matches."""
        random = stream("population", *purpose)
        matches = [
            self._game.start(derive_seed("warm start match", *purpose, index))
            for index in range(count)
        ]
        pairs = [random.choices(self._recorders, self._weights, k=2) for _ in matches]
        play(matches, [(first, second) for first, second in pairs])
        found = [
            pair[seat].trajectories[match, seat]
            for match, pair in zip(matches, pairs, strict=True)
            for seat in (0, 1)
        ]
        for recorder in self._recorders:
            recorder.trajectories.clear()
        return found


def run_warm_start(
    *,
    base: Path,
    game: Mapping[str, Any],
    settings: Mapping[str, Any],
    output: Path,
    metrics: Path,
    behaviour: Path,
) -> None:
    """Train a model on the population's trajectories and save it as an ordinary model directory.

    Args:
        base: directory of the base model.
        game: the game's entry in the config.
        settings: merged `warm_start` settings. With `method: lora` an adapter is trained and merged into the model
            at the end, so that everything downstream sees a plain model either way. With `steps: 0` the model stays
            as it is, and nobody is imitated.
        output: directory for the model.
        metrics: CSV with the loss of every step, and on held-out trajectories now and then.
        behaviour: CSV with what the model does when it plays itself, and the population for comparison.

    Raises:
        UserError: the base model isn't there, or the population names an unknown player.
    """
    language_model = load_model(base)
    rules = game_of(game)
    masks = language_model.masks(rules)
    model = language_model.model
    if settings["steps"] > 0:
        model = _taught(language_model, rules, masks, settings, metrics)
        LanguageModel(model, language_model.chat, output).save(output)
    else:
        shutil.copytree(base, output, copy_function=_link, ignore=shutil.ignore_patterns(".*"))
        metrics.write_text("step,loss,held_out_loss\n")

    player = LanguageModelPlayer(
        model,
        language_model.chat,
        masks,
        streams_in_order("warm start behaviour"),
        max_new_tokens=settings["max_new_tokens"],
    )
    matches = [
        rules.start(derive_seed("warm start behaviour", index))
        for index in range(settings["evaluation_matches"])
    ]
    play(matches, [(player, player)] * len(matches))
    summary = summarise(rules, [(match, seat) for match in matches for seat in (0, 1)])
    pd.DataFrame(summary.items(), columns=["quantity", "value"]).to_csv(behaviour, index=False)


def _link(source: str, target: str) -> None:
    """The same file under a second name, which takes no room, or a copy where that can't be."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _taught(
    language_model: LanguageModel,
    rules: Game,
    masks: TokenMasks,
    settings: Mapping[str, Any],
    metrics: Path,
) -> PreTrainedModel:
    """The model, trained on the population's trajectories."""
    population = Population(
        rules, settings["population"], settings["noise"], language_model.chat, masks
    )
    model: PreTrainedModel | PeftModel = language_model.model
    if settings["method"] == "lora":
        model = attach_learner(
            language_model,
            rank=settings["lora_rank"],
            alpha=settings["lora_alpha"],
            seed=derive_seed("warm start adapter"),
        )
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=settings["learning_rate"], weight_decay=0.01)

    def negative_log_likelihood(trajectories: Sequence[Trajectory]) -> Tensor:
        batch = collate(trajectories, language_model.padding)
        return -action_log_probabilities(model, batch, masks.allowed)[0].mean()

    held_out = population.trajectories(settings["matches"], "held out")
    rows = MetricsFile(metrics)
    steps = settings["steps"]
    with Progress(steps, f"{rules.name}, warm start") as progress:
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = settings["learning_rate"] * schedule(step, steps)
            loss = negative_log_likelihood(
                population.trajectories(settings["matches"], "step", step)
            )
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            held_out_loss = float("nan")
            if (step + 1) % EVALUATED_EVERY == 0 or step + 1 == steps:
                with torch.no_grad():
                    held_out_loss = negative_log_likelihood(held_out).item()
            rows.append({"step": step, "loss": loss.item(), "held_out_loss": held_out_loss})
            progress.advance(f"loss {loss.item():.3f}")
    if isinstance(model, PeftModel):
        model = model.merge_and_unload()
    return model


def schedule(step: int, steps: int) -> float:
    """Share of the learning rate: a short linear rise, then a plateau, then a linear fall over the last 40 %."""
    rise = min(1.0, (step + 1) / 20)
    fall = min(1.0, (steps - step) / (0.4 * steps))
    return rise * max(fall, 0.05)
