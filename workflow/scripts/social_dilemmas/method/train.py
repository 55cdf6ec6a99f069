"""Reinforcement learning of an adapter by playing: sample, give credit, take one optimiser step, again.

Departures from arXiv 2511.19405, all of them settings: the size of everything, and replies drawn under a token mask
that only admits valid ones.
"""

import logging
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import yaml
from peft import PeftModel
from torch import Tensor

from social_dilemmas.backends.vllm.sampler import NoServerError, VllmSampler
from social_dilemmas.backends.vllm.server import ServerLostError, ServerSettings
from social_dilemmas.config.settings import ROUNDING_ONLY
from social_dilemmas.games import game_of
from social_dilemmas.games.game import Game, Match
from social_dilemmas.method.credit import CREDITS, discounted_returns, leave_one_out
from social_dilemmas.method.critic import Critic, round_states
from social_dilemmas.method.opponents import (
    FixedOpponent,
    Opponents,
    PastAgents,
    SelfPlay,
    adapter_checksum,
    fixed_opponent,
    past_agent,
    write_usage,
)
from social_dilemmas.method.rollout import (
    OUTCOMES,
    Experience,
    Seating,
    adapter_names,
    adapters_in,
    begin_again,
    pass_over,
    play_seatings,
    seat_learner,
    summarise_results,
)
from social_dilemmas.method.update import add_gradients
from social_dilemmas.policy.activation_checkpointing import enable_gradient_checkpointing
from social_dilemmas.policy.adapters import (
    LEARNER,
    adapter_weights,
    attach_learner,
    folded,
    put_adapter,
    save_adapter,
)
from social_dilemmas.policy.model import LanguageModel, load_model, model_fingerprint
from social_dilemmas.policy.sampler import LanguageModelPlayer
from social_dilemmas.randomness import derive_seed, stream
from social_dilemmas.run.checkpoint import (
    Checkpoint,
    CheckpointFolder,
    moments,
    restore_moments,
)
from social_dilemmas.run.metrics import MetricsFile
from social_dilemmas.run.progress import Progress
from social_dilemmas.run.ranks import ALONE, Ranks
from social_dilemmas.run.shortage import SAMPLING_ADVICE, TRAINING_ADVICE, shortage_told

logger = logging.getLogger(__name__)
GAME_FACTS = ("name", "kind", "rounds", "rules")  # keys of a game's entry that say how it is played


