"""Which trained agents a configuration has, where they are, and which models they belong to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from social_dilemmas.agents.agent import learner_name
from social_dilemmas.config.settings import ablated, exploitability_settings, named
from social_dilemmas.errors import UserError


@dataclass(frozen=True)
class TrainedAgent:
    """A training of the workflow.

    Attributes:
        folder: where it is below the results; holds `adapter/`, `config.yaml` and `metrics.csv`.
        base: where its base model is below the results.
        game, model: names in the configuration.
        name: the agent's name in the tables.
        table: the table that has its scores.
        opponent: the only one that it learned against; None for self-play.
        further: whether only `snakemake everything` makes it.
    """

    folder: Path
    base: Path
    game: str
    model: str
    name: str
    table: str
    opponent: str | None = None
    further: bool = False


def trained_agents(config: Mapping[str, Any]) -> Iterator[TrainedAgent]:
    """All trainings of a configuration that has its defaults."""
    for game in [entry["name"] for entry in config["games"]]:
        for model in [entry["name"] for entry in config["models"]]:
            for seed in config["seeds"]:
                yield from _self_play(config, game, model, seed)
                yield from _learners(config, game, model, seed)
                yield from _variants(config, game, model, seed)


def finished_agents(config: Mapping[str, Any], results: Path) -> list[TrainedAgent]:
    """The agents whose training is done; those of the main job must all be.

    Raises:
        UserError: something of the main job is missing.
    """
    agents = list(trained_agents(config))
    finished = [agent for agent in agents if (results / agent.folder / "adapter").is_dir()]
    expected = sum(not agent.further for agent in agents)
    there = sum(not agent.further for agent in finished)
    make = f"make them first: make results SCALE={config['scale']}"
    if not there:
        raise UserError(f"{results}: there are no results to publish; {make}")
    if there < expected:
        raise UserError(f"{results}: only {there} of {expected} agents are trained; {make}")
    for path in ("tables/claims.csv", "figures"):
        if not (results / path).exists():
            raise UserError(f"{results}: {path} is missing, so the results aren't complete; {make}")
    return finished


def _self_play(
    config: Mapping[str, Any], game: str, model: str, seed: int
) -> Iterator[TrainedAgent]:
    for algorithm in config["algorithms"]:
        name = algorithm["name"]
        yield TrainedAgent(
            Path("training", game, model, name, f"seed-{seed}"),
            _warm_started(game, model),
            game,
            model,
            name,
            "cross_play",
        )


def _learners(
    config: Mapping[str, Any], game: str, model: str, seed: int
) -> Iterator[TrainedAgent]:
    for algorithm, opponents in exploitability_settings(config, game)["learners"].items():
        for opponent in opponents:
            place = Path("exploitability", game, model, algorithm, f"against-{opponent}")
            yield TrainedAgent(
                place / f"seed-{seed}",
                _warm_started(game, model),
                game,
                model,
                learner_name(algorithm),
                "exploitability",
                opponent,
                further=True,
            )


def _variants(
    config: Mapping[str, Any], game: str, model: str, seed: int
) -> Iterator[TrainedAgent]:
    for of_game, name in ablated(config):
        if of_game != game:
            continue
        variant = named(config["ablations"]["variants"], name)
        unprepared = variant.get("start") == "base"
        yield TrainedAgent(
            Path("ablations", game, model, name, f"seed-{seed}"),
            Path("base", model) if unprepared else _warm_started(game, model),
            game,
            model,
            name,
            "ablations",
            further=True,
        )


def _warm_started(game: str, model: str) -> Path:
    return Path("warm_start", game, model, "model")
