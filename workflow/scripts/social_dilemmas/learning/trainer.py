"""Reinforcement learning of an adapter by playing: sample, give credit, take one optimiser step, again.

Departures from arXiv 2511.19405, all of them settings: the size of everything, and replies drawn under a token mask
that only admits valid ones.
"""

import logging
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
import yaml
from peft import PeftModel
from torch import Tensor

from social_dilemmas.games import game_of
from social_dilemmas.games.game import Game
from social_dilemmas.generation.model import LanguageModel, load_model, model_fingerprint
from social_dilemmas.generation.sampler import LanguageModelPlayer
from social_dilemmas.generation.transcript import collate
from social_dilemmas.learning.adapters import (
    LEARNER,
    adapter_weights,
    attach_learner,
    folded,
    put_adapter,
    save_adapter,
)
from social_dilemmas.learning.checkpoint import (
    Checkpoint,
    CheckpointFolder,
    moments,
    restore_moments,
)
from social_dilemmas.learning.credit import CREDITS, discounted_returns, leave_one_out
from social_dilemmas.learning.critic import Critic, round_states
from social_dilemmas.learning.log_probabilities import chosen_log_probabilities
from social_dilemmas.learning.loss import loss_terms
from social_dilemmas.learning.metrics import MetricsFile
from social_dilemmas.learning.opponents import (
    FixedOpponent,
    Opponents,
    PastAgents,
    SelfPlay,
    adapter_checksum,
    fixed_opponent,
    past_agent,
)
from social_dilemmas.learning.rollout import (
    Experience,
    adapter_names,
    adapters_in,
    play_seatings,
    seat_learner,
    summarise,
)
from social_dilemmas.progress import Progress
from social_dilemmas.randomness import derive_seed, stream

logger = logging.getLogger(__name__)
GAME_FACTS = ("name", "kind", "rounds", "rules")  # keys of a game's entry that say how it is played


