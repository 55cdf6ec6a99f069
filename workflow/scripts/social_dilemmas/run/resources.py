"""What every kind of job needs: memory, time, GPUs and disk, estimated from the configuration alone.

Plain arithmetic, without torch. Memory is right within a fifth, time as far as `machine` in the configuration is.
Constants were measured with this project's versions of Python, torch, transformers and peft.
"""

import math
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

from social_dilemmas.agents.agent import WARM_START, Agent, Kind
from social_dilemmas.config import catalogue, settings
from social_dilemmas.config.schema import Config, Evaluation, Machine
from social_dilemmas.errors import UserError
from social_dilemmas.run.conversation import Conversation, conversation_of
from social_dilemmas.run.shape import ModelShape, shape_of

MB = 1e6
SNAKEMAKE_MB = 350  # two processes of Snakemake, which run beside a job on a cluster
PLAIN_MB = 150  # Python with pandas
INTERPRETER_MB = 410  # Python with torch, transformers and peft, and a model of no size
INTERPRETER_GPU_MB, CONTEXT_GPU_MB = 3000, 600  # the same with CUDA; what CUDA takes on a GPU
FRAMES_MB = 50  # pandas and pyarrow beside that
SERVER_MB = 2500  # a vLLM server on a CPU, with room for keys and values
ALLOCATION = 1.15  # memory taken for a byte in use: blocks of fixed sizes, gaps between them
CACHE_GROWTH = 1.25  # room in the key-value cache for a token; it grows in steps of a half
# Bytes of a logit in the loss, where all together take no more than a limit, and of one while sampling.
LOGIT, LOGITS, SAMPLING_LOGIT = 24, 2**28, 20
# Bytes of Python's objects: a turn while its match is there; a turn's text, and how many are remembered.
TURN, TEXT, TEXTS = 900, 500, 2**16
ADAPTER, LEARNING = 4, 12  # bytes of an adapter's weight; of a weight's gradient and Adam's moments
ROW, METRICS, TRANSCRIPT_TOKEN = 60, 300, 12  # bytes on disk: a seat's row, an iteration's, a token

START = 7.0  # seconds until a job has torch and a small model
TOKEN, MATCH = 8e-5, 1e-3  # seconds of Python for a chosen token or a scripted turn, for a match
LAYER = 1e-3  # seconds to start a layer on a GPU in a pass that samples, or with one more adapter
REQUEST = 5.0 / 8  # seconds of a request to a server, eight at a time
LOADING, DOWNLOAD = 1e9, 5e7  # bytes a second


@dataclass(frozen=True)
class Needs:
    """The most that a job needs: memory of the host and of each of its GPUs, disk, and one process for each GPU."""

    memory_mb: float
    seconds: float
    disk_mb: float = 0.0
    gpus: int = 0
    gpu_memory_mb: float = 0.0
    world_size: int = 1

    def memory_asked_for(self, attempt: int) -> int:
        """MB to ask a cluster for: room for error, and for Snakemake beside the job; more at every attempt."""
        megabytes = (1.25 * self.memory_mb + SNAKEMAKE_MB) * (1 + (attempt - 1) / 2)
        return math.ceil(megabytes / 100) * 100

    def minutes_asked_for(self) -> int:
        """Minutes to ask a cluster for."""
        return math.ceil(2 * self.seconds / 60) + 10


