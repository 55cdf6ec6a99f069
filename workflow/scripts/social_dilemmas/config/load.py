"""Reading the configuration: merge the files and the command line, check, and give it as types."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from os.path import relpath
from pathlib import Path
from typing import Any

import yaml

from social_dilemmas.config.check import mistakes_between
from social_dilemmas.config.mistakes import (
    MISSING,
    Mistake,
    Place,
    holds,
    mistakes_in,
    value_at,
    words,
)
from social_dilemmas.config.schema.config import Config
from social_dilemmas.config.schema.experiments import Ablations, PriorSweep, TwoLearners
from social_dilemmas.config.settings import merge
from social_dilemmas.errors import UserError
from social_dilemmas.games import declare, named_game

REPOSITORY = Path(__file__).resolve().parents[4]
DEFAULT = "laptop"

logger = logging.getLogger(__name__)


def load_config(merged: Mapping[str, Any], files: Sequence[Path]) -> Config:
    """The configuration as types; its games are made known by name.

    Values that no file says come from the command line, as texts; they are converted where the schema wants another
    type, so that `--config seeds=[0]` works; those in lists also in `merged` itself, which jobs read. Where ablations,
    rivals, the sweep over priors or pairs of learners are those of the default file, games and algorithms that another
    file left out are dropped; so are its further seeds where others replace seeds.

    Args:
        merged: the files and the command line, merged mapping by mapping; lists replace lists.
        files: the default file, then those that override it.

    Raises:
        UserError: one sentence that names file, key and what is allowed.
    """
    return _typed(merged, [_said(file) for file in files], files)


def _typed(
    merged: Mapping[str, Any], said: Sequence[dict[str, Any]], files: Sequence[Path]
) -> Config:
    """`load_config`, with what the files say."""
    given = merge(merged)

    def refuse(mistake: Mistake) -> None:
        sentence = " ".join(mistake.sentence.split())  # names may hold ends of lines
        raise UserError(f"{_origin(mistake.place, given, said, files)}: {sentence}")

    while mistakes := list(mistakes_in(given)):
        texts = [
            mistake.place
            for mistake, error in mistakes
            if isinstance(error["input"], str)
            and error["type"].endswith("_type")
            and _origin(mistake.place, given, said, files) == "--config"
        ]
        converted = [_convert(given, place) for place in texts]
        if not any(converted):
            refuse(mistakes[0][0])
    config = Config.model_validate(given)
    for file, content in zip(files[1:], said[1:], strict=True):
        scale = content.get("scale", said[0].get("scale"))
        if file.resolve().parent == REPOSITORY / "config" and config.scale == scale != file.stem:
            sentence = f"scale must be {file.stem}, as the file is called, but is {scale}"
            raise UserError(f"{relpath(file)}: {sentence}, whose results would be overwritten")
    default = said[0] if said else {}
    games, algorithms = _strays(config, default)
    for section, kept in KEPT.items():
        if said and given.get(section) == default.get(section):
            changes = kept(getattr(config, section), games, algorithms)
            changed = getattr(config, section).model_copy(update=changes)
            config = config.model_copy(update={section: changed})
    if given["seeds"] != default.get("seeds"):
        for key, unset in (("further_seeds", []), ("experiment_seeds", None)):
            if given.get(key) == default.get(key):
                config = config.model_copy(update={key: unset})
    for mistake in mistakes_between(config, given):
        refuse(mistake)
    for place in _without_effect(given, given["games"]):
        where = f"{_origin(place, given, said, files)}: {words(place, given)}"
        logger.warning("%s has no effect, as every game says it for itself", where)
    declare([game.declared for game in config.games])
    for game in config.games:
        if remark := named_game(game.name).remark:
            logger.warning("games[%s].rules: %s", game.name, remark)
    return config


def load_scale(scale: str, repository: Path = REPOSITORY) -> Config:
    """The configuration of a scale, for tools that work without Snakemake.

    Args:
        scale: `laptop`, or the name of another file in the folder `config`.
        repository: folder of the project.

    Raises:
        UserError: there is no such scale, or its configuration has a mistake.
    """
    files = [repository / "config" / "config.yaml"]
    if scale != DEFAULT:
        files.append(repository / "config" / f"{scale}.yaml")
    if not files[-1].is_file():
        scales = sorted(path.stem for path in files[0].parent.glob("*.yaml"))
        known = ", ".join(DEFAULT if name == "config" else name for name in scales)
        raise UserError(f"unknown scale {scale!r}; known scales: {known}")
    said = [_said(file) for file in files]
    return _typed(merge(*said), said, files)


class _EachKeyOnce(yaml.SafeLoader):
    """YAML's safe loader, but a key that stands twice in a mapping is a mistake."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            if (key.tag, key.value) in seen:
                raise ValueError(f"line {key.start_mark.line + 1}: {key.value} stands there twice")
            seen.add((key.tag, key.value))
        return node


