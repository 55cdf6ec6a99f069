"""The matches that a configuration asks for: who plays whom."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement, product
from typing import Any

from social_dilemmas.agents.agent import (
    WARM_START,
    Agent,
    Kind,
    adapters_of,
    clone_name,
    learner_name,
)
from social_dilemmas.agents.conditions import conditions_in
from social_dilemmas.agents.roles import RECIPROCAL_PLAYERS, extremes
from social_dilemmas.config import contents, paths
from social_dilemmas.config.schema.config import Config
from social_dilemmas.config.schema.evaluation import Evaluation
from social_dilemmas.config.settings import (
    disturbance_settings,
    evaluation_settings,
    generalisation_settings,
    tournament_settings,
    transcript_pairs,
    variant_settings,
    variation_entry,
)
from social_dilemmas.config.trainings import variant_start
from social_dilemmas.games import game_class, kind_of


@dataclass(frozen=True)
class Pairings:
    """Who plays whom: agents, pairs of their positions in that list, and under how many conditions each plays."""

    agents: list[Agent]
    pairs: list[tuple[int, int]]
    times: int = 1

    @property
    def adapters(self) -> list[str]:
        """Directories of all adapters that play."""
        return adapters_of(self.agents)


def agent_named(config: Config, game: str, model: str, name: str, seed: int) -> Agent:
    """The agent of a name in a place; a trained one is that of the seed."""
    if name in contents.algorithms(config):
        where = {"game": game, "model": model, "algorithm": name, "seed": seed}
        return _trained_agent(config, name, paths.TRAINING, **where)
    if name == WARM_START:
        return Agent(WARM_START)
    for player in config.api_players:
        if player.name == name:
            cache = f"{paths.results(config.scale)}/{paths.API_CACHE.format(name=name)}"
            return Agent(name, Kind.API, api=player.model_dump_json(), cache=cache)
    return Agent(name, Kind.SCRIPTED)


def _trained_agent(config: Config, name: str, path: str, **where: Any) -> Agent:
    """The agent of a training whose folder is at this path, filled in with `where`."""
    adapter = f"{paths.results(config.scale)}/{path.format(**where)}/adapter"
    return Agent(name, seed=where["seed"], adapter=adapter)


def _self_trained(config: Config, game: str, model: str, seeds: Iterable[int]) -> list[Agent]:
    """The warm start and all agents that were trained by self-play with these seeds."""
    runs = product(contents.algorithms(config), seeds)
    trained = [agent_named(config, game, model, *run) for run in runs]
    return [Agent(WARM_START), *trained]


def all_trained(config: Config, game: str, model: str) -> list[Agent]:
    """The warm start and all agents that were trained by self-play.

    Those of further seeds are included, unless the main job is to have them generalise.
    """
    further = [] if "generalisation" in config.main_experiments else config.further_seeds
    return _self_trained(config, game, model, [*config.seeds, *further])


def clone(config: Config, game: str, model: str) -> list[Agent]:
    """The clone of a game, if it has one."""
    chosen = config.game(game).clone
    adapter = f"{paths.results(config.scale)}/{paths.CLONE.format(game=game, model=model)}/adapter"
    return [Agent(clone_name(chosen.player), adapter=adapter)] if chosen else []


def _scripted(names: list[str]) -> list[Agent]:
    return [Agent(name, Kind.SCRIPTED) for name in names]


def cross_play(
    config: Config, game: str, model: str, seeds: Iterable[int] | None = None
) -> Pairings:
    """Every agent of the seeds (default: those of the main job) with every other and with itself."""
    opponents = evaluation_settings(config, game).opponents
    seeds = config.seeds if seeds is None else seeds
    trained = [*_self_trained(config, game, model, seeds), *clone(config, game, model)]
    agents = [*trained, *_scripted(opponents)]
    return Pairings(agents, list(combinations_with_replacement(range(len(agents)), 2)))


def further_cross_play(config: Config, game: str, model: str) -> Pairings:
    """The same for the further seeds."""
    return cross_play(config, game, model, config.further_seeds)


def _of_variant(config: Config, game: str, model: str, variant: str, section: str) -> list[Agent]:
    """All agents of an ablation or a rival."""
    where = {"game": game, "model": model, "variant": variant, "section": section}
    return [
        _trained_agent(config, variant, paths.VARIANT, **where, seed=seed)
        for seed in config.seeds_of_experiments
    ]


def variant_matches(config: Config, game: str, model: str, variant: str, section: str) -> Pairings:
    """Every agent of a variant with itself and with every scripted player."""
    return _with_scripted(config, game, _of_variant(config, game, model, variant, section))


def prior_matches(config: Config, game: str, model: str, share: str) -> Pairings:
    """Every agent from a warm start of the sweep, and that warm start, with itself and with every scripted player."""
    where = {"game": game, "model": model, "share": share}
    runs = product(config.prior_sweep.algorithms, config.seeds_of_experiments)
    trained = [
        _trained_agent(config, name, paths.PRIOR_TRAINING, **where, algorithm=name, seed=seed)
        for name, seed in runs
    ]
    return _with_scripted(config, game, [Agent(WARM_START), *trained])


def _with_scripted(config: Config, game: str, agents: list[Agent]) -> Pairings:
    """Each of these agents with itself and with every scripted player of the game's cross-play."""
    return _with_each(agents, _scripted(evaluation_settings(config, game).opponents))