def train(**arguments: Any) -> None:
    """Train an agent; the arguments are those of `Trainer`."""
    Trainer(**arguments).run()


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
        ranks: Ranks = ALONE,
    ) -> None:
        """Prepare a run.

        Args:
            model: directory of the warm-started (or base) model.
            game: the game's entry in the config.
            settings: merged settings of the run, see `social_dilemmas.config.settings`.
            seed: seed of the run.
            output: folder that takes `adapter/`, `metrics.csv` and `config.yaml`.
            opponent: a fixed opponent, see `opponents.fixed_opponent`; None for self-play.
            code: tells versions of the code apart; a checkpoint that another version wrote isn't used.
            ranks: those that share the run.

        Raises:
            UserError: the model or an opponent's adapter isn't there or doesn't fit.
        """
        output.mkdir(parents=True, exist_ok=True)
        self._path = model
        self._output = output
        self._settings = settings
        self._seed = seed
        self._ranks = ranks
        self._game: Game = game_of(game)
        self._language_model: LanguageModel = load_model(model)
        self._masks = self._language_model.masks(self._game)
        self.model: PeftModel = attach_learner(
            self._language_model,
            rank=settings["lora_rank"],
            alpha=settings["lora_alpha"],
            seed=derive_seed(seed, "adapter"),
        )
        if settings["gradient_checkpointing"]:
            enable_gradient_checkpointing(self._language_model.model)
        self._trained = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        self._optimizer = torch.optim.Adam(self._trained.values(), lr=settings["learning_rate"])
        self._credit = partial(
            CREDITS[settings["credit"]], beta=settings["beta"], discount=settings["discount"]
        )
        self._critic = None
        if settings["baseline"] == "critic":
            width = self.model.config.get_text_config().hidden_size
            self._critic = Critic(width, **settings["critic"])
        self._opponents = self._choose_opponents(opponent)
        self._past_agents: dict[int, dict[str, Tensor]] = {}
        self._vllm: VllmSampler | None = None
        if settings["sampler"] == "vllm":
            policy = SimpleNamespace(
                model=self.model, language_model=self._language_model, masks=self._masks
            )
            as_attributes = SimpleNamespace(
                **{
                    **settings,
                    "vllm": ServerSettings(**settings["vllm"]),
                    "buffer": SimpleNamespace(**settings["buffer"]),
                }
            )
            self._vllm = VllmSampler(
                policy,
                as_attributes,
                game={key: game[key] for key in GAME_FACTS if key in game},
                seed=seed,
                folder=output / f"vllm-{ranks.rank}",
            )
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
                "settings": {key: settings[key] for key in settings if key not in ROUNDING_ONLY},
                "model": model_fingerprint(model),
                "adapter": adapter_checksum(opponent),
                "code": code,
            },
        )

    def run(self) -> None:
        """Run what is left of the iterations and write the results.

        Raises:
            UserError: disk or memory ran out.
        """
        with shortage_told(self._output, TRAINING_ADVICE), self._vllm or nullcontext():
            self._run()

    def _run(self) -> None:
        start, metrics = self._resume()
        self._ranks.barrier()  # before the first checkpoint is written, all must have read the last
        iterations = self._settings["iterations"]
        with Progress(iterations, self._label, done=start) as progress:
            for iteration in range(start, iterations):
                try:
                    row = self._iterate(iteration)
                except NoServerError:
                    if iteration > start:
                        self._save_checkpoint(iteration, metrics)
                    raise
                metrics.append(row)
                done = iteration + 1
                self._remember(done)
                if done % self._settings["checkpoint_every"] == 0 and done < iterations:
                    self._save_checkpoint(done, metrics)
                payoff = row["payoff"]  # none where past agents were met in all matches
                progress.advance("" if math.isnan(payoff) else f"{payoff:.3g} points a round")
        usage = self._opponents.usage if isinstance(self._opponents, FixedOpponent) else None
        usages = self._ranks.all_gather(usage)
        if self._ranks.is_main:
            self._write([usage for usage in usages if usage is not None])

    def _write(self, usages: Sequence[Mapping[str, Any]]) -> None:
        """Write the results; `usages`, what an opponent behind an API used in every process."""
        save_adapter(self.model, self._path, self._output / "adapter", self._record)
        record = yaml.safe_dump(self._record, sort_keys=False)
        (self._output / "config.yaml").write_text(record)
        if usages:
            write_usage(usages, self._output / "usage.json")
        self._checkpoints.remove()

    def _iterate(self, iteration: int) -> dict[str, float | int]:
        started = time.perf_counter()
        experience = self._play(iteration)
        sampled = time.perf_counter()
        update = self._update(experience, iteration)
        trained = time.perf_counter()
        behaviour = summarise_results(self._game, experience.results)
        outcomes = {name: behaviour.pop(name) for name in OUTCOMES}
        if isinstance(self._opponents, PastAgents):  # as without a buffer, those of self-play
            own = [result for result in experience.results if result.between_learners]
            found = summarise_results(self._game, own)
            outcomes = {name: found[name] for name in OUTCOMES}
        return {
            "iteration": iteration,
            **outcomes,
            **update,
            "seconds_sampling": sampled - started,
            "seconds_training": trained - sampled,
            **behaviour,
        }

    def _seat(self, iteration: int) -> tuple[list[Seating], dict[Match, int]]:
        """This process's matches of an iteration, and the number that every match has among those of all."""
        seatings = seat_learner(
            self._game,
            self._opponents,
            seed=self._seed,
            iteration=iteration,
            matches=self._settings["matches"],
            group_size=self._settings["group_size"],
        )
        numbers = {seating.match: number for number, seating in enumerate(seatings)}
        share = self._ranks.share(len(seatings))
        pass_over(seatings[: share.start])
        return seatings[share], numbers

    def _play_on(self, vllm: VllmSampler, iteration: int) -> Experience:
        seatings, numbers = self._seat(iteration)
        try:
            player = vllm.player(
                iteration,
                adapters_in(seatings),
                adapter_names(seatings),
                lambda turn: numbers[turn.match],
            )
            return play_seatings(seatings, player, self._ranks)
        except ServerLostError:
            begin_again(seatings)
            raise

    def _play(self, iteration: int) -> Experience:
        if self._vllm is not None:
            play = partial(self._play_on, self._vllm, iteration)
            return self._vllm.repeat_if_lost(iteration, play)
        seatings, numbers = self._seat(iteration)
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
        with (
            shortage_told(self._output, SAMPLING_ADVICE),
            torch.no_grad(),
            folded(self.model, self._settings["fold_adapter"], adapters),
        ):
            if adapters == [LEARNER]:
                return play_seatings(seatings, player(), self._ranks)
            several = player(adapter_of=adapter_names(seatings))
            return play_seatings(seatings, several, self._ranks)

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
                    experience.trajectories,
                    rewards.shape[1],
                    micro_batch=settings["micro_batch"],
                    micro_batch_tokens=settings["micro_batch_tokens"],
                    padding=self._language_model.padding,
                )
            states, played = map(
                torch.cat, zip(*self._ranks.all_gather((states, played)), strict=True)
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
        """One optimiser step on an iteration's experience."""
        settings = self._settings
        credit = self._credit_of(experience)  # (rows, rounds)
        for group in self._optimizer.param_groups:
            group["lr"] = settings["learning_rate"] * self._decay(iteration)
        self._optimizer.zero_grad()
        sums = add_gradients(
            self.model,
            experience.trajectories,
            credit[experience.own],
            total=experience.chosen,
            measure_kl=self._ranks.is_main,
            allowed=self._masks.allowed,
            padding=self._language_model.padding,
            settings=settings,
        )
        self._ranks.all_reduce_gradients(self._trained.values())
        norm = torch.nn.utils.clip_grad_norm_(self._trained.values(), settings["gradient_clip"])
        self._optimizer.step()
        parts = self._ranks.all_gather(sums)
        sums = {name: sum(part[name] for part in parts) for name in sums}
        further = {}
        if "sampler_difference" in sums:
            further["sampler_difference"] = sums["sampler_difference"] / experience.chosen
        return {
            "loss": sums["loss"],
            "entropy": sums["entropy"] / experience.chosen,
            "kl": sums["kl"] / sums["kl_tokens"],
            **further,
            "gradient_norm": norm.item(),
            "tokens": experience.tokens,
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
            weights = adapter_weights(self.model)
            self._add_past_agent(iteration, {key: value.cpu() for key, value in weights.items()})

    def _add_past_agent(self, iteration: int, weights: dict[str, Tensor]) -> None:
        assert isinstance(self._opponents, PastAgents)
        dropped = self._opponents.add(iteration)
        if dropped is not None:
            del self._past_agents[dropped]
            self.model.delete_adapter(past_agent(dropped))
        self._past_agents[iteration] = weights
        put_adapter(self.model, weights, past_agent(iteration))

    def _save_checkpoint(self, iteration: int, metrics: MetricsFile) -> None:
        if not self._ranks.is_main:
            return
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
        metrics = self._output / "metrics.csv" if self._ranks.is_main else None
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