class Trainer:
    """A training run. One that was interrupted goes on from its last checkpoint and ends in the same bytes."""

    def __init__(
        self,
        model: Path,
        game: Mapping[str, Any],
        settings: Mapping[str, Any],
        seed: int,
        output: Path,
        *,
        opponent: Mapping[str, Any] | None = None,
        code: str = "",
    ) -> None:
        """Prepare a run.

        Args:
            model: directory of the warm-started (or base) model.
            game: the game's entry in the config.
            settings: merged settings of the run, see `social_dilemmas.learning.settings`.
            seed: seed of the run.
            output: folder that takes `adapter/`, `metrics.csv` and `config.yaml`.
            opponent: a fixed opponent, see `opponents.fixed_opponent`; None for self-play.
            code: tells versions of the code apart; a checkpoint that another version wrote isn't used.

        Raises:
            UserError: the model or an opponent's adapter isn't there or doesn't fit.
        """
        output.mkdir(parents=True, exist_ok=True)
        self._path = model
        self._output = output
        self._settings = settings
        self._seed = seed
        self._game: Game = game_of(game)
        self._language_model: LanguageModel = load_model(model)
        self._masks = self._language_model.masks(self._game)
        self.model: PeftModel = attach_learner(
            self._language_model,
            rank=settings["lora_rank"],
            alpha=settings["lora_alpha"],
            seed=derive_seed(seed, "adapter"),
        )
        self._trained = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        self._optimizer = torch.optim.Adam(self._trained.values(), lr=settings["learning_rate"])
        self._credit = partial(
            CREDITS[settings["credit"]], beta=settings["beta"], discount=settings["discount"]
        )
        self._critic = None
        if settings["baseline"] == "critic":
            self._critic = Critic(self.model.config.hidden_size, **settings["critic"])
        self._opponents = self._choose_opponents(opponent)
        self._past_agents: dict[int, dict[str, Tensor]] = {}
        self._record = {
            "seed": seed,
            "model": str(model),
            "game": {key: game[key] for key in GAME_FACTS if key in game},
            "settings": dict(settings),
            "opponent": dict(opponent) if opponent else None,
        }
        facing = f" against {opponent['name']}" if opponent else ""
        self._label = f"{game['name']}, {settings['credit']}{facing}, seed {seed}"
        self._checkpoints = CheckpointFolder(
            output / "checkpoints",
            {
                **self._record,
                "model": model_fingerprint(model),
                "adapter": adapter_checksum(opponent),
                "code": code,
            },
        )

    def run(self) -> None:
        """Run what is left of the iterations and write the results."""
        start, metrics = self._resume()
        iterations = self._settings["iterations"]
        with Progress(iterations, self._label, done=start) as progress:
            for iteration in range(start, iterations):
                row = self._iterate(iteration)
                metrics.append(row)
                done = iteration + 1
                self._remember(done)
                if done % self._settings["checkpoint_every"] == 0 and done < iterations:
                    self._save_checkpoint(done, metrics)
                progress.advance(f"{row['payoff']:.3g} points a round")
        save_adapter(self.model, self._path, self._output / "adapter")
        record = yaml.safe_dump(self._record, sort_keys=False)
        (self._output / "config.yaml").write_text(record)
        if isinstance(self._opponents, FixedOpponent):
            self._opponents.write_usage(self._output / "usage.json")
        self._checkpoints.remove()

    def _iterate(self, iteration: int) -> dict[str, float | int]:
        started = time.perf_counter()
        experience = self._play(iteration)
        sampled = time.perf_counter()
        update = self._update(experience, iteration)
        trained = time.perf_counter()
        behaviour = summarise(self._game, experience.seats)
        outcome = ("payoff", "payoff_other", "welfare_share", "invalid_rate")
        return {
            "iteration": iteration,
            **{name: behaviour.pop(name) for name in outcome},
            **update,
            "seconds_sampling": sampled - started,
            "seconds_training": trained - sampled,
            **behaviour,
        }

    def _play(self, iteration: int) -> Experience:
        seatings = seat_learner(
            self._game,
            self._opponents,
            seed=self._seed,
            iteration=iteration,
            matches=self._settings["matches"],
            group_size=self._settings["group_size"],
        )
        numbers = {seating.match: number for number, seating in enumerate(seatings)}
        player = partial(
            LanguageModelPlayer,
            self.model,
            self._language_model.chat,
            self._masks,
            lambda turn: stream(self._seed, iteration, numbers[turn.match], turn.seat, "sampling"),
            temperature=self._settings["temperature"],
            max_new_tokens=self._settings["max_new_tokens"],
        )
        adapters = adapters_in(seatings)
        with torch.no_grad(), folded(self.model, self._settings["fold_adapter"], adapters):
            if adapters == [LEARNER]:
                return play_seatings(seatings, player())
            return play_seatings(seatings, player(adapter_of=adapter_names(seatings)))

    def _credit_of(self, experience: Experience) -> Tensor:
        """(rows, rounds) credit of every learning seat."""
        settings = self._settings
        rewards, other_rewards = (
            points / settings["reward_scale"]
            for points in (experience.rewards, experience.other_rewards)
        )  # (rows, rounds)
        if self._critic is not None:
            with folded(self.model, settings["fold_adapter"]):
                states, played = round_states(
                    self.model,
                    experience.transcripts,
                    rewards.shape[1],
                    micro_batch=settings["micro_batch"],
                    padding=self._language_model.padding,
                )
            both = torch.stack((rewards, other_rewards), dim=-1)  # (rows, rounds, 2)
            return self._credit(
                *self._critic.advantages(states, played, both, settings["discount"])
            )
        groups = experience.groups
        if settings["baseline"] == "batch":
            groups = groups % 2  # by seat, so that no row is compared with its own match
        own, other = (
            leave_one_out(discounted_returns(each, settings["discount"]), groups)
            for each in (rewards, other_rewards)
        )
        return self._credit(own, other)

    def _update(self, experience: Experience, iteration: int) -> dict[str, float | int]:
        """One optimiser step on an iteration's experience, in micro-batches."""
        settings = self._settings
        credit = self._credit_of(experience)  # (rows, rounds)
        total = sum(len(transcript.positions) for transcript in experience.transcripts)
        for group in self._optimizer.param_groups:
            group["lr"] = settings["learning_rate"] * self._decay(iteration)
        self._optimizer.zero_grad()
        sums = dict.fromkeys(("loss", "entropy", "kl"), 0.0)
        kl_tokens = 0
        for first in range(0, len(experience.transcripts), settings["micro_batch"]):
            rows = slice(first, first + settings["micro_batch"])
            batch = collate(experience.transcripts[rows], self._language_model.padding)
            scored = partial(
                chosen_log_probabilities,
                batch=batch,
                allowed=self._masks.allowed,
                temperature=settings["temperature"],
            )
            # Where the divergence isn't part of the loss, one micro-batch tells how far it went.
            measured = settings["kl_coefficient"] > 0 or first == 0
            reference = None
            if measured:
                with torch.no_grad(), self.model.disable_adapter():
                    reference, _ = scored(self.model)
                kl_tokens += batch.size
            with folded(self.model, settings["fold_adapter"]):
                log_probabilities, entropies = scored(self.model)
            terms = loss_terms(
                log_probabilities,
                entropies,
                credit[rows][batch.conversation, batch.round].to(log_probabilities.device),
                reference=reference,
                kl_estimator=settings["kl_estimator"],
            )
            loss = terms.policy / total
            if settings["kl_coefficient"] > 0:
                loss = loss + settings["kl_coefficient"] * terms.kl / total
            if settings["entropy_coefficient"] > 0:
                loss = loss - settings["entropy_coefficient"] * terms.entropy / total
            loss.backward()
            for name, value in (("loss", loss), ("entropy", terms.entropy), ("kl", terms.kl)):
                sums[name] += value.item()
        norm = torch.nn.utils.clip_grad_norm_(self._trained.values(), settings["gradient_clip"])
        self._optimizer.step()
        return {
            "loss": sums["loss"],
            "entropy": sums["entropy"] / total,
            "kl": sums["kl"] / kl_tokens,
            "gradient_norm": norm.item(),
            "tokens": sum(len(transcript.tokens) for transcript in experience.transcripts),
        }

    def _decay(self, iteration: int) -> float:
        if self._settings["learning_rate_decay"] == "linear":
            return 1 - iteration / self._settings["iterations"]
        return 1.0

    def _choose_opponents(self, opponent: Mapping[str, Any] | None) -> Opponents:
        buffer = self._settings["buffer"]
        if opponent is not None:
            return FixedOpponent(fixed_opponent(opponent, self._game, self.model, self._path))
        if buffer["size"] > 0:
            return PastAgents(
                seed=self._seed,
                probability=buffer["probability"],
                size=buffer["size"],
                per_match=buffer["draw"] == "match",
            )
        return SelfPlay()

    def _remember(self, iteration: int) -> None:
        """Put the learner into the buffer of past agents, if it is time."""
        if (
            isinstance(self._opponents, PastAgents)
            and iteration % self._settings["buffer"]["every"] == 0
        ):
            self._add_past_agent(iteration, adapter_weights(self.model))

    def _add_past_agent(self, iteration: int, weights: dict[str, Tensor]) -> None:
        assert isinstance(self._opponents, PastAgents)
        dropped = self._opponents.add(iteration)
        if dropped is not None:
            del self._past_agents[dropped]
            self.model.delete_adapter(past_agent(dropped))
        self._past_agents[iteration] = weights
        put_adapter(self.model, weights, past_agent(iteration))

    def _save_checkpoint(self, iteration: int, metrics: MetricsFile) -> None:
        self._checkpoints.save(
            Checkpoint(
                iteration,
                adapter_weights(self.model),
                moments(self._optimizer, self._trained),
                self._past_agents,
                metrics.text,
                self._critic.state() if self._critic else {},
            )
        )

    def _resume(self) -> tuple[int, MetricsFile]:
        """Put the run where its last checkpoint left it; the iteration to go on with, and the metrics so far."""
        metrics = self._output / "metrics.csv"
        checkpoint = self._checkpoints.latest()
        if checkpoint is None:
            return 0, MetricsFile(metrics)
        logger.info("%s: resuming after iteration %d", self._label, checkpoint.iteration)
        put_adapter(self.model, checkpoint.learner, LEARNER)
        restore_moments(self._optimizer, self._trained, checkpoint.optimizer)
        if self._critic:
            self._critic.restore(checkpoint.critic)
        for iteration, weights in checkpoint.past_agents.items():
            self._add_past_agent(iteration, weights)
        return checkpoint.iteration, MetricsFile(metrics, checkpoint.metrics)
