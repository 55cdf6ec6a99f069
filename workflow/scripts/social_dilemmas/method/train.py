"""Training by self-play: Learning Robust Social Strategies with Large Language Models (arXiv 2511.19405).

An agent is a LoRA adapter of a language model. It plays groups of matches, with itself, with past versions of itself or
with somebody who doesn't learn; credit is assigned to every round of every match; one optimiser step follows; again.

Departures from the paper: the size of everything, and the opponent is drawn per group, not per match (settings);
replies are sampled under a token mask that admits valid ones only, and the loss is over the same distribution (always).
"""

import time
from collections.abc import Mapping
from functools import partial
from math import ceil, nan
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from social_dilemmas.agents.agent import Agent
from social_dilemmas.config.schema.players import ApiPlayer
from social_dilemmas.config.settings import ROUNDING_ONLY, TrainingSettings
from social_dilemmas.games import game_of
from social_dilemmas.method.behaviour import OUTCOMES, summarise
from social_dilemmas.method.credit import (
    CREDITS,
    discounted_returns,
    leave_one_out,
    over_group_deviation,
    utilities,
)
from social_dilemmas.method.critic import round_states
from social_dilemmas.method.learner import Learner
from social_dilemmas.method.loss import MEASURED, add_gradients
from social_dilemmas.method.rollout import Rollout, Rollouts, padded
from social_dilemmas.policy.adapted_layers import adapted_layers
from social_dilemmas.policy.adapters import WEIGHTS, save_adapter
from social_dilemmas.policy.context import check_context
from social_dilemmas.policy.model import load_model, model_fingerprint
from social_dilemmas.policy.policy import Policy
from social_dilemmas.run.checksum import checksum
from social_dilemmas.run.memory import hand_back_memory
from social_dilemmas.run.progress import Progress
from social_dilemmas.run.ranks import ALONE, Ranks
from social_dilemmas.run.run import Run
from social_dilemmas.run.shortage import TRAINING_ADVICE, shortage_reported


def train(
    *,
    model: Path,
    game: Mapping[str, Any],
    settings: TrainingSettings,
    seed: int,
    output: Path,
    opponent: Agent | None = None,
    code: str = "",
    ranks: Ranks = ALONE,
) -> None:
    """Train an agent; a run that was interrupted resumes from its last checkpoint and ends in the same bytes.

    `model` is the directory of the warm-started (or base) model, `game` the game's entry in the configuration; `output`
    takes `adapter/`, `metrics.csv` and `config.yaml`. `opponent` is the only one, and never learns; without it, the
    agent plays itself. `code` tells versions of the code apart: none resumes another's run. Raises UserError if the
    model or the opponent isn't there or doesn't fit, or if disk or memory runs out.
    """
    learner = Learner(Policy(load_model(model), game_of(game)), settings, seed, opponent)
    stranger = opponent is not None and opponent.api is not None
    check_context(learner.policy, settings.max_new_tokens, stranger=stranger)
    run = open_run(model, game, {"settings": settings}, seed, output, code, ranks, opponent)
    start = run.resume(learner.restore)
    with (
        shortage_reported(output, TRAINING_ADVICE),
        Rollouts(learner, game, seed=seed, folder=output, ranks=ranks) as rollouts,
        Progress(settings.iterations, run.label, done=start) as progress,
    ):
        for iteration in range(start, settings.iterations):
            # 1. Sample: groups of matches that share their chance events.
            begin = time.perf_counter()
            with run.saved_on_failure(partial(learner.checkpoint, iteration)):
                rollout = rollouts.sample(iteration)
            # 2. to 6. Learn from them: returns, advantages, credit, loss, step.
            row = learn(learner, rollout, iteration, ranks, time.perf_counter() - begin)
            # 7. Keep: metrics, the learner as a past agent, a checkpoint.
            progress.advance(run.log({"iteration": iteration, **row}, rollouts.usages()))
            learner.pool.keep(iteration + 1)
            if (iteration + 1) % settings.checkpoint_every == 0:
                run.save(learner.checkpoint(iteration + 1, run.metrics))
    if ranks.is_main:
        save_adapter(learner.policy.model, model, output / "adapter")
        run.finish()


def learn(
    learner: Learner, rollout: Rollout, iteration: int, ranks: Ranks, sampling_seconds: float
) -> dict[str, float | int]:
    """The learner, whose adapter is the active one, learns from an iteration's matches; gives their metrics."""
    settings, begin = learner.settings, time.perf_counter()
    hand_back_memory()  # what sampling took; below, what the update took
    # 2. and 3. Returns G[t] = sum_{s>=t} gamma^(s-t) r[s] / c, and advantages A = G - baseline.
    own, other = advantages(rollout, learner, ranks)  # (rows, rounds) each
    # 4. Credit: naive A_own, sum of rewards A_own + A_other, or Advantage Alignment.
    credit_of = CREDITS[settings.credit]
    credit = credit_of(own, other, beta=settings.beta, discount=settings.discount)  # (rows, rounds)
    steps = []
    for _ in range(settings.epochs):  # one, unless steps are clipped as in PPO
        # 5. Loss: -credit * log pi, with KL and entropy terms, over the N action tokens.
        learner.zero_grad()
        sums = add_gradients(
            learner.policy,
            rollout.trajectories,
            credit[rollout.own],
            settings,
            total=rollout.action_tokens,
            measured=max(0, ceil(MEASURED * len(rollout.results)) - rollout.own.start),
        )
        # 6. Step, with the gradients of all ranks.
        steps.append((sums, learner.step(iteration, ranks)))
    hand_back_memory()
    sums, gradient_norm = steps[0]  # those of the policy that played
    seconds = (sampling_seconds, time.perf_counter() - begin)
    return metrics_row(learner, rollout, ranks.all_gather(sums), gradient_norm, seconds)


