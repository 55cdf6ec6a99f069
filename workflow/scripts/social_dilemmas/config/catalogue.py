"""What a configuration asks for: trainings, matches, transcripts, tables and figures."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import combinations, combinations_with_replacement, product
from pathlib import Path
from typing import Any

from social_dilemmas.agents.agent import WARM_START, Agent, Kind, clone_name, learner_name
from social_dilemmas.agents.axelrod.names import TOURNAMENT_KIND, chosen_strategies
from social_dilemmas.agents.conditions import conditions_in
from social_dilemmas.agents.extremes import extremes
from social_dilemmas.agents.scripted.player import RECIPROCAL_PLAYERS
from social_dilemmas.config import paths
from social_dilemmas.config.schema import Config, Evaluation, named
from social_dilemmas.config.settings import (
    TrainingSettings,
    disturbance_settings,
    evaluation_settings,
    exploitability_settings,
    generalisation_settings,
    learner_settings,
    prior_training_settings,
    tournament_settings,
    training_settings,
    transcript_settings,
    variant_settings,
    variation_entry,
    variations,
    varied,
)
from social_dilemmas.games import game_class, game_of, kind_of
from social_dilemmas.games.matrix_game import MatrixGame
from social_dilemmas.games.talk import TalkingGame

FIRST = "first_learning_curves"
"""The table and the figure of the first steps: a part of the main job, and asked for by nothing else."""


@dataclass(frozen=True)
class Trained:
    """A training of the workflow.

    Attributes:
        stage: `training`, `exploitability`, `ablations` or `rivals`.
        folder, base: where it and the model that it starts from are, below the results.
        name: the agent's name in tables.
        further: whether only the further experiments make it.
        opponent: the only one that it learns against; None for self-play.
    """

    stage: str
    folder: Path
    base: Path
    game: str
    model: str
    seed: int
    name: str
    settings: TrainingSettings
    further: bool
    opponent: str | None = None

    @property
    def table(self) -> str:
        """The table that has its scores."""
        if self.stage != "training":
            return self.stage
        return "all_cross_play" if self.further else "cross_play"


def adapters_of(agents: Iterable[Agent]) -> list[str]:
    """Directories of the adapters that agents have, each once."""
    return sorted({agent.adapter for agent in agents if agent.adapter})


@dataclass(frozen=True)
class Fixture:
    """Who plays whom: agents, pairs of their positions in that list, and under how many conditions each plays."""

    agents: list[Agent]
    pairs: list[tuple[int, int]]
    times: int = 1

    @property
    def adapters(self) -> list[str]:
        """Directories of all adapters that play."""
        return adapters_of(self.agents)


def algorithms(config: Config) -> list[str]:
    """Names of the algorithms."""
    return [algorithm.name for algorithm in config.algorithms]


def first_algorithms(config: Config) -> list[str]:
    """The first and the last algorithm, which the first steps compare: naive RL and Advantage Alignment."""
    names = algorithms(config)
    return list(dict.fromkeys((names[0], names[-1])))


def games(config: Config) -> list[str]:
    """Names of the games."""
    return [game.name for game in config.games]


def models(config: Config) -> list[str]:
    """Names of the base models."""
    return [model.name for model in config.models]


def strategies(config: Config) -> list[str]:
    """Strategies of the Axelrod library that enter the tournament."""
    return chosen_strategies(config.tournament.strategies)


def tournament_games(config: Config) -> list[str]:
    """Games with a tournament."""
    entries = config.games if strategies(config) else []
    return [game.name for game in entries if kind_of(game.entry) == TOURNAMENT_KIND]


def talking_games(config: Config) -> list[str]:
    """Games in which players talk."""
    return [
        game.name
        for game in config.games
        if issubclass(game_class(kind_of(game.entry)), TalkingGame)
    ]


def learners(config: Config, game: str) -> list[tuple[str, str, int]]:
    """Algorithm, opponent and seed of every training against an opponent that doesn't learn."""
    chosen = exploitability_settings(config, game).learners
    return [
        (algorithm, opponent, seed)
        for algorithm in algorithms(config)
        for opponent in chosen.get(algorithm, [])
        for seed in config.seeds
    ]


def learner_games(config: Config) -> list[str]:
    """Games in which agents learn against opponents that don't."""
    return [game for game in games(config) if learners(config, game)]