@dataclass(frozen=True)
class Workload:
    """A model that plays a game on a machine: bytes and seconds of `rows` conversations from beginning to end."""

    machine: Machine
    shape: ModelShape
    talk: Conversation

    def sampling_bytes(self, rows: float) -> float:
        """All keys and values, and the widest forward pass, that of the first prompts."""
        shape, tokens = self.shape, rows * self.talk.tokens
        widths = 4 * shape.hidden_size + 3 * shape.intermediate_size
        widest = [rows * self.talk.opening * widths * shape.bytes_each]
        widest += [rows * shape.vocab_size * SAMPLING_LOGIT]
        if shape.num_key_value_heads < shape.num_attention_heads:  # written out under a mask
            queries = shape.num_attention_heads * shape.head_dim
            widest += [2 * tokens * queries * shape.bytes_each]
        return tokens * shape.cache_bytes * CACHE_GROWTH + max(widest)

    def backward_bytes(self, rows: float, adapter: bool, checkpointing: bool) -> float:
        """Activations kept for a backward pass, with the logits of chosen tokens.

        The hidden size 12 times: inputs and outputs of both norms, also in float32 (6), queries before and after
        rotation, attention's output, both residual sums (6); keys and values twice; gate, its activation, up, their
        product. An adapter beside the weights reads every input once more, in float32.
        """
        shape, hidden, forward = self.shape, self.shape.hidden_size, self.shape.intermediate_size
        keys = shape.num_key_value_heads * shape.head_dim
        layer = (12 * hidden + 4 * keys + 4 * forward) * shape.bytes_each
        layer += 4 * (6 * hidden + forward) if adapter else 0
        kept = shape.num_hidden_layers * layer
        if checkpointing:  # the inputs of all layers, and one layer with its gradients
            kept = shape.num_hidden_layers * hidden * shape.bytes_each + 2 * layer
        logits = rows * self.talk.actions * shape.vocab_size * LOGIT
        return rows * self.talk.tokens * kept + min(logits, LOGITS)

    def merged_bytes(self, merge_adapter: bool) -> float:
        """Weights with an adapter merged into them, while that is in force; half precision never merges."""
        merges = merge_adapter and self.shape.dtype == "float32"
        return 4.0 * self.shape.linear_parameters if merges else 0.0

    def forward_seconds(self, rows: float) -> float:
        """A forward pass over whole conversations, with the logits of chosen tokens."""
        gpu, talk, speed = self.machine.gpu, self.talk, self.machine.cpu_gigaflops * 1e9
        if gpu:
            speed = gpu.teraflops * 1e12 * gpu.share_in_training
        tokens, actions = rows * talk.tokens, rows * talk.actions
        return self.shape.forward_operations(tokens, talk.tokens / 2, actions) / speed

    def sampling_seconds(self, rows: float, layer: float = LAYER) -> float:
        """Sampling; a GPU reads all weights in every pass and, on average, half of all keys and values."""
        shape, talk, gpu = self.shape, self.talk, self.machine.gpu
        seconds = self.forward_seconds(rows) + rows * talk.actions * TOKEN
        if gpu:
            read = shape.weight_bytes + rows * talk.tokens / 2 * shape.cache_bytes
            seconds += talk.passes * read / (gpu.bandwidth_gb * 1e9 * gpu.share_in_sampling)
            seconds += talk.passes * shape.num_hidden_layers * layer
        return seconds

    def stages(self, first: float, then: float) -> float:
        """Bytes of two stages: a GPU's memory is used again, that of the host stays with the job."""
        return max(first, then) if self.machine.gpu else first + then

    def objects(self, held: float, played: float) -> float:
        """Bytes of Python's objects: matches held at the end, and texts of all that were played."""
        turns = 2 * self.talk.turns
        return held * turns * TURN + min(TEXTS, played * turns) * TEXT

    def needs(
        self, device: float, host: float, seconds: float, disk: float, world_size: int = 1
    ) -> Needs:
        """Needs of a job: bytes where the model computes, beside its weights, and on the host; seconds after the start."""
        weights = self.shape.weight_bytes
        computing = (weights + device) * ALLOCATION / MB
        seconds += START + weights / LOADING
        if self.machine.gpu:
            host_mb = world_size * (INTERPRETER_GPU_MB + (weights + host) / MB)
            on_gpu = CONTEXT_GPU_MB + computing
            return Needs(host_mb, seconds, disk / MB, world_size, on_gpu, world_size)
        host_mb = world_size * (INTERPRETER_MB + computing + host / MB)
        return Needs(host_mb, seconds, disk / MB, world_size=world_size)


TRAININGS: dict[str, Any] = {
    "training": settings.training_settings,
    "learner": settings.learner_settings,
    "variant": settings.ablation_settings,
}
"""Kinds of trainings, by what tells their settings."""

MATCHES: dict[str, Any] = {
    "cross_play": (catalogue.cross_play, settings.evaluation_settings),
    "learner_matches": (catalogue.learner_matches, settings.evaluation_settings),
    "variant_matches": (catalogue.variant_matches, settings.evaluation_settings),
    "tournament": (catalogue.tournament, settings.tournament_settings),
}
"""Kinds of jobs that play, by what tells who plays whom, and their settings."""