def _with_each(agents: list[Agent], opponents: list[Agent]) -> Pairings:
    """Each of these agents with itself and with every one of the opponents."""
    everyone = [*agents, *opponents]
    fixed = range(len(agents), len(everyone))
    return Pairings(everyone, [(i, j) for i in range(len(agents)) for j in (i, *fixed)])


def learner_matches(config: Config, game: str, model: str) -> Pairings:
    """Every learner with the opponent that it learned against."""
    agents = []
    for algorithm, opponent, seed in contents.learners(config, game):
        where = {"game": game, "model": model, "algorithm": algorithm, "opponent": opponent}
        name = learner_name(algorithm)
        agents.append(_trained_agent(config, name, paths.LEARNER, **where, seed=seed))
        agents.append(agent_named(config, game, model, opponent, seed))
    return Pairings(agents, [(i, i + 1) for i in range(0, len(agents), 2)])


def tournament(config: Config, game: str, model: str) -> Pairings:
    """Every agent with every strategy, then agents of different names among themselves."""
    agents = _self_trained(config, game, model, config.seeds)
    entrants = [Agent(name, Kind.AXELROD) for name in contents.strategies(config)]
    own, others = range(len(agents)), range(len(agents), len(agents) + len(entrants))
    # The matches of one agent stand next to each other, so that few batches need more than one adapter.
    among = [pair for pair in combinations(own, 2) if len({agents[at].name for at in pair}) > 1]
    return Pairings([*agents, *entrants], [*product(own, others), *among])


def disturbances(config: Config, game: str, model: str) -> Pairings:
    """Every agent with itself, and those that aren't scripted with a reciprocal player.

    Of the ablations' agents, those take part that were trained with trembling hands, from the same warm start.
    """
    own = _self_trained(config, game, model, [*config.seeds, *config.further_seeds])
    for place, variant in config.ablations.trained:
        settings = variant_settings(config, game, variant, "ablations")
        trembling = place == game and settings.tremble > 0
        if trembling and variant_start(config, variant, "ablations") == paths.WARM_STARTED:
            own += _of_variant(config, game, model, variant, "ablations")
    agents = [*own, *_scripted(evaluation_settings(config, game).opponents)]
    pairs = [(place, place) for place in range(len(agents))]
    reciprocal = [place for place, agent in enumerate(agents) if agent.name in RECIPROCAL_PLAYERS]
    pairs += product(range(len(own)), reciprocal)
    times = len(conditions_in(game_class(kind_of(config.game(game).entry))))
    return Pairings(agents, pairs, times)


def generalisation(config: Config, game: str, model: str, variation: str) -> Pairings:
    """Every agent of a game with itself, with a cooperator and with a defector, under one of its variations."""
    own = all_trained(config, game, model)
    met = _scripted(extremes(kind_of(variation_entry(config, game, variation))))
    return _with_each(own, met)


MATCHES: dict[str, tuple[Callable[..., Pairings], Callable[[Config, str], Evaluation]]] = {
    "cross_play": (cross_play, evaluation_settings),
    "further_cross_play": (further_cross_play, evaluation_settings),
    "learner_matches": (learner_matches, evaluation_settings),
    "variant_matches": (variant_matches, evaluation_settings),
    "prior_matches": (prior_matches, evaluation_settings),
    "tournament": (tournament, tournament_settings),
    "disturbances": (disturbances, disturbance_settings),
    "generalisation": (generalisation, generalisation_settings),
}
"""Who plays whom in every kind of job that plays pairs, and its settings."""


def transcripts(config: Config, game: str) -> dict[str, tuple[str, str]]:
    """The pairs of agents whose transcripts are wanted, by the names of their files."""
    pairs = transcript_pairs(config, game)
    return {f"{first}-vs-{second}": (first, second) for first, second in pairs}


def transcript_agents(config: Config, game: str, model: str, pair: str) -> list[Agent]:
    """Both agents of a pair; a trained one has the first of the seeds."""
    names = transcripts(config, game)[pair]
    return [agent_named(config, game, model, name, config.seeds[0]) for name in names]
