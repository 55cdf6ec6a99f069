"""What every kind of job needs: memory, time, GPUs and disk, from the configuration alone.

These are estimates: of memory within a fifth, of time as good as the section `machine` of the configuration knows the
machine. Messages of large models are taken to be as long as they may be.
"""

from collections.abc import Mapping
from functools import cache, partial
from typing import Any

from social_dilemmas.agents.agent import WARM_START
from social_dilemmas.agents.axelrod.names import chosen_strategies
from social_dilemmas.config.settings import (
    ablated,
    ablation_settings,
    evaluation_settings,
    exploitability_settings,
    learner_settings,
    named,
    tournament_settings,
    training_settings,
    transcript_settings,
    warm_start_settings,
)
from social_dilemmas.errors import UserError
from social_dilemmas.run.estimate import memory, work
from social_dilemmas.run.estimate.conversation import Conversation, conversation_of
from social_dilemmas.run.estimate.memory import MB, Batch
from social_dilemmas.run.estimate.needs import Needs
from social_dilemmas.run.estimate.shape import Shape, shape_of
from social_dilemmas.run.estimate.work import Machine

ROW_BYTES = 60  # of a seat's line in a table of matches
METRICS_BYTES = 300  # of an iteration's line in a table of metrics
REQUEST = 5.0  # seconds until a server has answered a request
CONCURRENT = 8  # requests at the same time
DOWNLOAD = 5e7  # bytes a second

Settings = Mapping[str, Any]