def advantages(rollout: Rollout, learner: Learner, ranks: Ranks) -> tuple[Tensor, Tensor]:
    """Advantages of the learner and of the other seat, (rows, rounds) each."""
    settings = learner.settings
    rewards, rewards_opponent = scaled_utilities(rollout, settings)  # (rows, rounds) each
    if learner.critic is not None:
        with adapted_layers(learner.policy.model, settings.merge_adapter):
            own_states = round_states(
                learner.policy, rollout.trajectories, rewards.shape[1], settings
            )
        states, played = map(torch.cat, zip(*ranks.all_gather(own_states), strict=True))
        both = torch.stack((rewards, rewards_opponent), dim=-1)  # (rows, rounds, 2)
        return learner.critic.advantages(states, played, both, settings.discount)
    groups = rollout.groups
    if settings.baseline == "batch":
        groups = groups % 2  # by seat, so that no row is compared with its own match
    own, other = (
        leave_one_out(discounted_returns(each, settings.discount), groups)
        for each in (rewards, rewards_opponent)
    )
    if settings.normalise == "group_std":
        own, other = over_group_deviation(own, groups), over_group_deviation(other, groups)
    return own, other


def scaled_utilities(rollout: Rollout, settings: TrainingSettings) -> tuple[Tensor, Tensor]:
    """What the learner and the other seat make of both seats' scaled rewards, (rows, rounds) each."""
    how = {**settings.preferences.plain(), "discount": settings.discount}
    own, other = (
        points / settings.reward_scale for points in (rollout.rewards, rollout.rewards_opponent)
    )
    played = padded([[1.0] * len(result.rewards) for result in rollout.results])
    return utilities(own, other, **how) * played, utilities(other, own, **how) * played


def metrics_row(
    learner: Learner,
    rollout: Rollout,
    losses: list[dict[str, float]],
    gradient_norm: float,
    seconds: tuple[float, float],
) -> dict[str, float | int]:
    """An iteration's metrics: outcomes (with others about, those of self-play), the update, behaviour.

    `losses` is what `add_gradients` gave in every rank, `gradient_norm` is before clipping, `seconds` are those of
    sampling and of training.
    """
    game = learner.policy.game
    behaviour = summarise(game, rollout.results)
    outcomes = {name: behaviour.pop(name) for name in OUTCOMES}
    if learner.pool.meets_others:
        found = summarise(game, [result for result in rollout.results if result.self_play])
        outcomes = {name: found[name] for name in OUTCOMES}
    sums = {name: sum(part[name] for part in losses) for name in losses[0]}
    served = {
        name: _mean(value, rollout.action_tokens)
        for name, value in sums.items()
        if name == "sampler_difference"
    }
    return {
        **outcomes,
        "loss": sums["loss"],
        "entropy": _mean(sums["entropy"], rollout.action_tokens),
        "kl": _mean(sums["kl"], sums["kl_tokens"]),
        **served,
        "gradient_norm": gradient_norm,
        "tokens": rollout.tokens,
        "seconds_sampling": seconds[0],
        "seconds_training": seconds[1],
        **behaviour,
    }


def _mean(total: float, count: float) -> float:
    """The mean over action tokens; NaN where hands slipped in place of all choices."""
    return total / count if count else nan


def open_run(
    model: Path,
    game: Mapping[str, Any],
    settings: Mapping[str, TrainingSettings],
    seed: int,
    output: Path,
    code: str,
    ranks: Ranks,
    opponent: Agent | None = None,
) -> Run:
    """The run on disk; its checkpoints belong to everything that its results depend on.

    `settings` are those of each of its learners, by their names in the record.
    """
    learning = {name: each.plain() for name, each in settings.items()}
    record = {
        "seed": seed,
        "model": str(model),
        "game": dict(game),
        **learning,
        "opponent": opponent.plain() if opponent else None,
        "code": code,
        "base": model_fingerprint(model),
    }
    facing = f" against {opponent.name}" if opponent else ""
    frozen = opponent.adapter if opponent else None
    depends_on = {
        **record,
        **{
            name: {key: value for key, value in plain.items() if key not in ROUNDING_ONLY}
            for name, plain in learning.items()
        },
        "opponent": _decisive(opponent) if opponent else None,
        "model": "",  # wherever it is
        "adapter": checksum(Path(frozen) / WEIGHTS) if frozen else "",
    }
    credits = " against ".join(each.credit for each in settings.values())
    label = f"{game['name']}, {credits}{facing}, seed {seed}"
    return Run(output, record, label, depends_on, ranks)


def _decisive(agent: Agent) -> dict[str, Any]:
    """What an agent's play depends on, as data: of a player behind an API, not how its server is reached."""
    plain = agent.plain()
    if agent.api is not None:
        plain["api"] = ApiPlayer.model_validate_json(agent.api).decisive()
    return plain
