"""Settings as a stage reads them: the defaults, then the top level's, the game's own, and the algorithm's."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from social_dilemmas.config.schema.config import Config
from social_dilemmas.config.schema.evaluation import Disturbances, Evaluation, Transcripts
from social_dilemmas.config.schema.experiments import Ablations
from social_dilemmas.config.schema.game import AS_TRAINED, Exploitability, Generalisation, Variation
from social_dilemmas.config.schema.section import Count, Pair, Section, named
from social_dilemmas.config.schema.training import Credit, Critic, Training, Vllm
from social_dilemmas.config.schema.warm_start import WarmStart
from social_dilemmas.games import game_class, game_of, kind_of, rule_parameters

# Settings that change results by rounding at most: a run resumes from a checkpoint that was written under others.
ROUNDING_ONLY = {
    *("micro_batch_tokens", "activation_checkpointing", "world_size", "checkpoint_every", "vllm"),
}


class TrainingSettings(Training):
    """Settings of a training run: those of the section `training`, and the algorithm's credit."""

    credit: Credit


class CloneSettings(WarmStart):
    """Settings of a clone: those of the game's warm start but for its own, and whom it imitates."""

    player: str


class TranscriptSettings(Evaluation):
    """Settings of a pair's transcripts; replies are sampled as in the game's cross-play."""

    matches: Count
    merge_adapter: bool = False  # doesn't pay for a few matches


class DisturbanceSettings(Evaluation):
    """Settings of a game's disturbed matches; replies are sampled as in its cross-play."""

    slip_round: int
    tremble: float


def warm_start_settings(config: Config, game: str) -> WarmStart:
    """Settings of a game's warm start."""
    settings = merge(config.warm_start, config.game(game).warm_start)
    if settings.get("method") != "lora":  # then they have no effect
        settings = {key: value for key, value in settings.items() if not key.startswith("lora_")}
    return WarmStart(**settings)


def clone_settings(config: Config, game: str) -> CloneSettings:
    """Settings of a game's clone, which there must be."""
    clone = config.game(game).clone
    assert clone is not None
    own = {**clone.model_dump(), "method": "lora", "primer": None}
    return CloneSettings(**merge(warm_start_settings(config, game), own))


def prior_settings(config: Config, game: str, share: str) -> WarmStart:
    """Settings of a game's warm start where reciprocal players together have this share of the population."""
    settings = warm_start_settings(config, game)
    population = with_share(settings.population, config.prior_sweep.players, float(share))
    return settings.model_copy(update={"population": population})


def with_share(
    weights: Mapping[str, float], chosen: Collection[str], share: float
) -> dict[str, float]:
    """Weights that add up to 1, of which `chosen` have this share; within both parts proportions stay.

    Players that are left without weight are left out. Each part must have a player.
    """
    whole = {
        part: sum(weights[name] for name in weights if (name in chosen) == part)
        for part in (True, False)
    }
    parts = {True: share, False: 1 - share}
    scaled = {
        name: weight / whole[name in chosen] * parts[name in chosen]
        for name, weight in weights.items()
    }
    return {name: weight for name, weight in scaled.items() if weight}


def training_settings(
    config: Config, game: str, algorithm: str, *further: Section | Mapping[str, Any]
) -> TrainingSettings:
    """Settings of an algorithm's training in a game; `further` ones win."""
    by_algorithm = config.game(game).training_by_algorithm.get(algorithm, {})
    return _training_settings(config, game, algorithm, by_algorithm, *further)


def _training_settings(
    config: Config, game: str, algorithm: str, *further: Section | Mapping[str, Any]
) -> TrainingSettings:
    """The same without what a game has for the algorithm alone."""
    credit = {"credit": named(config.algorithms, algorithm).credit}
    settings = merge(config.training, config.game(game).training, credit, *further)
    # What has no effect is left at its default, so that a change of it is no change.
    if settings["credit"] in ("naive", "sum_of_rewards"):
        settings["beta"] = 0.0
    if settings.get("baseline") != "critic":
        settings["critic"] = Critic()
    if settings.get("sampler") != "vllm":
        settings["vllm"] = Vllm()
    if settings.get("epochs", 1) == 1:
        settings.pop("clip_ratio", None)
    if not settings.get("buffer", {}).get("size"):
        settings.pop("buffer", None)
    pool = settings.pop("pool", {})
    if pool.get("probability"):
        population = [*warm_start_settings(config, game).population]
        settings["pool"] = {**pool, "scripted": pool.get("scripted") or population}
    return TrainingSettings(**settings)


def settings_differ(config: Config, game: str) -> bool:
    """Whether algorithms are trained in a game with different settings; what only some credits have doesn't count."""
    settings = [
        training_settings(config, game, algorithm.name).model_dump(exclude={"credit", "beta"})
        for algorithm in config.algorithms
    ]
    return any(each != settings[0] for each in settings)


def learner_settings(config: Config, game: str, algorithm: str, opponent: str) -> TrainingSettings:
    """Settings of an algorithm's training against an opponent that doesn't learn; there are no others then."""
    against = exploitability_settings(config, game)
    own = against.training_by_opponent.get(opponent, {})
    further = (against.training, own, {"buffer": {"size": 0}, "pool": {"probability": 0.0}})
    return training_settings(config, game, algorithm, *further)


