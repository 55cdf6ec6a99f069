"""Supervised warm start: a model learns to play like a population of scripted players.

The base model gets its social prior here, as a large model gets it from its pre-training. It is one warm start
for all algorithms and seeds of a game. The loss is on the players' own choices only, under the same token masks
as in play.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from peft import PeftModel
from torch.nn import Module

from social_dilemmas.agents.agent import WARM_START, Agent
from social_dilemmas.agents.play import Player, Players, play, play_batch
from social_dilemmas.agents.scripted.noise import Noisy
from social_dilemmas.agents.scripted.player import scripted_player, scripted_player_names
from social_dilemmas.config.schema.warm_start import WarmStart
from social_dilemmas.games import game_of
from social_dilemmas.games.game import SEATS, Game, Match, Turn
from social_dilemmas.method.behaviour import seat_result, summarise
from social_dilemmas.method.loss import micro_batches
from social_dilemmas.method.step import finite_step
from social_dilemmas.policy.adapted_layers import adapted_layers
from social_dilemmas.policy.context import check_context
from social_dilemmas.policy.log_probabilities import action_log_probabilities
from social_dilemmas.policy.model import LanguageModel, load_model
from social_dilemmas.policy.policy import Policy
from social_dilemmas.policy.sampler import PolicySampler, in_order
from social_dilemmas.policy.trajectory import Trajectory, collate
from social_dilemmas.randomness import derive_seed, stream
from social_dilemmas.run.links import link_weights
from social_dilemmas.run.metrics import MetricsFile
from social_dilemmas.run.progress import Progress

EVALUATED_EVERY = 25  # steps

Demonstrations = Callable[..., list[Trajectory]]
"""Called as `demonstrations`."""

Lesson = tuple[Game, WarmStart]
"""What is demonstrated, and how it is learned."""


def demonstrations(
    policy: Policy, settings: WarmStart, count: int, *purpose: object
) -> list[Trajectory]:
    """Both seats' trajectories of new matches between players drawn from the population, with noise.

    They are in the policy's tokens. The same purpose gives the same matches, in whatever order the population stands.
    """
    pairs = drawn_pairs(policy.game.kind, settings, count, *purpose)
    return [each for both in recorded(policy, pairs, *purpose) for each in both]


def drawn_pairs(
    kind: str, settings: WarmStart, count: int, *purpose: object
) -> list[tuple[Player, Player]]:
    """So many pairs of noisy players, each drawn from the population by itself."""
    random = stream("population", *purpose)
    players = {
        name: Noisy(scripted_player(kind, name), settings.noise) for name in settings.population
    }
    names = sorted(players, key=scripted_player_names(kind).index)
    weights = [settings.population[name] for name in names]
    drawn = [random.choices(names, weights, k=2) for _ in range(count)]
    return [(players[first], players[second]) for first, second in drawn]


def recorded(
    policy: Policy, pairs: Sequence[tuple[Player, Player]], *purpose: object
) -> list[tuple[Trajectory, Trajectory]]:
    """The trajectories of both seats, in the policy's tokens, of a new match of each pair."""
    seeds = [derive_seed("warm start match", *purpose, i) for i in range(len(pairs))]
    matches = list(map(policy.game.start, seeds))
    found = {(match, seat): Trajectory() for match in matches for seat in SEATS}

    def write_down(turn: Turn, reply: str) -> None:
        trajectory = found[turn.match, turn.seat]
        trajectory.ask(turn, policy.chat, policy.masks)
        trajectory.answer(turn, reply, policy.masks)

    play(matches, pairs, write_down)
    return [(found[match, 0], found[match, 1]) for match in matches]


def run_warm_start(
    *,
    base: Path,
    game: Mapping[str, Any],
    settings: WarmStart,
    output: Path,
    metrics: Path,
    behaviour: Path,
) -> None:
    """Train a model on the population's trajectories and save it as an ordinary model directory.

    With `method: lora` an adapter is trained and merged into the model at the end, so that everything downstream sees a
    plain model either way; with `steps: 0` the model stays as it is. `metrics` takes the loss of every step, and now
    and then on held-out trajectories, `behaviour` what the model does when it plays itself. Raises UserError if the
    base model isn't there, or if the population names an unknown player.
    """
    language_model = load_model(base)
    policy = Policy(language_model, game_of(game))
    check_context(policy, settings.max_new_tokens)
    if settings.steps > 0:
        imitate(policy, lessons(game, settings), metrics, "warm start")
        if isinstance(policy.model, PeftModel):
            policy.model = policy.model.merge_and_unload()
        LanguageModel(policy.model, language_model.chat, output).save(output)
    else:
        shutil.copytree(
            base, output, copy_function=link_weights, ignore=shutil.ignore_patterns(".*")
        )
        metrics.write_text("step,loss,held_out_loss\n")
    summary = self_play(policy, settings)
    pd.DataFrame(summary.items(), columns=["quantity", "value"]).to_csv(behaviour, index=False)