def rival_games(config: Config) -> list[str]:
    """Games in which rivals are trained."""
    return list(dict.fromkeys(game for game, _ in config.rivals.trained))


def variant_start(config: Config, variant: str, section: str) -> str:
    """Where the model is that a variant's training starts from, below the results."""
    chosen = named(getattr(config, section).variants, variant)
    return paths.BASE if chosen.start == "base" else paths.WARM_STARTED


def shares(config: Config) -> list[str]:
    """Shares of reciprocal players in the sweep, as paths write them."""
    return [f"{share:g}" for share in config.prior_sweep.shares]


def clone_games(config: Config) -> list[str]:
    """Games with a clone."""
    return [game.name for game in config.games if game.clone]


def paired(config: Config) -> list[tuple[str, str, str]]:
    """Game and algorithms of every pair of learners that learn against each other."""
    chosen = config.two_learners
    return [(game, first, second) for game in chosen.games for first, second in chosen.pairs]


def varied_games(config: Config) -> list[tuple[str, str]]:
    """Game and name of every variation that agents meet."""
    return [(game, each.name) for game in games(config) for each in variations(config, game)]


def published_models(config: Config) -> list[str]:
    """Models that know English, as nothing here builds them."""
    return [model.name for model in config.models if model.kind != "embedded"]


def audited_games(config: Config) -> list[str]:
    """Matrix games of two actions; of those that differ only by how these are named and listed, the first."""
    found: dict[str, Any] = {}
    for game in config.games:
        played = game_of(game.entry)
        if isinstance(played, MatrixGame) and len(played.actions) == 2:
            told = dict.fromkeys(("actions", "order", "alternate_actions"))
            same = played.kind, {**game.rules, **told}
            if same not in found.values():
                found[game.name] = same
    return list(found)


def tellings(config: Config, game: str, model: str) -> list[dict[str, list[str]]]:
    """The rules that tell a matrix game with every naming and in every order of its two actions.

    An embedded model reads only the words that it was built for, and so only the game's own order.
    """
    played = game_of(config.game(game).entry)
    assert isinstance(played, MatrixGame)
    first, second = played.order
    orders = [[first, second], [second, first]]
    listed = orders[:1] if config.model(model).kind == "embedded" else orders
    return [{"actions": actions, "order": order} for order in listed for actions in orders]


def trainings(config: Config) -> Iterator[Trained]:
    """All trainings whose agents are published: those of the main job, then those of the further experiments."""
    places = list(product(games(config), models(config)))
    for seeds, further in ((config.seeds, False), (config.further_seeds, True)):
        for (game, model), name, seed in product(places, algorithms(config), seeds):
            where = {"game": game, "model": model, "algorithm": name, "seed": seed}
            settings = training_settings(config, game, name)
            yield _trained(paths.TRAINING, paths.WARM_STARTED, where, name, settings, further)
    for game, model in places:
        for name, opponent, seed in learners(config, game):
            where = {"game": game, "model": model, "algorithm": name, "seed": seed}
            where["opponent"] = opponent
            settings = learner_settings(config, game, name, opponent)
            yield _trained(paths.LEARNER, paths.WARM_STARTED, where, learner_name(name), settings)
    for (game, *which), model, seed in product(
        varied(config), models(config), config.seeds_of_experiments
    ):
        name, section = which
        where = {"game": game, "model": model, "variant": name, "section": section, "seed": seed}
        settings = variant_settings(config, game, *which)
        yield _trained(paths.VARIANT, variant_start(config, *which), where, name, settings)


def _trained(
    path: str,
    base: str,
    where: Mapping[str, Any],
    name: str,
    settings: TrainingSettings,
    further: bool = True,
) -> Trained:
    """A training whose folder and base model are at these paths, filled in with `where`."""
    folder = Path(path.format(**where))
    return Trained(
        stage=folder.parts[0],
        folder=folder,
        base=Path(base.format(**where)),
        game=where["game"],
        model=where["model"],
        seed=where["seed"],
        name=name,
        settings=settings,
        further=further,
        opponent=where.get("opponent"),
    )