def variant_settings(config: Config, game: str, variant: str, section: str) -> TrainingSettings:
    """Settings of a variant's training; the section is `ablations` or `rivals`."""
    of: Ablations = getattr(config, section)
    chosen = named(of.variants, variant)
    credit = {"credit": chosen.credit} if chosen.credit else {}
    return training_settings(config, game, of.algorithm, chosen.training, credit)


def pair_settings(config: Config, game: str, pair: Sequence[str]) -> list[TrainingSettings]:
    """Settings of two learners, by their algorithms; they differ in nothing but credit, and meet nobody else."""
    alone = {"buffer": {"size": 0}, "pool": {"probability": 0.0}}
    further = (config.two_learners.training, alone)
    return [_training_settings(config, game, algorithm, *further) for algorithm in pair]


def exploitability_settings(config: Config, game: str) -> Exploitability:
    """Who learns against whom in a game, and the settings of these trainings."""
    return Exploitability(**merge(config.exploitability, config.game(game).exploitability))


def evaluation_settings(config: Config, game: str) -> Evaluation:
    """Settings of a game's cross-play."""
    settings = merge(config.evaluation, config.game(game).evaluation)
    if settings.get("sampler") != "vllm":  # then they have no effect
        settings.pop("vllm", None)
    return Evaluation(**settings)


def transcript_settings(config: Config, game: str) -> TranscriptSettings:
    """Settings of a game's transcripts."""
    matches = _transcripts(config, game).matches
    own = {"opponents": [], "matches": matches, "batch": matches, "merge_adapter": False}
    return TranscriptSettings(**merge(evaluation_settings(config, game), own))


def transcript_pairs(config: Config, game: str) -> list[Pair]:
    """The pairs of agents whose transcripts are wanted in a game."""
    return _transcripts(config, game).pairs


def _transcripts(config: Config, game: str) -> Transcripts:
    return Transcripts(**merge(config.transcripts, config.game(game).transcripts))


def disturbance_settings(config: Config, game: str) -> DisturbanceSettings:
    """Settings of a game's disturbed matches."""
    entry = config.game(game)
    own = Disturbances(**merge(config.disturbances, entry.disturbances))
    early = max(1, min(3, game_of(entry.entry).rounds - 1))
    chosen = {**own.plain(), "slip_round": own.slip_round or early}
    return DisturbanceSettings(**merge(evaluation_settings(config, game), chosen))


def generalisation_settings(config: Config, game: str) -> Evaluation:
    """Settings of a game's matches under variations; replies are sampled as in its cross-play."""
    own = {"opponents": [], "matches": _generalisation(config, game).matches}
    return evaluation_settings(config, game).model_copy(update=own)


def variations(config: Config, game: str) -> list[Variation]:
    """What a game's agents meet, the game as it is first; nothing where there is nothing else."""
    chosen = _generalisation(config, game).variations
    return [Variation(name=AS_TRAINED), *chosen] if chosen else []


def variation_entry(config: Config, game: str, variation: str) -> dict[str, Any]:
    """How a game is played under a variation, as `Game.entry` has it, under the game's own name."""
    chosen, own = named(variations(config, game), variation), config.game(game).entry
    kind, rules = chosen.kind or kind_of(own), own["rules"]
    if kind != kind_of(own):
        known = rule_parameters(game_class(kind)).items()
        told = [key for key, rule in known if rule.kind is rule.KEYWORD_ONLY]
        rules = {key: value for key, value in rules.items() if key in told}
    rounds = chosen.model_dump(include={"rounds"}, exclude_none=True)
    return {**own, "kind": kind, **rounds, "rules": {**rules, **chosen.rules}}


def _generalisation(config: Config, game: str) -> Generalisation:
    return Generalisation(**merge(config.generalisation, config.game(game).generalisation))


def tournament_settings(config: Config, game: str) -> Evaluation:
    """Settings of a game's tournament; replies are sampled as in its cross-play."""
    own = {"opponents": [], "matches": config.tournament.matches, "batch": config.tournament.batch}
    return evaluation_settings(config, game).model_copy(update=own)


def completed(config: Config) -> dict[str, Any]:
    """The whole configuration as plain data, with the defaults of all sections."""
    kinds: dict[str, type[Section]] = {
        "warm_start": WarmStart,
        "training": Training,
        "evaluation": Evaluation,
        "exploitability": Exploitability,
        "transcripts": Transcripts,
        "disturbances": Disturbances,
        "generalisation": Generalisation,
    }
    said = config.model_dump(mode="json", exclude_none=True)
    for section, kind in kinds.items():
        defaults = {
            key: value.model_dump(mode="json", exclude_none=True)
            if isinstance(value, Section)
            else value
            for key, value in kind.model_construct()
        }
        said[section] = merge(defaults, said[section])
    return said


def merge(*layers: Section | Mapping[str, Any]) -> dict[str, Any]:
    """One mapping of several: later ones win, key by key, also in the mappings within. Of sections, what was set."""
    merged: dict[str, Any] = {}
    for layer in layers:
        given = layer.model_dump(exclude_unset=True) if isinstance(layer, Section) else layer
        for key, value in given.items():
            if isinstance(value, Mapping):
                below = merged.get(key)
                merged[key] = merge(below if isinstance(below, Mapping) else {}, value)
            else:
                merged[key] = value
    return merged
