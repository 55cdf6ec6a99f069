"""The files that a configuration asks for: those that jobs write, and transcripts."""

import re
from collections.abc import Iterable
from functools import partial
from itertools import product
from typing import Any

from social_dilemmas.config import contents, paths
from social_dilemmas.config.pairings import transcripts
from social_dilemmas.config.schema.config import Config


def files(config: Config) -> dict[str, dict[Any, str]]:
    """The files that tables are made from, by their kinds and keys, as paths below the results.

    Where a configuration doesn't ask for a kind, there are none; without further seeds, none of all seeds together.
    """
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
        "all_training_metrics": metrics | further_metrics if further_metrics else {},
        "cross_play_matches": matches,
        "all_cross_play_matches": matches | further_matches if further_matches else {},
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