class Estimates:
    """The needs of all jobs of a configuration."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._shapes = {model.name: shape_of(model) for model in config.models}
        self._talk = cache(lambda game, *more: conversation_of(config.game(game).entry, *more))
        # Snakemake asks for the same again and again: once for every seed, and for each of a job's resources.
        self.needs = cache(self._needs)

    def _needs(self, kind: str, *names: str) -> Needs:
        """The needs of a job, by its kind and the names (game, model and so on) that tell it from others."""
        if kind in TRAININGS:
            game, model, *more = names
            return self._training(
                game, model, TRAININGS[kind](self._config, game, *more), *more[1:]
            )
        if kind in MATCHES:
            game, model, *_ = names
            fixture, wanted = MATCHES[kind]
            played = fixture(self._config, *names)
            return self._matches(game, model, played, wanted(self._config, game))
        others = {
            "table": lambda: Needs(PLAIN_MB, 2.0, 0.1),
            "figure": lambda: Needs(PLAIN_MB + 50, 5.0, 0.3),
            "base": self._base,
            "warm_start": self._warm_start,
            "strategies": self._strategies,
            "transcripts": self._transcripts,
        }
        return others[kind](*names)

    def _base(self, model: str) -> Needs:
        """Building a small model, or downloading a large one."""
        weights = self._shapes[model].weight_bytes
        return Needs(INTERPRETER_MB + weights / MB, START + weights / DOWNLOAD, weights / MB)

    def _workload(self, game: str, model: str, max_new_tokens: int) -> Workload:
        shape = self._shapes[model]
        talk = self._talk(game, max_new_tokens, shape.embedded)
        return Workload(self._config.machine, shape, talk)

    def _warm_start(self, game: str, model: str) -> Needs:
        """Learning from scripted players' matches, all in one pass, and play that shows the result."""
        chosen = settings.warm_start_settings(self._config, game)
        work = self._workload(game, model, chosen.max_new_tokens)
        shape, full = work.shape, chosen.method == "full"
        learning, rows, shown = 0.0, 2 * chosen.matches, chosen.evaluation_matches
        if chosen.steps:
            trained = shape.parameters if full else shape.adapter_parameters(chosen.lora_rank)
            learning = trained * (LEARNING if full else LEARNING + ADAPTER)
            learning += work.backward_bytes(rows, not full, False)
        # A backward pass costs two forward passes, or one where nothing but an adapter is trained.
        step = work.forward_seconds(rows) * (3 if full else 2) + rows * work.talk.turns * TOKEN
        return work.needs(
            work.stages(learning, work.sampling_bytes(2 * shown)),
            work.objects(shown, chosen.steps * chosen.matches) + FRAMES_MB * MB,
            chosen.steps * step + work.sampling_seconds(2 * shown),
            shape.weight_bytes if chosen.steps else 0,
        )

    def _training(
        self, game: str, model: str, chosen: settings.TrainingSettings, opponent: str = ""
    ) -> Needs:
        """A training run; each process samples and learns from its part of the matches."""
        work = self._workload(game, model, chosen.max_new_tokens)
        shape, talk, past = work.shape, work.talk, chosen.buffer.size
        frozen = opponent in catalogue.algorithms(self._config)
        on_model = frozen or opponent in ("", WARM_START)
        matches = chosen.matches / chosen.world_size
        learning = matches * (1 if opponent or past else 2)  # one seat learns, or both
        rows = min(learning, chosen.micro_batch)
        if chosen.micro_batch_tokens:
            rows = max(1.0, min(rows, chosen.micro_batch_tokens // talk.tokens))
        merged = work.merged_bytes(chosen.merge_adapter)
        checkpointing = chosen.activation_checkpointing
        adapter = shape.adapter_parameters(chosen.lora_rank) * ADAPTER
        update = work.backward_bytes(rows, not merged, checkpointing) + 2 * merged  # with gradient
        sampled = matches * (2 if on_model else 1)
        sampling = work.sampling_bytes(sampled) + (2 if past or frozen else 1) * merged
        device = work.stages(update, sampling)
        if chosen.sampler == "vllm":
            device = update + self._server_bytes(shape, chosen.vllm.memory_share)
        # In units of a forward pass: forward, backward (two where merged weights get gradients), recomputed,
        # reference, critic.
        passes = 2.0 + bool(merged) + checkpointing + (chosen.baseline == "critic")
        passes += 1 if chosen.kl_coefficient else rows / learning
        seconds = work.sampling_seconds(sampled, 0 if chosen.sampler == "vllm" else LAYER)
        seconds += work.forward_seconds(learning) * passes + matches * MATCH
        seconds += matches * talk.turns * REQUEST * self._is_api_player(opponent)
        return work.needs(
            device + adapter * (1 + frozen + past + LEARNING / ADAPTER),
            work.objects(matches, matches * chosen.iterations) + past * adapter,  # for checkpoints
            chosen.iterations * seconds,
            adapter + chosen.iterations * METRICS,
            chosen.world_size,
        )

    def _server_bytes(self, shape: ModelShape, memory_share: float) -> float:
        """A vLLM server beside a training: its share of a GPU, or on a CPU a model and a cache of its own."""
        if gpu := self._config.machine.gpu:
            return memory_share * gpu.memory_gb * 1e9 / ALLOCATION
        return shape.weight_bytes + SERVER_MB * MB

    def _is_api_player(self, name: str) -> bool:
        return any(player.name == name for player in self._config.api_players)

    def _matches(
        self,
        game: str,
        model: str,
        fixture: catalogue.Fixture,
        chosen: Evaluation,
        scored: bool = False,
    ) -> Needs:
        """Matches of many pairs, a batch at a time; `scored`: their tokens' probabilities are computed and written."""
        work = self._workload(game, model, chosen.max_new_tokens)
        seated = [fixture.agents[index] for pair in fixture.pairs for index in pair]
        pairs, adapters = len(fixture.pairs), len(fixture.adapters)
        matches = pairs * chosen.matches
        batches = max(1.0, matches / chosen.batch)
        rows = matches / batches * sum(agent.on_model for agent in seated) / pairs
        in_batch = min(adapters, rows / chosen.matches) + 1
        algorithms = catalogue.algorithms(self._config)
        ranks = [
            settings.training_settings(self._config, game, name).lora_rank for name in algorithms
        ]
        device = work.sampling_bytes(rows) + in_batch * work.merged_bytes(chosen.merge_adapter)
        if scored:
            device = work.stages(device, work.backward_bytes(1, True, True))
        device += adapters * work.shape.adapter_parameters(max(ranks)) * ADAPTER
        switching = work.talk.passes * work.shape.num_hidden_layers * in_batch * LAYER
        seconds = batches * (work.sampling_seconds(rows) + switching) + matches * MATCH
        requests = sum(agent.kind is Kind.API for agent in seated) * chosen.matches
        seconds += requests * work.talk.turns * REQUEST + scored * work.forward_seconds(rows)
        disk = rows * work.talk.tokens * TRANSCRIPT_TOKEN if scored else 2 * matches * ROW
        host = work.objects(matches, matches) + FRAMES_MB * MB
        return work.needs(device, host, seconds, disk)

    def _transcripts(self, game: str, model: str) -> Needs:
        """A few matches of a pair, word for word."""
        matches = settings.transcript_settings(self._config, game).matches
        played = {"matches": matches, "batch": matches, "merge_adapter": False}
        chosen = settings.evaluation_settings(self._config, game).model_copy(update=played)
        two = catalogue.Fixture([Agent("", adapter=name) for name in "ab"], [(0, 1)])
        return self._matches(game, model, two, chosen, scored=True)

    def _strategies(self, game: str) -> Needs:
        """Strategies among themselves, without a model."""
        entrants = len(catalogue.strategies(self._config))
        matches = entrants * (entrants + 1) / 2 * self._config.tournament.matches
        table = 2 * matches * ROW / MB
        return Needs(
            PLAIN_MB + 4 * table, 4 + matches * self._talk(game, 1, True).turns * 2e-5, table
        )

    def check_gpus(self) -> None:
        """Refuse a configuration whose trainings or matches are too large for its GPUs.

        Raises:
            UserError: names the largest job, what it needs, and what there is.
        """
        if not (gpu := self._config.machine.gpu):
            return
        algorithms = catalogue.algorithms(self._config)
        learners = catalogue.learner_games(self._config)
        jobs: list[tuple[str, ...]] = []
        for game, model in product(catalogue.games(self._config), self._shapes):
            jobs += [("warm_start", game, model), ("cross_play", game, model)]
            jobs += [("training", game, model, name) for name in algorithms]
            jobs += [("learner_matches", game, model)] if game in learners else []
        variants = product(settings.ablated(self._config), self._shapes)
        jobs += [("variant", game, model, variant) for (game, variant), model in variants]
        largest = max(jobs, key=lambda job: self.needs(*job).gpu_memory_mb)
        needed = self.needs(*largest).gpu_memory_mb / 1e3
        if needed > gpu.memory_gb:
            raise UserError(
                f"{', '.join(largest)}: needs {needed:.0f} GB on a GPU by its estimate, but "
                f"machine.gpu.memory_gb is {gpu.memory_gb:g}; raise training.world_size or lower "
                "micro_batch_tokens, matches, batch or evaluation_matches there"
            )
