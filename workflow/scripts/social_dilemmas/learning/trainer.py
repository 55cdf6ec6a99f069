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

from social_dilemmas.games import build_game
from social_dilemmas.games.game import Game
from social_dilemmas.generation.model import LanguageModel, load_model, model_fingerprint
from social_dilemmas.generation.sampler import LanguageModelPlayer
from social_dilemmas.generation.transcript import collate
from social_dilemmas.learning.adapters import (
    LEARNER,
    adapter_weights,
    attach_learner,
    check_adapter,
    folded,
    put_adapter,
    save_adapter,
)
from social_dilemmas.learning.checkpoint import Checkpoint, CheckpointFolder
from social_dilemmas.learning.checksum import checksum
from social_dilemmas.learning.credit import CREDITS, discounted_returns, leave_one_out
from social_dilemmas.learning.log_probabilities import chosen_log_probabilities
from social_dilemmas.learning.loss import loss_terms
from social_dilemmas.learning.metrics import MetricsFile
from social_dilemmas.learning.opponents import (
    FixedOpponent,
    Opponents,
    PastAgents,
    SelfPlay,
    past_agent,
)
from social_dilemmas.learning.rollout import (
    Experience,
    adapter_names,
    play_seatings,
    runs_on_learner_alone,
    seat_learner,
    summarise,
)
from social_dilemmas.players.scripted import scripted_player
from social_dilemmas.progress import Progress
from social_dilemmas.randomness import derive_seed

logger = logging.getLogger(__name__)


def train(
    *,
    model: Path,
    game: Mapping[str, Any],
    settings: Mapping[str, Any],
    seed: int,
    output: Path,
    code: str = "",
) -> None:
    """Train an adapter and write `adapter/`, `metrics.csv` and `config.yaml` below `output`.

    A run that was interrupted goes on from its last checkpoint and ends in the same bytes.

    Args:
        model: directory of the warm-started (or base) model.
        game: the game's entry in the config.
        settings: merged settings of the run, see `social_dilemmas.learning.settings`.
        seed: seed of the run.
        code: tells versions of the code apart; a checkpoint that another version wrote isn't used.

    Raises:
        UserError: the model or an opponent's adapter isn't there or doesn't fit.
    """
    output.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(model, game, settings, seed, output, code)
    trainer.run()
    save_adapter(trainer.model, model, output / "adapter")
    resolved = {
        "seed": seed,
        "model": str(model),
        "game": {key: game[key] for key in ("name", "rounds", "rules")},
        "settings": dict(settings),
    }
    (output / "config.yaml").write_text(yaml.safe_dump(resolved, sort_keys=False))
    trainer.forget_checkpoints()


class Trainer:
    """A training run in progress."""

    def __init__(
        self,
        path: Path,
        game: Mapping[str, Any],
        settings: Mapping[str, Any],
        seed: int,
        output: Path,
        code: str = "",
    ) -> None:
        self._settings = settings
        self._seed = seed
        self._label = f"{game['name']}, {settings['credit']}, seed {seed}"
        self._game: Game = build_game(game["name"], game["rounds"], game["rules"])
        self._credit = partial(
            CREDITS[settings["credit"]], beta=settings["beta"], discount=settings["discount"]
        )
        self._language_model: LanguageModel = load_model(path)
        self._masks = self._language_model.masks(self._game)
        self.model: PeftModel = attach_learner(
            self._language_model,
            rank=settings["lora_rank"],
            alpha=settings["lora_alpha"],
            seed=derive_seed(seed, "adapter"),
        )
        self._trained = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        self._optimizer = torch.optim.Adam(self._trained.values(), lr=settings["learning_rate"])
        self._opponents = self._choose_opponents(path)
        self._past_agents: dict[int, dict[str, Tensor]] = {}
        self._checkpoints = CheckpointFolder(
            output / "checkpoints",
            {
                "model": model_fingerprint(path),
                "game": {key: game[key] for key in ("name", "rounds", "rules")},
                "settings": settings,
                "seed": seed,
                "opponent": self._opponent_checksum(),
                "code": code,
            },
        )
        self._metrics_path = output / "metrics.csv"

    def run(self) -> None:
        """Run what is left of the iterations."""
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

    def forget_checkpoints(self) -> None:
        """Remove the checkpoints of a run whose results are written."""
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
        generator = torch.Generator(self.model.device)
        generator.manual_seed(derive_seed(self._seed, iteration, "sampling"))
        player = partial(
            LanguageModelPlayer,
            self.model,
            self._language_model.chat,
            self._masks,
            generator,
            temperature=self._settings["temperature"],
            max_new_tokens=self._settings["max_new_tokens"],
        )
        if runs_on_learner_alone(seatings):
            with torch.no_grad(), folded(self.model, self._settings["fold_adapter"]):
                return play_seatings(seatings, player())
        return play_seatings(seatings, player(adapter_of=adapter_names(seatings)))

    def _credit_of(self, experience: Experience) -> Tensor:
        """(rows, rounds) credit of every learning seat."""
        own, other = (
            leave_one_out(
                discounted_returns(
                    rewards / self._settings["reward_scale"], self._settings["discount"]
                ),
                experience.groups,
            )
            for rewards in (experience.rewards, experience.other_rewards)
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
            reference = None
            if (
                settings["kl_coefficient"] > 0 or first == 0
            ):  # else one micro-batch tells how far it went
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

    def _choose_opponents(self, base: Path) -> Opponents:
        opponent, buffer = self._settings["opponent"], self._settings["buffer"]
        if "player" in opponent:
            return FixedOpponent(scripted_player(self._game.name, opponent["player"]))
        if "adapter" in opponent:
            adapter = Path(opponent["adapter"])
            check_adapter(adapter, base)
            self.model.load_adapter(str(adapter), "opponent")  # with its own rank and scale
            return FixedOpponent("opponent")
        if buffer["size"] > 0:
            return PastAgents(
                seed=self._seed,
                probability=buffer["probability"],
                size=buffer["size"],
                per_match=buffer["draw"] == "match",
            )
        return SelfPlay()

    def _opponent_checksum(self) -> str:
        """Tells the frozen opponent's adapter from another one in the same place."""
        if "adapter" not in self._settings["opponent"]:
            return ""
        return checksum(Path(self._settings["opponent"]["adapter"]) / "adapter_model.safetensors")

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
        moments = {
            f"{name}/{key}": value
            for name, parameter in self._trained.items()
            for key, value in self._optimizer.state[parameter].items()
        }
        self._checkpoints.save(
            Checkpoint(
                iteration, adapter_weights(self.model), moments, self._past_agents, metrics.text
            )
        )

    def _resume(self) -> tuple[int, MetricsFile]:
        """Put the run where its last checkpoint left it; the iteration to go on with, and the metrics so far."""
        checkpoint = self._checkpoints.latest()
        if checkpoint is None:
            return 0, MetricsFile(self._metrics_path)
        logger.info("%s: resuming after iteration %d", self._label, checkpoint.iteration)
        put_adapter(self.model, checkpoint.learner, LEARNER)
        for name, parameter in self._trained.items():
            self._optimizer.state[parameter] = {
                key: checkpoint.optimizer[f"{name}/{key}"]
                for key in ("step", "exp_avg", "exp_avg_sq")
            }
        for iteration, weights in checkpoint.past_agents.items():
            self._add_past_agent(iteration, weights)
        return checkpoint.iteration, MetricsFile(self._metrics_path, checkpoint.metrics)
