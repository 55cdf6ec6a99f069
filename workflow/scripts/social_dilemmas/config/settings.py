"""Settings as a stage sees them: general defaults, then the game's own, then the algorithm's."""

from collections.abc import Mapping, Sequence
from typing import Any

Entry = Mapping[str, Any]

# Settings that change a result by rounding at most: a run goes on from a checkpoint that was written with others.
ROUNDING_ONLY = {
    *("micro_batch", "micro_batch_tokens", "gradient_checkpointing"),
    *("processes", "checkpoint_every"),
    "vllm",  # where the server is and how long it may take
}


def named(entries: Sequence[Entry], name: str) -> Entry:
    """The entry of that name in one of the configuration's lists.

    Raises:
        KeyError: there is none.
    """
    for entry in entries:
        if entry["name"] == name:
            return entry
    raise KeyError(name)


def warm_start_settings(config: Entry, game_name: str) -> dict[str, Any]:
    """Settings of a game's warm start."""
    return merge(config["warm_start"], named(config["games"], game_name)["warm_start"])


def training_settings(config: Entry, game_name: str, algorithm_name: str) -> dict[str, Any]:
    """Settings of an algorithm's training in a game, with the algorithm's own keys (`credit`)."""
    return _used(_training_settings(config, game_name, algorithm_name))


def learner_settings(
    config: Entry, game_name: str, algorithm_name: str, opponent: str
) -> dict[str, Any]:
    """Settings of an algorithm's training against an opponent that doesn't learn."""
    settings = _training_settings(config, game_name, algorithm_name)
    exploitability = exploitability_settings(config, game_name)
    own = exploitability["training"], exploitability["training_by_opponent"].get(opponent, {})
    return _used(merge(settings, *own, {"buffer": {"size": 0}}))  # there is but one opponent


def exploitability_settings(config: Entry, game_name: str) -> dict[str, Any]:
    """Who learns against whom in a game, and the settings of these trainings."""
    own = named(config["games"], game_name).get("exploitability", {})
    return merge(config["exploitability"], own)


def ablated(config: Entry) -> list[tuple[str, str]]:
    """Game and name of every variant that is trained."""
    ablations = config["ablations"]
    return [
        (game, variant["name"])
        for game in ablations["games"]
        for variant in ablations["variants"]
        if game in variant.get("games", ablations["games"])
    ]


def ablation_settings(config: Entry, game_name: str, variant_name: str) -> dict[str, Any]:
    """Settings of the ablated algorithm's training in a variant."""
    ablations = config["ablations"]
    variant = named(ablations["variants"], variant_name)
    settings = _training_settings(config, game_name, ablations["algorithm"])
    settings = merge(settings, variant.get("training", {}))
    return _used({**settings, "credit": variant.get("credit", settings["credit"])})


def _training_settings(config: Entry, game_name: str, algorithm_name: str) -> dict[str, Any]:
    game = named(config["games"], game_name)
    algorithm = dict(named(config["algorithms"], algorithm_name))
    del algorithm["name"]
    by_algorithm = game["training_by_algorithm"].get(algorithm_name, {})
    return merge(config["training"], game["training"], by_algorithm, algorithm)


def _used(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings without what has no effect, so that a change of it is no change."""
    if settings["credit"] in ("naive", "sum_of_rewards"):
        settings["beta"] = 0.0
    if settings["baseline"] != "critic":
        settings["critic"] = {}
    if settings["sampler"] != "vllm":
        settings["vllm"] = {}
    return settings


def evaluation_settings(config: Entry, game_name: str) -> dict[str, Any]:
    """Settings of a game's cross-play."""
    return merge(config["evaluation"], named(config["games"], game_name)["evaluation"])


def transcript_settings(config: Entry, game_name: str) -> dict[str, Any]:
    """Settings of a game's transcripts: which pairs, how many matches, and how replies are sampled."""
    game, sampling = named(config["games"], game_name), evaluation_settings(config, game_name)
    return {
        **merge(config["transcripts"], game.get("transcripts", {})),
        "temperature": sampling["temperature"],
        "max_new_tokens": sampling["max_new_tokens"],
    }


def tournament_settings(config: Entry, game_name: str) -> dict[str, Any]:
    """Settings of a game's tournament; replies are sampled as in its cross-play."""
    sampling = evaluation_settings(config, game_name)
    del sampling["opponents"]
    return merge(sampling, {key: config["tournament"][key] for key in ("matches", "batch")})


def merge(*layers: Entry) -> dict[str, Any]:
    """One mapping out of several: later ones win, key by key, also in mappings within."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            if isinstance(value, Mapping):
                below = merged.get(key)
                merged[key] = merge(below if isinstance(below, Mapping) else {}, value)
            else:
                merged[key] = value
    return merged