def files(config: Config) -> dict[str, dict[Any, str]]:
    """The files that tables are made from, by their kinds and keys, as paths below the results."""
    places = list(product(games(config), models(config)))
    learned = list(product(learner_games(config), models(config)))
    priors = product(config.prior_sweep.games, models(config), shares(config))
    dilemmas = tournament_games(config)
    pair_runs = [
        (game, model, *pair, seed)
        for (game, *pair), model, seed in product(
            paired(config), models(config), config.seeds_of_experiments
        )
    ]
    learner_runs = [(*place, *run) for place in learned for run in learners(config, place[0])]
    return {
        **_files_by_seeds(config),
        **_files_of_variants(config),
        "learner_metrics": _filled(f"{paths.LEARNER}/metrics.csv", learner_runs),
        "learner_matches": _filled(f"{paths.LEARNER_MATCHES}/matches.parquet", learned),
        "pair_metrics": _filled(f"{paths.TWO_LEARNERS}/metrics.csv", pair_runs),
        "prior_matches": _filled(f"{paths.PRIOR}/matches.parquet", priors),
        "tournament_matches": _filled(
            f"{paths.TOURNAMENT}/matches.parquet", product(dilemmas, models(config))
        ),
        "disturbed_matches": _filled(f"{paths.DISTURBANCES}/matches.parquet", places),
        "talking_matches": _filled(
            f"{paths.DISTURBANCES}/matches.parquet", product(talking_games(config), models(config))
        ),
        "variation_matches": _filled(
            f"{paths.VARIATION}/matches.parquet",
            [
                (game, model, variation)
                for game, variation in varied_games(config)
                for model in models(config)
            ],
        ),
        "prior_probabilities": _filled(
            f"{paths.PRIOR_AUDIT}/probabilities.csv", product(audited_games(config), models(config))
        ),
        "perplexities": _filled(
            f"{paths.PERPLEXITY}/perplexity.csv", product(games(config), published_models(config))
        ),
        "strategy_matches": _filled(f"{paths.STRATEGIES}/strategies.parquet", dilemmas),
        "strategy_kinds": _filled(f"{paths.STRATEGIES}/kinds.csv", dilemmas),
    }


def _files_by_seeds(config: Config) -> dict[str, dict[Any, str]]:
    """Trainings and cross-play of the main job's seeds, and of those with the further ones."""
    places = list(product(games(config), models(config)))
    metrics, further_metrics = (
        _filled(
            f"{paths.TRAINING}/metrics.csv",
            [(*place, *run) for place, *run in product(places, algorithms(config), seeds)],
        )
        for seeds in (config.seeds, config.further_seeds)
    )
    matches = _filled(f"{paths.CROSS_PLAY}/matches.parquet", places)
    further_places = [(*place, "further seeds") for place in places if config.further_seeds]
    further_matches = _filled(f"{paths.FURTHER_CROSS_PLAY}/matches.parquet", further_places)
    first_runs = product(
        games(config)[:1], models(config)[:1], first_algorithms(config), config.seeds[:2]
    )
    return {
        "first_metrics": _filled(f"{paths.TRAINING}/metrics.csv", first_runs),
        "training_metrics": metrics,
        "all_training_metrics": metrics | further_metrics,
        "cross_play_matches": matches,
        "all_cross_play_matches": matches | further_matches,
    }


def _files_of_variants(config: Config) -> dict[str, dict[Any, str]]:
    """Matches of ablations and rivals, and of what they are compared with."""
    ablations, rivals = (
        [(game, model, name) for game, name in section.trained for model in models(config)]
        for section in (config.ablations, config.rivals)
    )
    controls = {each.name: each.compared_with for each in config.ablations.variants}
    standard = config.ablations.algorithm
    compared = [(*place, name, controls[name] or standard) for *place, name in ablations]
    ablated = product(config.ablations.games, models(config), [standard])
    rivalled = product(rival_games(config), models(config), algorithms(config))
    variants = partial(paths.VARIANT_MATCHES.replace, "{section}")
    return {
        "ablated_matches": _filled(f"{paths.CROSS_PLAY}/matches.parquet", ablated),
        "variant_matches": _filled(f"{variants('ablations')}/matches.parquet", compared),
        "rivalled_matches": _filled(f"{paths.CROSS_PLAY}/matches.parquet", rivalled),
        "rival_matches": _filled(f"{variants('rivals')}/matches.parquet", rivals),
    }


def _filled(path: str, keys: Iterable[Any]) -> dict[Any, str]:
    """A file for each key, whose first parts fill in the path."""
    names = re.findall(r"{(\w+)}", path)
    return {
        key: path.format(**dict(zip(names, [key] if isinstance(key, str) else key, strict=False)))
        for key in keys
    }


