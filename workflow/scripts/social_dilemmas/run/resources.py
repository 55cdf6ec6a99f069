"""What every kind of job needs: memory, time, GPUs and disk, estimated from the configuration alone.

Plain arithmetic, without torch, as if conversations had nothing in common (but for the time of matches between trained
agents in games without chance): games with few actions, and decided agents, take less. Otherwise memory is right within
a fifth, time as far as `machine` in the configuration is.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache, cached_property
from itertools import product
from typing import Any

from social_dilemmas.agents.agent import WARM_START, Agent, Kind
from social_dilemmas.config import contents, pairings, settings, trainings
from social_dilemmas.config.pairings import Pairings
from social_dilemmas.config.schema.config import Config
from social_dilemmas.config.schema.evaluation import Evaluation
from social_dilemmas.config.schema.warm_start import WarmStart
from social_dilemmas.errors import UserError
from social_dilemmas.games import game_of
from social_dilemmas.run.conversation import Conversation, conversation_of
from social_dilemmas.run.shape import ModelShape, shape_of
from social_dilemmas.run.workload import (
    ALLOCATION,
    INTERPRETER_MB,
    LAYER,
    LOGIT,
    MB,
    START,
    TOKEN,
    Needs,
    Workload,
)

PLAIN_MB, FRAMES_MB = 150, 50  # Python with pandas; pandas and pyarrow beside torch
SERVER_MB = 2500  # a vLLM server on a CPU, with room for keys and values
# Bytes of an adapter's or a master weight; of a weight's gradient and Adam's moments.
ADAPTER, LEARNING = 4, 12
ENGLISH_TOKENS, PARAGRAPH_TOKENS = 1100, 130  # of the text whose perplexity is measured
ROW = 60  # bytes on disk of a seat's match
MATCH = 1e-3  # seconds of Python for a match
# Different ways in which matches of a pair of trained agents go, where nothing is left to chance.
WAYS = 7
REQUEST = 5.0 / 8  # seconds of a request to a server, eight at a time
DOWNLOAD = 5e7  # bytes a second


class Estimates:
    """The needs of all jobs of a configuration."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._shapes = {model.name: shape_of(model) for model in config.models}
        self._talk = cache(lambda *place: conversation_of(self._entry(*place[:2]), *place[2:]))
        # Snakemake asks for the same again and again: once for every seed, and for each of a job's resources.
        self.needs = cache(self._needs)

    def _needs(self, kind: str, *names: str) -> Needs:
        """The needs of a job, by its kind and the names (game, model and so on) that tell it from others."""
        match kind, *names:
            case "table", *_:
                return Needs(PLAIN_MB, 2.0, 0.1)
            case "figure", *_:
                return Needs(PLAIN_MB + 50, 5.0, 0.3)
            case "base", model:
                size = self._shapes[model].weight_bytes
                return Needs(INTERPRETER_MB + size / MB, START + size / DOWNLOAD, size / MB)
            case "strategies", game:
                return self._strategies(game)
            case "warm_start", game, model, *_:
                # A prior's population takes no more than the game's own.
                chosen = settings.warm_start_settings(self._config, game)
                return self._warm_start(game, model, chosen)
            case "clone", game, model:
                return self._warm_start(game, model, settings.clone_settings(self._config, game))
            case "transcripts", game, model:
                return self._transcripts(game, model)
            case "prior_audit", game, model:
                work = self._workload(game, model, 1)
                # Each telling has conversations of two rounds, for five situations.
                rows = 5.0 * len(contents.tellings(self._config, game, model))
                return work.needs(work.sampling_bytes(5), 0, work.forward_seconds(rows), 0)
            case "perplexity", game, model:
                return self._perplexity(game, model)
            case "two_learners", game, model:
                pair, *_ = self._config.two_learners.pairs  # they differ in credit only
                learner, _ = settings.pair_settings(self._config, game, pair)
                return self._training(game, model, learner, learners=2)
        game, model, *more = names
        if kind in trainings.SETTINGS:
            trained = trainings.SETTINGS[kind](self._config, game, *more)
            opponent = more[1] if kind == "learner" else ""
            return self._training(game, model, trained, opponent)
        pairings_of, settings_of = pairings.MATCHES[kind]
        paired = pairings_of(self._config, *names)
        variation = more[0] if kind == "generalisation" else ""
        played = settings_of(self._config, game)
        return self._matches(game, model, paired, played, variation=variation)

    def _entry(self, game: str, variation: str) -> dict[str, Any]:
        """How a game is played, under a variation if there is one."""
        if variation:
            return settings.variation_entry(self._config, game, variation)
        return self._config.game(game).entry

    def _workload(
        self, game: str, model: str, max_new_tokens: int, variation: str = ""
    ) -> Workload:
        shape = self._shapes[model]
        talk = self._talk(game, variation, max_new_tokens, shape.embedded)
        return Workload(self._config.machine, shape, talk)

    def _warm_start(self, game: str, model: str, chosen: WarmStart) -> Needs:
        """Learning from scripted players' matches, and play that shows the result."""
        work = self._workload(game, model, chosen.max_new_tokens)
        shape, full, shown = work.shape, chosen.method == "full", chosen.evaluation_matches
        # Steps, and how many conversations of the game's own length are learned from at each.
        lessons: list[tuple[int, float]] = [(chosen.steps, 2 * chosen.matches)]
        if (primer := chosen.primer) and chosen.steps:
            rounds = game_of(self._config.game(game).entry).rounds
            lessons.append((primer.steps, 2 * primer.matches * primer.rounds / rounds))
        learning = 0.0
        if chosen.steps:
            trained = shape.parameters if full else shape.adapter_parameters(chosen.lora_rank)
            further = 0 if full and shape.bytes_each == ADAPTER else ADAPTER
            learning = trained * (LEARNING + further)
            most = max(rows for _, rows in lessons)
            at_once = min(most, max(1.0, chosen.micro_batch_tokens / work.talk.tokens))
            learning += work.backward_bytes(at_once, merged=full, checkpointing=False)
        # A backward pass costs two forward passes, or one where nothing but an adapter is trained.
        seconds = sum(
            steps
            * (work.forward_seconds(rows) * (3 if full else 2) + rows * work.talk.turns * TOKEN)
            for steps, rows in lessons
        )
        return work.needs(
            work.stages(learning, work.sampling_bytes(2 * shown)),
            work.objects(shown, chosen.steps * chosen.matches) + FRAMES_MB * MB,
            seconds + work.sampling_seconds(2 * shown),
            shape.weight_bytes if chosen.steps else 0,
        )

    def _training(
        self,
        game: str,
        model: str,
        chosen: settings.TrainingSettings,
        opponent: str = "",
        *,
        learners: int = 1,
    ) -> Needs:
        """Reinforcement learning; each process samples and learns from its part of the matches.

        Two learners have a seat of every match each, so that they take the time of one in both seats.
        """
        work = self._workload(game, model, chosen.max_new_tokens)
        past, checkpointing = chosen.buffer.size, chosen.activation_checkpointing
        served, gpu = chosen.sampler == "vllm", self._config.machine.gpu
        frozen = opponent in contents.algorithms(self._config)
        matches = chosen.matches / chosen.world_size
        sampled = matches * (2 if frozen or opponent in ("", WARM_START) else 1)
        one = opponent or past or chosen.learning_seats == "one"
        learning = matches * (1 if one else 2)  # one seat learns, or both
        rows = min(learning, max(1.0, chosen.micro_batch_tokens / work.talk.tokens))
        merged = work.merged_bytes(chosen.merge_adapter)
        update = work.backward_bytes(rows, merged=bool(merged), checkpointing=checkpointing)
        update += 2 * merged  # with their gradient
        sampling = work.sampling_bytes(sampled) + (2 if past or frozen else learners) * merged
        device = work.stages(update, sampling)
        if served:  # its share of a GPU, or on a CPU a model and a cache of its own
            share = chosen.vllm.memory_share * gpu.memory_gb * 1e9 / ALLOCATION if gpu else 0.0
            device = update + (share or work.shape.weight_bytes + SERVER_MB * MB)
        adapter = work.shape.adapter_parameters(chosen.lora_rank) * ADAPTER
        device += adapter * (learners * (1 + LEARNING / ADAPTER) + frozen + past)
        # In units of a forward pass: forward, backward (two where merged weights get gradients), recomputed,
        # reference, critic.
        passes = 2.0 + bool(merged) + checkpointing + (chosen.baseline == "critic")
        passes += 1 if chosen.kl_coefficient else 1 / learning
        seconds = work.sampling_seconds(sampled, layer=0 if served else LAYER) + matches * MATCH
        seconds += work.forward_seconds(learning) * passes * chosen.epochs
        if any(player.name == opponent for player in self._config.api_players):
            seconds += matches * work.talk.turns * REQUEST
        host = work.objects(matches, matches * chosen.iterations)
        disk, seconds = learners * adapter, chosen.iterations * seconds
        return work.needs(device, host, seconds, disk, chosen.world_size)

    def _matches(
        self,
        game: str,
        model: str,
        paired: Pairings,
        chosen: Evaluation,
        *,
        read: bool = False,
        variation: str = "",
    ) -> Needs:
        """Matches of many pairs, a batch at a time; `read`: to be read, with the probabilities of all tokens."""
        work = self._workload(game, model, chosen.max_new_tokens, variation)
        pairs = paired.pairs * paired.times
        seated = [paired.agents[place] for pair in pairs for place in pair]
        adapters, matches = len(paired.adapters), len(pairs) * chosen.matches
        batches = max(1.0, matches / chosen.batch)
        rows = sum(agent.on_model for agent in seated) * chosen.matches / batches
        in_batch = min(adapters, rows / chosen.matches) + 1
        sampling = work.sampling_bytes(rows) + in_batch * work.merged_bytes(chosen.merge_adapter)
        scores = work.backward_bytes(1, merged=False, checkpointing=True) if read else 0.0
        device = work.stages(sampling, scores)
        device += adapters * self._adapter_bytes(game, work.shape)
        switching = work.talk.passes * work.shape.num_hidden_layers * in_batch * LAYER
        alike = 1.0 if work.talk.dealt else min(1.0, WAYS / chosen.matches)
        seconds = batches * (work.sampling_seconds(rows * alike) + switching) + matches * MATCH
        requests = sum(agent.kind is Kind.API for agent in seated) * chosen.matches
        seconds += requests * work.talk.turns * REQUEST + read * work.forward_seconds(rows)
        host = work.objects(matches, matches) + FRAMES_MB * MB
        needs = work.needs(device, host, seconds, 2 * matches * ROW)
        return self._served(needs, work, chosen, host) if chosen.sampler == "vllm" else needs

    def _served(self, needs: Needs, work: Workload, chosen: Evaluation, host: float) -> Needs:
        """The same matches on a vLLM server: the job has the weights on the host, its own server a share of a GPU."""
        gpu, own = self._config.machine.gpu, not chosen.vllm.base_urls
        weights = work.shape.weight_bytes / MB
        memory = INTERPRETER_MB + weights + host / MB
        if own and gpu is None:
            memory += weights + SERVER_MB
        share = chosen.vllm.memory_share * gpu.memory_gb * 1e3 if own and gpu else 0.0
        return replace(needs, memory_mb=memory, gpus=int(share > 0), gpu_memory_mb=share)

    def _adapter_bytes(self, game: str, shape: ModelShape) -> int:
        """Bytes of an adapter, of the largest where they differ."""
        return shape.adapter_parameters(self._ranks[game]) * ADAPTER

    @cached_property
    def _ranks(self) -> dict[str, int]:
        """The largest rank of a game's adapters."""
        found = trainings.ranks(self._config)
        return {game: max(each) for (game, _), each in found.items()}

    def _perplexity(self, game: str, model: str) -> Needs:
        """A text of some paragraphs, read under every adapter."""
        shape, agents = self._shapes[model], len(pairings.all_trained(self._config, game, model))
        text = Conversation(ENGLISH_TOKENS, PARAGRAPH_TOKENS, ENGLISH_TOKENS, 0, 0, dealt=True)
        work = Workload(self._config.machine, shape, text)
        device = PARAGRAPH_TOKENS * shape.vocab_size * LOGIT
        device += agents * self._adapter_bytes(game, shape)
        return work.needs(device, 0, work.forward_seconds(agents), 0)

    def _transcripts(self, game: str, model: str) -> Needs:
        """A few matches of a pair, word for word."""
        chosen = settings.transcript_settings(self._config, game)
        pair = Pairings([Agent(name, adapter=name) for name in ("first", "second")], [(0, 1)])
        return self._matches(game, model, pair, chosen, read=True)

    def _strategies(self, game: str) -> Needs:
        """Strategies among themselves, without a model."""
        entrants = len(contents.strategies(self._config))
        matches = entrants * (entrants + 1) / 2 * self._config.tournament.matches
        seconds = matches * self._talk(game, "", 1, True).turns * 2e-5
        table = 2 * matches * ROW / MB
        return Needs(PLAIN_MB + 4 * table, 4 + seconds, table)

    def check_gpus(self) -> None:
        """Refuse a configuration whose trainings, matches or transcripts are too large for its GPUs.

        Raises:
            UserError: names the largest job, what it needs, and what there is.
        """
        gpu = self._config.machine.gpu
        if gpu is None:
            return
        largest = max(self.jobs_on_gpus(), key=lambda job: self.needs(*job).gpu_memory_mb)
        needed = self.needs(*largest).gpu_memory_mb / 1e3
        if needed > gpu.memory_gb:
            raise UserError(
                f"{', '.join(largest)}: needs {needed:.0f} GB on a GPU by its estimate, but "
                f"machine.gpu.memory_gb is {gpu.memory_gb:g}; raise training.world_size or lower "
                "micro_batch_tokens, matches, batch or evaluation_matches there"
            )

    def jobs_on_gpus(self) -> Iterator[tuple[str, ...]]:
        """Kind and names of every job that computes with a model, once for all seeds."""
        config, sweep = self._config, self._config.prior_sweep
        games, algorithms = contents.games(config), contents.algorithms(config)
        shares, variants = contents.shares(config), contents.trained_variants(config)
        found = [
            (game, *learner[:2]) for game in games for learner in contents.learners(config, game)
        ]
        of_game = {
            **dict.fromkeys(("warm_start", "cross_play", "disturbances", "transcripts"), games),
            "further_cross_play": games if config.further_seeds else [],
            "learner_matches": contents.learner_games(config),
            "two_learners": [game for game, *_ in contents.paired(config)],
            "clone": contents.clone_games(config),
            "tournament": contents.tournament_games(config),
            "prior_audit": contents.audited_games(config),
            "perplexity": games if contents.published_models(config) else [],
        }
        places: dict[str, Iterable[tuple[str, ...]]] = {
            **{kind: [(game,) for game in some] for kind, some in of_game.items()},
            "training": product(games, algorithms),
            "learner": dict.fromkeys(found),
            **dict.fromkeys(("variant", "variant_matches"), variants),
            "prior": product(sweep.games, sweep.algorithms, shares),
            "prior_matches": product(sweep.games, shares),
            "generalisation": contents.varied_games(config),
        }
        for kind, some in places.items():
            for (game, *names), model in product(some, self._shapes):
                yield kind, game, model, *names