class Estimates:
    """The needs of all jobs of a configuration that has its defaults and has passed its checks."""

    def __init__(self, config: Settings) -> None:
        self._config = config
        self._machine = Machine.of(config["machine"])
        self._algorithms = [entry["name"] for entry in config["algorithms"]]
        self._shapes = {model["name"]: shape_of(model) for model in config["models"]}
        # Snakemake asks for the same again and again: once for every seed, and for each of a job's resources.
        self.needs = cache(self._needs)
        self._talk = cache(self._conversation)

    def _needs(self, kind: str, *names: str) -> Needs:
        """The needs of a job.

        Args:
            kind: a method of this class.
            names: its arguments.
        """
        found: Needs = getattr(self, kind)(*names)
        return found

    def base(self, model: str) -> Needs:
        """Building a small model, or downloading a large one."""
        shape = self._shapes[model]
        host = memory.INTERPRETER_MB + shape.weight_bytes / MB
        seconds = work.START + shape.weight_bytes / DOWNLOAD
        return Needs(host, seconds, disk_mb=shape.weight_bytes / MB)

    def warm_start(self, game: str, model: str) -> Needs:
        """Learning from scripted players' matches, all in one pass, and play that shows what came of it."""
        settings, shape = warm_start_settings(self._config, game), self._shapes[model]
        talk = self._talk(game, settings["max_new_tokens"], shape.embedded)
        full = settings["method"] == "full"
        rows, played = 2 * settings["matches"], 2 * settings["evaluation_matches"]
        learning = 0.0
        if settings["steps"]:
            trained = shape.parameters if full else shape.adapter_parameters(settings["lora_rank"])
            each = memory.LEARNING_BYTES + (0 if full else memory.ADAPTER_BYTES)
            batch = Batch(rows, talk)
            learning = trained * each + memory.backward(
                shape, batch, adapter=not full, recompute=False
            )
        shown = Batch(played, talk)
        # A backward pass costs two forward passes, or one where nothing but an adapter is trained.
        price = partial(work.passes, self._machine, shape, talk, rows, count=3 if full else 2)
        seconds = settings["steps"] * (price() + rows * talk.turns * work.TURN)
        seconds += work.sampling(self._machine, shape, talk, played)
        return self._on_machine(
            shape,
            device=self._both(learning, memory.sampling(shape, shown)),
            host=memory.records(
                settings["evaluation_matches"], settings["steps"] * settings["matches"], talk
            )
            + memory.FRAMES_MB * MB,
            seconds=seconds,
            disk=shape.weight_bytes if settings["steps"] else 0,
        )

    def training(self, game: str, model: str, algorithm: str) -> Needs:
        """Reinforcement learning in self-play."""
        return self._learning(game, model, training_settings(self._config, game, algorithm))

    def learner(self, game: str, model: str, algorithm: str, opponent: str) -> Needs:
        """Reinforcement learning against an opponent that doesn't learn."""
        settings = learner_settings(self._config, game, algorithm, opponent)
        return self._learning(game, model, settings, opponent)

    def variant(self, game: str, model: str, variant: str) -> Needs:
        """Reinforcement learning of an ablation."""
        return self._learning(game, model, ablation_settings(self._config, game, variant))

    def cross_play(self, game: str, model: str) -> Needs:
        """All agents with all others, and with themselves."""
        settings = evaluation_settings(self._config, game)
        trained, scripted = self._agents(), len(settings["opponents"])
        agents = trained + 1 + scripted  # and the warm start
        pairs = agents * (agents + 1) / 2
        among_scripted = scripted * (scripted + 1) / 2
        on_model = (trained + 1) * agents / (pairs - among_scripted)
        seats = (pairs - among_scripted) * on_model
        return self._matches(game, model, settings, pairs=pairs, seats=seats, adapters=trained)

    def variant_matches(self, game: str, model: str, variant: str) -> Needs:
        """The agents of an ablation with themselves and with scripted players."""
        settings = evaluation_settings(self._config, game)
        trained, scripted = len(self._config["seeds"]), len(settings["opponents"])
        pairs, seats = trained * (1 + scripted), trained * (2 + scripted)
        return self._matches(game, model, settings, pairs=pairs, seats=seats, adapters=trained)

    def learner_matches(self, game: str, model: str) -> Needs:
        """Every learner with the opponent that it learned against."""
        settings = evaluation_settings(self._config, game)
        chosen = exploitability_settings(self._config, game)["learners"].values()
        opponents = [name for names in chosen for name in names]
        seeds = len(self._config["seeds"])
        frozen = sum(name in self._algorithms for name in opponents)
        on_model = frozen + opponents.count(WARM_START)
        return self._matches(
            game,
            model,
            settings,
            pairs=seeds * len(opponents),
            seats=seeds * (len(opponents) + on_model),
            adapters=seeds * (len(opponents) + frozen),
            requests=seeds * sum(name in self._api_players() for name in opponents),
        )

    def tournament(self, game: str, model: str) -> Needs:
        """Trained agents and the warm start with strategies and with each other."""
        agents = self._agents() + 1
        strategies = len(chosen_strategies(self._config["tournament"]["strategies"]))
        among = agents * (agents - 1) / 2
        return self._matches(
            game,
            model,
            tournament_settings(self._config, game),
            pairs=agents * strategies + among,
            seats=agents * strategies + 2 * among,
            adapters=agents - 1,
        )

    def strategies(self, game: str) -> Needs:
        """Strategies among themselves, without a model."""
        strategies = len(chosen_strategies(self._config["tournament"]["strategies"]))
        matches = strategies * (strategies + 1) / 2 * self._config["tournament"]["matches"]
        rounds = self._talk(game, 1, True).turns
        host = memory.PLAIN_MB + matches * 2 * ROW_BYTES * 4 / MB
        return Needs(host, 4 + matches * rounds * 2e-5, matches * 2 * ROW_BYTES / MB)

    def transcripts(self, game: str, model: str) -> Needs:
        """A few matches of a pair, word for word."""
        settings, shape = transcript_settings(self._config, game), self._shapes[model]
        talk = self._talk(game, settings["max_new_tokens"], shape.embedded)
        rows = 2 * settings["matches"]
        batch = Batch(rows, talk)
        scored = memory.backward(shape, Batch(1, talk), adapter=True, recompute=True)
        seconds = work.sampling(self._machine, shape, talk, rows)
        seconds += work.passes(self._machine, shape, talk, rows, count=1)
        return self._on_machine(
            shape,
            device=self._both(memory.sampling(shape, batch), scored)
            + 2 * self._adapter_bytes(game, shape),
            host=memory.records(settings["matches"], settings["matches"], talk)
            + memory.FRAMES_MB * MB,
            seconds=seconds,
            disk=rows * talk.tokens * 12,
        )

    def table(self) -> Needs:
        """A table, or a page."""
        return Needs(memory.PLAIN_MB, work.PLAIN_START, 0.1)

    def figure(self) -> Needs:
        """A figure."""
        return Needs(memory.FIGURE_MB, work.FIGURE, 0.3)

    def _learning(
        self, game: str, model: str, settings: Settings, opponent: str | None = None
    ) -> Needs:
        """A training run; of several processes, each samples and learns from its part of the matches."""
        shape, machine = self._shapes[model], self._machine
        processes = settings["processes"]
        talk = self._talk(game, settings["max_new_tokens"], shape.embedded)
        folds = settings["fold_adapter"] and shape.bytes_each == 4
        alone = opponent is not None or settings["buffer"]["size"] > 0  # but one seat learns
        on_model = opponent is None or opponent in (*self._algorithms, WARM_START)
        matches = settings["matches"] / processes
        learning, played = matches * (1 if alone else 2), matches * (2 if on_model else 1)
        rows = min(learning, settings["micro_batch"])
        if settings["micro_batch_tokens"]:
            rows = max(1.0, min(rows, settings["micro_batch_tokens"] // talk.tokens))
        update = memory.backward(
            shape,
            Batch(rows, talk),
            adapter=not folds,
            recompute=settings["gradient_checkpointing"],
        )
        in_force = 1 + (settings["buffer"]["size"] > 0 or opponent in self._algorithms)
        folded = memory.folded_weights(shape) if folds else 0.0
        adapters = memory.adapters(shape, settings, frozen=opponent in self._algorithms)
        served = settings["sampler"] == "vllm"
        update += 2 * folded  # and their gradient
        if served:
            device = adapters + update + self._server(shape, settings)
        else:
            playing = memory.sampling(shape, Batch(played, talk)) + in_force * folded
            device = adapters + self._both(update, playing)
        # In units of a forward pass: forward, backward (two where sums of weights get gradients), recomputed,
        # reference, critic.
        count = 2.0 + folds + settings["gradient_checkpointing"]
        count += 1 if settings["kl_coefficient"] else rows / learning
        count += settings["baseline"] == "critic"
        seconds = work.sampling(machine, shape, talk, played, served=served)
        seconds += work.passes(machine, shape, talk, learning, count=count)
        seconds += matches * work.MATCH
        if opponent in self._api_players():
            seconds += matches * talk.turns * REQUEST / CONCURRENT
        disk = shape.adapter_parameters(settings["lora_rank"]) * memory.ADAPTER_BYTES
        return self._on_machine(
            shape,
            device=device,
            host=memory.records(matches, matches * settings["iterations"], talk)
            + memory.past_agents(shape, settings),
            seconds=settings["iterations"] * seconds,
            disk=disk + settings["iterations"] * METRICS_BYTES,
            processes=processes,
        )

    def _matches(
        self,
        game: str,
        model: str,
        settings: Settings,
        *,
        pairs: float,
        seats: float,
        adapters: int,
        requests: int = 0,
    ) -> Needs:
        """Matches of many pairs, a batch at a time.

        Args:
            game: the game.
            model: the model.
            settings: how many `matches` of each pair, how many in a `batch`, and how replies are sampled.
            pairs: number of pairs.
            seats: of them, how many run on the model.
            adapters: that the model has.
            requests: how many seats ask a server.
        """
        shape = self._shapes[model]
        talk = self._talk(game, settings["max_new_tokens"], shape.embedded)
        matches = pairs * settings["matches"]
        batch = Batch(min(settings["batch"], matches) * seats / pairs, talk)
        in_batch = min(adapters + 1, batch.conversations / settings["matches"] + 1)
        folds = settings["fold_adapter"] and shape.bytes_each == 4
        device = adapters * self._adapter_bytes(game, shape)
        device += memory.sampling(shape, batch)
        device += in_batch * memory.folded_weights(shape) if folds else 0
        batches = max(1.0, matches / settings["batch"])
        seconds = batches * work.sampling(self._machine, shape, talk, batch.conversations)
        seconds += batches * talk.passes * shape.layers * in_batch * work.ADAPTER_SWITCH
        seconds += matches * work.MATCH
        seconds += requests * settings["matches"] * talk.turns * REQUEST / CONCURRENT
        return self._on_machine(
            shape,
            device=device,
            host=memory.records(matches, matches, talk) + memory.FRAMES_MB * MB,
            seconds=seconds,
            disk=2 * matches * ROW_BYTES,
        )

    def _on_machine(
        self,
        shape: Shape,
        *,
        device: float,
        host: float,
        seconds: float,
        disk: float,
        processes: int = 1,
    ) -> Needs:
        """Needs of a job that computes with a model.

        Args:
            shape: the model's.
            device: bytes beside the model's weights, where it computes.
            host: bytes of Python's objects.
            seconds: without the start.
            disk: bytes.
            processes: how many there are, each with a model of its own.
        """
        computing = (shape.weight_bytes + device) * memory.ALLOCATION / MB
        start = work.START + shape.weight_bytes / work.LOADING
        if self._machine.gpu:
            in_process = memory.INTERPRETER_GPU_MB + (shape.weight_bytes + host) / MB
            on_gpu = memory.CONTEXT_GPU_MB + computing
            return Needs(
                processes * in_process, start + seconds, disk / MB, processes, on_gpu, processes
            )
        in_process = memory.INTERPRETER_MB + computing + host / MB
        return Needs(processes * in_process, start + seconds, disk / MB, processes=processes)

    def _server(self, shape: Shape, settings: Settings) -> float:
        """Bytes of a vLLM server beside a training: its share of a GPU, or on a CPU a model and a cache of its own."""
        if self._machine.gpu:
            return (
                settings["vllm"]["memory_share"]
                * self._machine.gpu_memory_mb
                * MB
                / memory.ALLOCATION
            )
        return shape.weight_bytes + memory.SERVER_MB * MB

    def _both(self, first: float, then: float) -> float:
        """Memory of two stages, one after the other: a GPU's is used again, that of the host stays with the job."""
        return max(first, then) if self._machine.gpu else first + then

    def _conversation(self, game: str, max_new_tokens: int, embedded: bool) -> Conversation:
        return conversation_of(
            named(self._config["games"], game), max_new_tokens, embedded=embedded
        )

    def _agents(self) -> int:
        """Trained agents of a game and a model."""
        return len(self._algorithms) * len(self._config["seeds"])

    def _adapter_bytes(self, game: str, shape: Shape) -> float:
        """An agent's adapter, the largest where they differ."""
        ranks = [
            training_settings(self._config, game, name)["lora_rank"] for name in self._algorithms
        ]
        return shape.adapter_parameters(max(ranks)) * memory.ADAPTER_BYTES

    def _api_players(self) -> dict[str, Settings]:
        return {entry["name"]: entry for entry in self._config["api_players"]}

    def check_gpus(self) -> None:
        """Refuse a configuration whose trainings or matches are too large for its GPUs.

        Raises:
            UserError: names the largest job, what it needs, and what there is.
        """
        there = self._machine.gpu_memory_mb
        if not there:
            return
        jobs: list[tuple[str, ...]] = [
            (kind, game["name"], model, *more)
            for game in self._config["games"]
            for model in self._shapes
            for kind, more in [
                ("warm_start", ()),
                *(("training", (name,)) for name in self._algorithms),
                ("cross_play", ()),
            ]
        ]
        jobs += [
            ("variant", game, model, variant)
            for game, variant in ablated(self._config)
            for model in self._shapes
        ]
        jobs += [
            ("learner_matches", game["name"], model)
            for game in self._config["games"]
            if any(exploitability_settings(self._config, game["name"])["learners"].values())
            for model in self._shapes
        ]
        largest = max(jobs, key=lambda job: self.needs(*job).gpu_memory_mb)
        needed = self.needs(*largest).gpu_memory_mb
        if needed > there:
            raise UserError(
                f"{', '.join(largest)}: needs {needed / 1e3:.0f} GB on a GPU by its estimate, but "
                f"machine.gpu.memory_gb is {there / 1e3:g}; raise training.processes or lower "
                "micro_batch_tokens, matches, batch or evaluation_matches there"
            )