def agent_named(config: Config, game: str, model: str, name: str, seed: int) -> Agent:
    """The agent of a name in a place; a trained one is that of the seed."""
    if name in algorithms(config):
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
    runs = product(algorithms(config), seeds)
    trained = [agent_named(config, game, model, *run) for run in runs]
    return [Agent(WARM_START), *trained]


def all_trained(config: Config, game: str, model: str) -> list[Agent]:
    """The same with all seeds."""
    return _self_trained(config, game, model, [*config.seeds, *config.further_seeds])


def clone(config: Config, game: str, model: str) -> list[Agent]:
    """The clone of a game, if it has one."""
    chosen = config.game(game).clone
    adapter = f"{paths.results(config.scale)}/{paths.CLONE.format(game=game, model=model)}/adapter"
    return [Agent(clone_name(chosen.player), adapter=adapter)] if chosen else []


def _scripted(names: list[str]) -> list[Agent]:
    return [Agent(name, Kind.SCRIPTED) for name in names]


def cross_play(
    config: Config, game: str, model: str, seeds: Iterable[int] | None = None
) -> Fixture:
    """Every agent of the seeds (default: those of the main job) with every other and with itself."""
    opponents = evaluation_settings(config, game).opponents
    seeds = config.seeds if seeds is None else seeds
    trained = [*_self_trained(config, game, model, seeds), *clone(config, game, model)]
    agents = [*trained, *_scripted(opponents)]
    return Fixture(agents, list(combinations_with_replacement(range(len(agents)), 2)))


def further_cross_play(config: Config, game: str, model: str) -> Fixture:
    """The same for the further seeds."""
    return cross_play(config, game, model, config.further_seeds)


def _of_variant(config: Config, game: str, model: str, variant: str, section: str) -> list[Agent]:
    """All agents of an ablation or a rival."""
    where = {"game": game, "model": model, "variant": variant, "section": section}
    return [
        _trained_agent(config, variant, paths.VARIANT, **where, seed=seed)
        for seed in config.seeds_of_experiments
    ]


def variant_matches(config: Config, game: str, model: str, variant: str, section: str) -> Fixture:
    """Every agent of an ablation with itself and with every scripted player."""
    return _with_scripted(config, game, _of_variant(config, game, model, variant, section))


def prior_matches(config: Config, game: str, model: str, share: str) -> Fixture:
    """Every agent from a warm start of the sweep, and that warm start, with itself and with every scripted player."""
    where = {"game": game, "model": model, "share": share}
    runs = product(config.prior_sweep.algorithms, config.seeds_of_experiments)
    trained = [
        _trained_agent(config, name, paths.PRIOR_TRAINING, **where, algorithm=name, seed=seed)
        for name, seed in runs
    ]
    return _with_scripted(config, game, [Agent(WARM_START), *trained])


def _with_scripted(config: Config, game: str, agents: list[Agent]) -> Fixture:
    """Each of these agents with itself and with every scripted player of the game's cross-play."""
    return _with_each(agents, _scripted(evaluation_settings(config, game).opponents))


def _with_each(agents: list[Agent], opponents: list[Agent]) -> Fixture:
    """Each of these agents with itself and with every one of the opponents."""
    everyone = [*agents, *opponents]
    fixed = range(len(agents), len(everyone))
    return Fixture(everyone, [(i, j) for i in range(len(agents)) for j in (i, *fixed)])


def learner_matches(config: Config, game: str, model: str) -> Fixture:
    """Every learner with the opponent that it learned against."""
    agents = []
    for algorithm, opponent, seed in learners(config, game):
        where = {"game": game, "model": model, "algorithm": algorithm, "opponent": opponent}
        name = learner_name(algorithm)
        agents.append(_trained_agent(config, name, paths.LEARNER, **where, seed=seed))
        agents.append(agent_named(config, game, model, opponent, seed))
    return Fixture(agents, [(i, i + 1) for i in range(0, len(agents), 2)])


def tournament(config: Config, game: str, model: str) -> Fixture:
    """Every agent with every strategy, then all agents among themselves."""
    agents = _self_trained(config, game, model, config.seeds)
    entrants = [Agent(name, Kind.AXELROD) for name in strategies(config)]
    own, others = range(len(agents)), range(len(agents), len(agents) + len(entrants))
    # The matches of one agent stand next to each other, so that few batches need more than one adapter.
    return Fixture([*agents, *entrants], [*product(own, others), *combinations(own, 2)])