def _said(file: Path) -> dict[str, Any]:
    """What a file says; UserError if that isn't YAML with keys at its top level."""
    try:
        said = yaml.load(file.read_text(encoding="utf-8"), _EachKeyOnce) or {}
    except (yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{relpath(file)} can't be read as YAML: {reason}") from error
    if not isinstance(said, dict):
        raise UserError(f"{relpath(file)} must hold keys and values at its top level")
    return said


def _kept_variants(section: Ablations, games: set[str], algorithms: set[str]) -> dict[str, Any]:
    """Variants but for those in these games, and none of one of these algorithms."""
    stray = games | set(section.games) if section.algorithm in algorithms else games
    variants = [
        variant.model_copy(update={"games": [game for game in variant.games if game not in stray]})
        if variant.games
        else variant
        for variant in section.variants
    ]
    return {"games": [game for game in section.games if game not in stray], "variants": variants}


def _kept_priors(sweep: PriorSweep, games: set[str], algorithms: set[str]) -> dict[str, Any]:
    """Sweeps over priors but for those in these games and with these algorithms."""
    return {
        "games": [game for game in sweep.games if game not in games],
        "algorithms": [name for name in sweep.algorithms if name not in algorithms],
    }


def _kept_pairs(section: TwoLearners, games: set[str], algorithms: set[str]) -> dict[str, Any]:
    """Pairs of learners but for those in these games and of these algorithms."""
    return {
        "games": [game for game in section.games if game not in games],
        "pairs": [pair for pair in section.pairs if not algorithms.intersection(pair)],
    }


KEPT: Mapping[str, Callable[..., dict[str, Any]]] = {
    "ablations": _kept_variants,
    "rivals": _kept_variants,
    "prior_sweep": _kept_priors,
    "two_learners": _kept_pairs,
}
"""What a section of the default file keeps where games and algorithms are ones that another file left out."""


def _strays(config: Config, default: Mapping[str, Any]) -> tuple[set[str], set[str]]:
    """Games and algorithms that only the default file has."""
    games, algorithms = (
        {entry["name"] for entry in default.get(section, [])} - {entry.name for entry in kept}
        for section, kept in (("games", config.games), ("algorithms", config.algorithms))
    )
    return games, algorithms


def _without_effect(
    general: Mapping[str, Any], games: Sequence[Any], place: Place = ()
) -> Iterator[Place]:
    """Settings for all games of which every game has its own."""
    for key, value in general.items():
        if not all(holds(game, key) for game in games):
            continue
        if isinstance(value, Mapping):
            yield from _without_effect(value, [game[key] for game in games], (*place, key))
        else:
            yield (*place, key)


def _origin(place: Place, config: Any, said: Sequence[Any], files: Sequence[Path]) -> str:
    """The file that says what stands at a place, or the command line; of a default, what says the section around it."""
    while (value := value_at(place, config)) is MISSING:
        place = place[:-1]
    for content, file in zip(reversed(said), reversed(files), strict=True):
        found = value_at(place, content)
        if found is not MISSING and (
            isinstance(found, Mapping) or found == value or repr(found) == repr(value)
        ):
            return relpath(file)
    return "--config"


def _convert(config: Any, place: Place) -> bool:
    """Read a text of the command line as YAML would read it in a file; whether that makes something else of it."""
    *parents, last = place
    for step in parents:
        config = config[step]
    text = config[last]
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return False
    if isinstance(value, str):
        try:
            value = float(value)  # 1e-3, which YAML takes for a text
        except ValueError:
            return False
    config[last] = value
    return bool(value != text)
