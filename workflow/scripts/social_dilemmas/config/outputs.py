"""The files that a configuration asks for: those of jobs, and the tables, figures and transcripts made from them."""

import re
from collections.abc import Iterable
from functools import partial
from itertools import product
from typing import Any

from social_dilemmas.config import contents, paths
from social_dilemmas.config.pairings import transcripts
from social_dilemmas.config.schema.config import Config
from social_dilemmas.games import kind_of

EXPERIMENTS = {
    "exploitability": (
        "learning_against_fixed",
        "exploitability",
        "learning_against_alignment",
    ),
    "generalisation": ("generalisation", "perplexity"),
}
"""The tables and figures of the experiments that may be a part of the main job."""
FIRST = "first_learning_curves"
"""The table and the figure of the first steps: a part of the main job, and asked for by nothing else."""


def files(config: Config) -> dict[str, dict[Any, str]]:
    """The files that tables are made from, by their kinds and keys, as paths below the results."""
    places = list(product(contents.games(config), contents.models(config)))
    learned = list(product(contents.learner_games(config), contents.models(config)))
    priors = product(config.prior_sweep.games, contents.models(config), contents.shares(config))
    dilemmas = contents.tournament_games(config)
    pair_runs = [
        (game, model, *pair, seed)
        for (game, *pair), model, seed in product(
            contents.paired(config), contents.models(config), config.seeds_of_experiments
        )
    ]
    learner_runs = [
        (*place, *run) for place in learned for run in contents.learners(config, place[0])
    ]
    return {
        **_files_by_seeds(config),
        **_files_of_variants(config),
        "learner_metrics": _filled(f"{paths.LEARNER}/metrics.csv", learner_runs),
        "learner_matches": _filled(f"{paths.LEARNER_MATCHES}/matches.parquet", learned),
        "pair_metrics": _filled(f"{paths.TWO_LEARNERS}/metrics.csv", pair_runs),
        "prior_matches": _filled(f"{paths.PRIOR}/matches.parquet", priors),
        "tournament_matches": _filled(
            f"{paths.TOURNAMENT}/matches.parquet", product(dilemmas, contents.models(config))
        ),
        "disturbed_matches": _filled(f"{paths.DISTURBANCES}/matches.parquet", places),
        "talking_matches": _filled(
            f"{paths.DISTURBANCES}/matches.parquet",
            product(contents.talking_games(config), contents.models(config)),
        ),
        "variation_matches": _filled(
            f"{paths.VARIATION}/matches.parquet",
            [
                (game, model, variation)
                for game, variation in contents.varied_games(config)
                for model in contents.models(config)
            ],
        ),
        "prior_probabilities": _filled(
            f"{paths.PRIOR_AUDIT}/probabilities.csv",
            product(contents.audited_games(config), contents.models(config)),
        ),
        "perplexities": _filled(
            f"{paths.PERPLEXITY}/perplexity.csv",
            product(contents.games(config), contents.published_models(config)),
        ),
        "strategy_matches": _filled(f"{paths.STRATEGIES}/strategies.parquet", dilemmas),
        "strategy_kinds": _filled(f"{paths.STRATEGIES}/kinds.csv", dilemmas),
    }


def _files_by_seeds(config: Config) -> dict[str, dict[Any, str]]:
    """Trainings and cross-play of the main job's seeds, and of those with the further ones."""
    places = list(product(contents.games(config), contents.models(config)))
    metrics, further_metrics = (
        _filled(
            f"{paths.TRAINING}/metrics.csv",
            [(*place, *run) for place, *run in product(places, contents.algorithms(config), seeds)],
        )
        for seeds in (config.seeds, config.further_seeds)
    )
    matches = _filled(f"{paths.CROSS_PLAY}/matches.parquet", places)
    further_places = [(*place, "further seeds") for place in places if config.further_seeds]
    further_matches = _filled(f"{paths.FURTHER_CROSS_PLAY}/matches.parquet", further_places)
    first_runs = product(
        contents.games(config)[:1],
        contents.models(config)[:1],
        contents.first_algorithms(config),
        config.seeds[:2],
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
        [(game, model, name) for game, name in section.trained for model in contents.models(config)]
        for section in (config.ablations, config.rivals)
    )
    controls = {each.name: each.compared_with for each in config.ablations.variants}
    standard = config.ablations.algorithm
    compared = [(*place, name, controls[name] or standard) for *place, name in ablations]
    ablated = product(config.ablations.played, contents.models(config), [standard])
    rivalled = product(config.rivals.played, contents.models(config), contents.algorithms(config))
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


