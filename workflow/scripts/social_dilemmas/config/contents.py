"""What a configuration names: games, models, algorithms, and those that a stage is about."""

from typing import Any

from social_dilemmas.agents.agent import WARM_START, clone_name, learner_name
from social_dilemmas.agents.axelrod.names import TOURNAMENT_KIND, chosen_strategies
from social_dilemmas.agents.scripted.player import scripted_player_names
from social_dilemmas.config.schema.config import Config
from social_dilemmas.config.settings import exploitability_settings, variations
from social_dilemmas.games import game_class, game_of, kind_of
from social_dilemmas.games.matrix_game import MatrixGame
from social_dilemmas.games.talk import TRUTHFULNESS, TalkingGame


def algorithms(config: Config) -> list[str]:
    """Names of the algorithms."""
    return [algorithm.name for algorithm in config.algorithms]


def agents(config: Config) -> list[str]:
    """Names of all agents that tables may speak of, whether or not this configuration asks for them."""
    players = {name for game in config.games for name in scripted_player_names(kind_of(game.entry))}
    variants = [each.name for of in (config.ablations, config.rivals) for each in of.variants]
    remote = [player.name for player in config.api_players]
    trained = [*algorithms(config), *variants]
    trained += map(learner_name, algorithms(config))
    return [WARM_START, *trained, *remote, *sorted(players), *map(clone_name, sorted(players))]


def naive_algorithms(config: Config) -> list[str]:
    """Naive RL, if it is among the algorithms."""
    return [name for name in algorithms(config) if name == "naive"]


def first_algorithms(config: Config) -> list[str]:
    """What the first steps compare: naive RL and Advantage Alignment; where one isn't there, another algorithm."""
    named = {each.credit: each.name for each in reversed(config.algorithms)}
    compared = [named[credit] for credit in ("naive", "advantage_alignment") if credit in named]
    return list(dict.fromkeys([*compared, *algorithms(config)]))[:2]


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


def trust_games(config: Config) -> list[str]:
    """Games of the kind Trust-and-Split."""
    return [game.name for game in config.games if kind_of(game.entry) == "trust_and_split"]


def truthful_games(config: Config) -> list[str]:
    """Games in which it is observed whether messages are true."""
    return [
        game.name
        for game in config.games
        if TRUTHFULNESS in getattr(game_class(kind_of(game.entry)), "behaviours", ())
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


def learners_against_alignment(config: Config) -> list[tuple[str, str, int]]:
    """Those of all games that learn against Advantage Alignment."""
    found = [learner for game in games(config) for learner in learners(config, game)]
    return [learner for learner in found if learner[1] == "advantage_alignment"]


def learner_games(config: Config) -> list[str]:
    """Games in which agents learn against opponents that don't."""
    return [game for game in games(config) if learners(config, game)]


def trained_variants(config: Config) -> list[tuple[str, str, str]]:
    """Game, name and section (`ablations` or `rivals`) of every variant that is trained."""
    sections = {"ablations": config.ablations, "rivals": config.rivals}
    return [(*each, section) for section, of in sections.items() for each in of.trained]


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
