"""Which trained agents can be published."""

from pathlib import Path

from social_dilemmas.config.catalogue import Trained, trainings
from social_dilemmas.config.schema import Config, HubModel
from social_dilemmas.errors import UserError


def finished_agents(config: Config, results: Path) -> list[Trained]:
    """The agents whose training is done; those of the main job must all be.

    Raises:
        UserError: something of the main job is missing.
    """
    agents = list(trainings(config))
    finished = [agent for agent in agents if (results / agent.folder / "adapter").is_dir()]
    expected, there = (sum(not each.further for each in some) for some in (agents, finished))
    make = f"make them first: make results SCALE={config.scale}"
    if not there:
        raise UserError(f"{results}: there are no results to publish; {make}")
    if there < expected:
        raise UserError(f"{results}: only {there} of {expected} agents are trained; {make}")
    for path in ("tables/claims.csv", "figures"):
        if not (results / path).exists():
            raise UserError(f"{results}: {path} is missing, so the results aren't complete; {make}")
    return finished


def hub_source(config: Config, model: str) -> str | None:
    """The name on the Hugging Face hub of a model of the configuration, if it is from there."""
    entry = config.model(model)
    if isinstance(entry, HubModel) and not Path(entry.source).is_dir():
        return entry.source
    return None
