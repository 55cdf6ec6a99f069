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

from social_dilemmas.games import game_of
from social_dilemmas.games.game import Game, Match, Turn
from social_dilemmas.generation.chat import ChatFormat
from social_dilemmas.generation.masks import TokenMasks
from social_dilemmas.generation.model import LanguageModel, load_model
from social_dilemmas.generation.sampler import LanguageModelPlayer, streams_in_order
from social_dilemmas.generation.transcript import Transcript, collate
from social_dilemmas.learning.adapters import attach_learner
from social_dilemmas.learning.log_probabilities import chosen_log_probabilities
from social_dilemmas.learning.metrics import MetricsFile
from social_dilemmas.learning.rollout import summarise
from social_dilemmas.players.noise import Noisy
from social_dilemmas.players.play import play
from social_dilemmas.players.player import Player
from social_dilemmas.players.scripted import scripted_player
from social_dilemmas.progress import Progress
from social_dilemmas.randomness import derive_seed, stream

EVALUATED_EVERY = 25  # steps


class Recorder:
    """A player whose conversations are written down as transcripts."""

    def __init__(self, player: Player, chat: ChatFormat, masks: TokenMasks) -> None:
        self._player = player
        self._chat = chat
        self._masks = masks
        self.transcripts: dict[tuple[Match, int], Transcript] = {}

    def reply(self, turns: Sequence[Turn]) -> list[str]:
        """The player's replies."""
        replies = self._player.reply(turns)
        for turn, reply in zip(turns, replies, strict=True):
            transcript = self.transcripts.setdefault((turn.match, turn.seat), Transcript())
            transcript.ask(turn, self._chat)
            transcript.answer(turn, reply, self._masks)
        return replies


class Population:
    """Transcripts of matches between players drawn from a weighted population.

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

    def transcripts(self, count: int, *purpose: object) -> list[Transcript]:
        """Both seats' transcripts of `count` new matches; the same purpose gives the same matches."""
        random = stream("population", *purpose)
        matches = [
            self._game.start(derive_seed("warm start match", *purpose, index))
            for index in range(count)
        ]
        pairs = [random.choices(self._recorders, self._weights, k=2) for _ in matches]
        play(matches, [(first, second) for first, second in pairs])
        found = [
            pair[seat].transcripts[match, seat]
            for match, pair in zip(matches, pairs, strict=True)
            for seat in (0, 1)
        ]
        for recorder in self._recorders:
            recorder.transcripts.clear()
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
    """Train a model on the population's transcripts and save it as an ordinary model directory.

    Args:
        base: directory of the base model.
        game: the game's entry in the config.
        settings: merged `warm_start` settings. With `method: lora` an adapter is trained and merged into the model
            at the end, so that everything downstream sees a plain model either way. With `steps: 0` the model stays
            as it is, and nobody is imitated.
        output: directory for the model.
        metrics: CSV with the loss of every step, and on held-out transcripts now and then.
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
    """The model, trained on the population's transcripts."""
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

    def negative_log_likelihood(transcripts: Sequence[Transcript]) -> Tensor:
        batch = collate(transcripts, language_model.padding)
        return -chosen_log_probabilities(model, batch, masks.allowed)[0].mean()

    held_out = population.transcripts(settings["matches"], "held out")
    rows = MetricsFile(metrics)
    steps = settings["steps"]
    with Progress(steps, f"{rules.name}, warm start") as progress:
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = settings["learning_rate"] * schedule(step, steps)
            loss = negative_log_likelihood(
                population.transcripts(settings["matches"], "step", step)
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
