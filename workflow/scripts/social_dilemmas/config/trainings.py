"""The trainings that a configuration asks for."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from social_dilemmas.agents.agent import learner_name
from social_dilemmas.config import contents, paths
from social_dilemmas.config.schema.config import Config
from social_dilemmas.config.schema.section import named
from social_dilemmas.config.settings import (
    TrainingSettings,
    learner_settings,
    training_settings,
    variant_settings,
)


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


def variant_start(config: Config, variant: str, section: str) -> str:
    """Where the model is that a variant's training starts from, below the results."""
    chosen = named(getattr(config, section).variants, variant)
    return paths.BASE if chosen.start == "base" else paths.WARM_STARTED


def trainings(config: Config) -> Iterator[Trained]:
    """All trainings whose agents are published: those of the main job, then those of the further experiments."""
    places = list(product(contents.games(config), contents.models(config)))
    for seeds, further in ((config.seeds, False), (config.further_seeds, True)):
        for (game, model), name, seed in product(places, contents.algorithms(config), seeds):
            where = {"game": game, "model": model, "algorithm": name, "seed": seed}
            settings = training_settings(config, game, name)
            yield _trained(paths.TRAINING, paths.WARM_STARTED, where, name, settings, further)
    further = "exploitability" not in config.main_experiments
    for game, model in places:
        for name, opponent, seed in contents.learners(config, game):
            where = {"game": game, "model": model, "algorithm": name, "seed": seed}
            where["opponent"] = opponent
            settings = learner_settings(config, game, name, opponent)
            name = learner_name(name)
            yield _trained(paths.LEARNER, paths.WARM_STARTED, where, name, settings, further)
    for (game, *which), model, seed in product(
        contents.trained_variants(config), contents.models(config), config.seeds_of_experiments
    ):
        name, section = which
        where = {"game": game, "model": model, "variant": name, "section": section, "seed": seed}
        settings = variant_settings(config, game, *which)
        yield _trained(paths.VARIANT, variant_start(config, *which), where, name, settings)


def ranks(config: Config) -> dict[tuple[str, str], list[int]]:
    """The ranks of the adapters of all agents, for each game and model."""
    found: dict[tuple[str, str], list[int]] = {}
    for game, model in product(config.games, contents.models(config)):
        found[game.name, model] = [game.clone.lora_rank] if game.clone else []
    for each in trainings(config):
        found[each.game, each.model].append(each.settings.lora_rank)
    return found


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


SETTINGS: dict[str, Callable[..., TrainingSettings]] = {
    "training": training_settings,
    "learner": learner_settings,
    "variant": variant_settings,
    "prior": lambda config, game, algorithm, share: training_settings(config, game, algorithm),
}
"""The settings of every kind of training."""