def transcript_paths(config: Config) -> list[str]:
    """All transcripts, as paths below the results without a suffix."""
    return [
        paths.TRANSCRIPT.format(game=game, model=model, pair=pair)
        for game, model in product(contents.games(config), contents.models(config))
        for pair in transcripts(config, game)
    ]


def tables(config: Config) -> list[str]:
    """Tables of the main job."""
    names = ["learning_curves", "cross_play", "fingerprints", "distributions", "population"]
    audit = ["prior_audit"] if contents.audited_games(config) else []
    return [*names, *audit, *_in_main_job(config, _all_further_tables(config)), "claims"]


def _further(config: Config) -> dict[str, Any]:
    """What is both a table and a figure of the further experiments, and for what it is asked for, if there is any."""
    return {
        "all_learning_curves": config.further_seeds,
        "all_cross_play": config.further_seeds,
        "all_distributions": config.further_seeds,
        "learning_against_fixed": contents.learner_games(config),
        "exploitability": contents.learner_games(config),
        "ablations": config.ablations.trained,
        "rivals": config.rivals.trained,
        "prior_sweep": config.prior_sweep.games and config.prior_sweep.shares,
        "two_learners": contents.paired(config),
        "tournament": contents.tournament_games(config),
        "noise": contents.games(config),
        "messages": contents.talking_games(config),
        "generalisation": contents.varied_games(config),
    }


def further_tables(config: Config) -> list[str]:
    """Tables of the further experiments that aren't in the main job."""
    found = _all_further_tables(config)
    return [table for table in found if table not in _in_main_job(config, found)]


def _in_main_job(config: Config, found: list[str]) -> list[str]:
    """Those of these tables or figures that this scale's main job makes."""
    chosen = {name for each in config.main_experiments for name in EXPERIMENTS[each]}
    return [name for name in found if name in chosen]


def _all_further_tables(config: Config) -> list[str]:
    wanted = {
        **_further(config),
        "all_fingerprints": config.further_seeds,
        "tournament_by_opponent": contents.tournament_games(config),
        "perplexity": contents.published_models(config),
        "all_claims": contents.games(config),
    }
    return [table for table, asked_for in wanted.items() if asked_for]


def figures(config: Config) -> list[str]:
    """Figures of the main job."""
    trust = "trust_and_split" in {kind_of(game.entry) for game in config.games}
    wanted = {
        "learning_curves": True,
        "cross_play": True,
        "fingerprints": True,
        "distributions": True,
        "population": True,
        "invalid_replies": True,
        "naive_learning_curves": "naive" in contents.algorithms(config),
        "proposals": trust,
        "truthfulness": contents.truthful_games(config),
    }
    names = [figure for figure, asked_for in wanted.items() if asked_for]
    return [*names, *_in_main_job(config, _all_further_figures(config))]


def further_figures(config: Config) -> list[str]:
    """Figures of the further experiments that aren't in the main job."""
    found = _all_further_figures(config)
    return [figure for figure in found if figure not in _in_main_job(config, found)]


def _all_further_figures(config: Config) -> list[str]:
    against = {
        opponent
        for game in contents.games(config)
        for _, opponent, _ in contents.learners(config, game)
    }
    wanted = {**_further(config), "learning_against_alignment": "advantage_alignment" in against}
    return [figure for figure, asked_for in wanted.items() if asked_for]
