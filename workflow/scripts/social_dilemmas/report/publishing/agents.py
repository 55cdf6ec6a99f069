"""Which trained agents a configuration has, where they are, and which models they belong to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from social_dilemmas.agents.agent import learner_name
from social_dilemmas.config.settings import ablated, exploitability_settings, named
from social_dilemmas.errors import UserError


@dataclass(frozen=True)
class TrainedAgent:
    """A training of the workflow.

    Attributes:
        folder, base: where it and its base model are below the results.
        game, model: names in the configuration.
        name: the agent's name in the tables.
        table: the table that has its scores.
        opponent: the fixed opponent that it learned against; None for self-play.
    """

    folder: Path
    base: Path
    game: str
    model: str
    name: str
    table: str
    opponent: str | None = None

    @property
    def further(self) -> bool:
        """Whether only `snakemake everything` makes it."""
        return self.table != "cross_play"


def trained_agents(config: Mapping[str, Any]) -> Iterator[TrainedAgent]:
    """All trainings of a configuration that has its defaults."""
    games, models, algorithms = (
        [entry["name"] for entry in config[key]] for key in ("games", "models", "algorithms")
    )
    for game, model, seed in product(games, models, config["seeds"]):
        own, last = Path(game, model), f"seed-{seed}"
        start = "warm_start" / own / "model"
        for name in algorithms:
            folder = "training" / own / name / last
            yield TrainedAgent(folder, start, game, model, name, "cross_play")
        for name, opponents in exploitability_settings(config, game)["learners"].items():
            for opponent in opponents:
                folder = "exploitability" / own / name / f"against-{opponent}" / last
                learner = learner_name(name)
                yield TrainedAgent(folder, start, game, model, learner, "exploitability", opponent)
        for name in [variant for of_game, variant in ablated(config) if of_game == game]:
            variant = named(config["ablations"]["variants"], name)
            base = Path("base", model) if variant.get("start") == "base" else start
            folder = "ablations" / own / name / last
            yield TrainedAgent(folder, base, game, model, name, "ablations")


def finished_agents(config: Mapping[str, Any], results: Path) -> list[TrainedAgent]:
    """The agents whose training is done; those of the main job must all be.

    Raises:
        UserError: something of the main job is missing.
    """
    agents = list(trained_agents(config))
    finished = [agent for agent in agents if (results / agent.folder / "adapter").is_dir()]
    expected, there = (sum(not each.further for each in some) for some in (agents, finished))
    make = f"make them first: make results SCALE={config['scale']}"
    if not there:
        raise UserError(f"{results}: there are no results to publish; {make}")
    if there < expected:
        raise UserError(f"{results}: only {there} of {expected} agents are trained; {make}")
    for path in ("tables/claims.csv", "figures"):
        if not (results / path).exists():
            raise UserError(f"{results}: {path} is missing, so the results aren't complete; {make}")
    return finished


def hub_source(config: Mapping[str, Any], model: str) -> str | None:
    """The name on the Hugging Face hub of a model of the configuration, if it is from there."""
    entry = named(config["models"], model)
    from_hub = entry["kind"] == "hub" and not Path(entry["source"]).is_dir()
    return entry["source"] if from_hub else None