def disturbances(config: Config, game: str, model: str) -> Fixture:
    """Every agent with itself, and those that aren't scripted with a reciprocal player.

    Of the ablations' agents, those take part that were trained with trembling hands, from the same warm start.
    """
    own = all_trained(config, game, model)
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
    return Fixture(agents, pairs, times)


def generalisation(config: Config, game: str, model: str, variation: str) -> Fixture:
    """Every agent of a game with itself, with a cooperator and with a defector, under one of its variations."""
    own = all_trained(config, game, model)
    met = _scripted(extremes(kind_of(variation_entry(config, game, variation))))
    return _with_each(own, met)


TRAININGS: dict[str, Callable[..., TrainingSettings]] = {
    "training": training_settings,
    "learner": learner_settings,
    "variant": variant_settings,
    "prior": prior_training_settings,
}
"""The settings of every kind of training."""
MATCHES: dict[str, tuple[Callable[..., Fixture], Callable[[Config, str], Evaluation]]] = {
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
    pairs = transcript_settings(config, game).pairs
    return {f"{first}-vs-{second}": (first, second) for first, second in pairs}


def transcript_paths(config: Config) -> list[str]:
    """All transcripts, as paths below the results without a suffix."""
    return [
        paths.TRANSCRIPT.format(game=game, model=model, pair=pair)
        for game, model in product(games(config), models(config))
        for pair in transcripts(config, game)
    ]


def transcript_agents(config: Config, game: str, model: str, pair: str) -> list[Agent]:
    """Both agents of a pair; a trained one has the first of the seeds."""
    names = transcripts(config, game)[pair]
    return [agent_named(config, game, model, name, config.seeds[0]) for name in names]


def tables(config: Config) -> list[str]:
    """Tables of the main job."""
    names = ["learning_curves", "cross_play", "fingerprints", "distributions", "population"]
    audit = ["prior_audit"] if audited_games(config) else []
    return [*names, *audit, "claims"]


def further_tables(config: Config) -> list[str]:
    """Tables of the further experiments."""
    wanted = {
        "all_learning_curves": config.further_seeds,
        "all_cross_play": config.further_seeds,
        "all_fingerprints": config.further_seeds,
        "all_distributions": config.further_seeds,
        "learning_against_fixed": learner_games(config),
        "exploitability": learner_games(config),
        "ablations": config.ablations.trained,
        "rivals": config.rivals.trained,
        "prior_sweep": config.prior_sweep.games,
        "two_learners": paired(config),
        "tournament": tournament_games(config),
        "tournament_by_opponent": tournament_games(config),
        "noise": True,
        "messages": talking_games(config),
        "generalisation": varied_games(config),
        "perplexity": published_models(config),
        "all_claims": True,
    }
    return [table for table, asked_for in wanted.items() if asked_for]


def figures(config: Config) -> list[str]:
    """Figures of the main job."""
    trust = "trust_and_split" in games(config)
    wanted = {
        "learning_curves": True,
        "cross_play": True,
        "fingerprints": True,
        "distributions": True,
        "population": True,
        "invalid_replies": True,
        "naive_learning_curves": "naive" in algorithms(config),
        "proposals": trust,
        "truthfulness": trust,
    }
    return [figure for figure, asked_for in wanted.items() if asked_for]


def further_figures(config: Config) -> list[str]:
    """Figures of the further experiments."""
    against = {opponent for game in games(config) for _, opponent, _ in learners(config, game)}
    wanted = {
        "all_learning_curves": config.further_seeds,
        "all_cross_play": config.further_seeds,
        "all_distributions": config.further_seeds,
        "learning_against_fixed": learner_games(config),
        "exploitability": learner_games(config),
        "learning_against_alignment": "advantage_alignment" in against,
        "ablations": config.ablations.trained,
        "rivals": config.rivals.trained,
        "prior_sweep": config.prior_sweep.games,
        "two_learners": paired(config),
        "tournament": tournament_games(config),
        "noise": True,
        "messages": talking_games(config),
        "generalisation": varied_games(config),
    }
    return [figure for figure, asked_for in wanted.items() if asked_for]