def lessons(game: Mapping[str, Any], settings: WarmStart) -> list[Lesson]:
    """The primer, if there is one, and the matches of the population."""
    main = game_of(game), settings
    if (primer := settings.primer) is None:
        return [main]
    first = settings.model_copy(update=primer.model_dump(exclude={"rounds"}))
    return [(game_of({**game, "rounds": primer.rounds}), first), main]


def self_play(policy: Policy, settings: WarmStart) -> dict[str, float]:
    """What the model does when it plays itself."""
    names, game = in_order("warm start behaviour"), policy.game
    sampler = PolicySampler(policy, names, max_new_tokens=settings.max_new_tokens)
    matches: list[Match] = [
        game.start(derive_seed("warm start behaviour", index))
        for index in range(settings.evaluation_matches)
    ]
    agent = Agent(WARM_START)
    play_batch(matches, [(agent, agent)] * len(matches), Players(game), sampler)
    return summarise(game, [seat_result(match, seat) for match in matches for seat in SEATS])


def imitate(
    policy: Policy,
    lessons: Sequence[Lesson],
    metrics: Path,
    label: str,
    demonstrate: Demonstrations = demonstrations,
) -> None:
    """Train the policy's model, or an adapter of it, on demonstrated trajectories, new ones at every step.

    The policy is left with the game of the last lesson, whose settings also say what is trained. `metrics` takes the
    losses; `label` says in the log what is learned. All weights of a model in half precision are trained as float32
    master weights, and rounded at the end: most steps are less than half precision can tell (Micikevicius et al.,
    Mixed Precision Training, arXiv 1710.03740).
    """
    settings = lessons[-1][1]
    dtype, device = policy.model.dtype, policy.model.device
    half = settings.method == "full" and dtype.itemsize < 4
    if half:
        store_weights(policy.model, torch.float32)
    if settings.method == "lora":
        policy.add_learner(
            rank=settings.lora_rank,
            alpha=settings.lora_alpha,
            seed=derive_seed("warm start adapter"),
        )
    autocast = torch.autocast(device.type, dtype if half else None, enabled=half)
    rows, done = MetricsFile(metrics), 0
    for game, lesson in lessons:
        policy.game = game
        _learn(policy, lesson, rows, done, label, demonstrate, autocast)
        done += lesson.steps
    if half:
        store_weights(policy.model, dtype)


def _learn(
    policy: Policy,
    settings: WarmStart,
    rows: MetricsFile,
    done: int,
    label: str,
    demonstrate: Demonstrations,
    autocast: torch.autocast,
) -> None:
    """The steps of a lesson, after so many of those before; `imitate` says the rest."""
    parameters = [each for each in policy.model.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=0.01)
    held_out = demonstrate(policy, settings, settings.matches, "held out")
    steps = settings.steps
    with Progress(steps, f"{policy.game.name}, {label}") as progress:
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * schedule(step, steps)
            batch = demonstrate(policy, settings, settings.matches, "step", step)
            optimizer.zero_grad()
            loss = mean_loss(policy, settings, batch, autocast, learn=True)
            finite_step(
                optimizer, parameters, 1.0, f"{policy.game.name}, {label}, step {done + step}"
            )
            held_out_loss = float("nan")
            if (step + 1) % EVALUATED_EVERY == 0 or step + 1 == steps:
                held_out_loss = mean_loss(policy, settings, held_out, autocast, learn=False)
            rows.append({"step": done + step, "loss": loss, "held_out_loss": held_out_loss})
            progress.advance(f"loss {loss:.3f}")


def mean_loss(
    policy: Policy,
    settings: WarmStart,
    trajectories: Sequence[Trajectory],
    autocast: torch.autocast,
    *,
    learn: bool,
) -> float:
    """The mean negative log-likelihood of a choice; its gradient is added to the parameters' if they learn."""
    choices, total = sum(len(each.positions) for each in trajectories), 0.0
    for rows in micro_batches(trajectories, settings.micro_batch_tokens):
        batch = collate([trajectories[row] for row in sorted(rows)], policy.model.device)
        with (
            torch.set_grad_enabled(learn),
            autocast,
            adapted_layers(policy.model, merge=False),
        ):
            found, _ = action_log_probabilities(policy.model, batch, policy.masks.allowed)
            loss = -found.mean() * (batch.size / choices)
        if learn:
            loss.backward()
        total += loss.item()
    return total


def store_weights(model: Module, dtype: torch.dtype) -> None:
    """Keep a model's weights, but not its buffers, in this precision."""
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)


def schedule(step: int, steps: int) -> float:
    """Share of the learning rate: a short linear rise, then a plateau, then a linear fall over the last 40 %."""
    rise = min(1.0, (step + 1) / 20)
    fall = min(1.0, (steps - step) / (0.4 * steps))
    return rise * max(fall, 0.05)
