"""A folder with everything that others need of a scale's results, ready to be uploaded.

    README.md             what is here and how to use it
    LICENSE  SHA256SUMS  config.yaml  versions.csv
    adapters/             a PEFT directory with a model card for every trained agent
    models/               their base models, except those that are on the Hugging Face hub as they are
    tables/  figures/

All paths within are relative to the folder, so that it works wherever it lies.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from social_dilemmas.config.settings import named, warm_start_settings
from social_dilemmas.errors import UserError
from social_dilemmas.policy.adapters import check_adapter, write_base_record
from social_dilemmas.policy.model import model_fingerprint
from social_dilemmas.report.publishing.agents import TrainedAgent, finished_agents, hub_source
from social_dilemmas.report.publishing.cards import (
    CARD,
    BaseModel,
    parameter_count,
    published_folder,
    write_agent_card,
    write_front_page,
    write_model_card,
)
from social_dilemmas.report.publishing.scores import scores_of
from social_dilemmas.run.versions import describe

COPIED = {
    "tables": ("*.csv", "*.txt", "*.tex"),
    "figures": ("*.pdf", "*.svg", "*.png", "*.csv"),
}
NOT_SHARED = shutil.ignore_patterns(".*", CARD)
SUMS = "SHA256SUMS"


def publish(config: Mapping[str, Any], results: Path, licence: Path, output: Path) -> list[Path]:
    """Fill the folder; one that is there is replaced when the new one is complete.

    Args:
        config: the scale's configuration, with its defaults.
        results: the scale's results.
        licence: the project's licence.
        output: the folder.

    Returns:
        The adapters' directories below the folder.

    Raises:
        UserError: the results aren't complete, an adapter is damaged or doesn't fit its base model, or the folder can't
            be written.
    """
    agents = finished_agents(config, results)
    partial = output.with_name(f"{output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _fill(partial, config, results, agents)
        shutil.copyfile(licence, partial / "LICENSE")
        (partial / SUMS).write_text(_checksums(partial))
        shutil.rmtree(output, ignore_errors=True)
        partial.rename(output)
    except OSError as error:
        raise UserError(f"{output}: it can't be written ({_reason(error)})") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return [published_folder(agent) for agent in agents]


def _fill(
    folder: Path, config: Mapping[str, Any], results: Path, agents: Sequence[TrainedAgent]
) -> None:
    folder.mkdir(parents=True)
    bases = {agent.base: _base(config, results, agent) for agent in agents}
    for place, base in bases.items():
        if not base.on_the_hub:
            target = folder / base.name
            shutil.copytree(
                results / place, target, ignore=NOT_SHARED, copy_function=_link_weights
            )
            write_model_card(target / CARD, place, base)
    for agent in agents:
        _publish_agent(agent, bases[agent.base], results, folder)
    for kind, patterns in COPIED.items():
        (folder / kind).mkdir()
        for file in [file for pattern in patterns for file in (results / kind).glob(pattern)]:
            shutil.copy2(file, folder / kind)
    if all((results / name).is_file() for name in ("config.yaml", "versions.csv")):
        for name in ("config.yaml", "versions.csv"):
            shutil.copy2(results / name, folder)
    else:
        describe(config, folder)
    write_front_page(folder / CARD, config["scale"], agents, bases)


def _base(config: Mapping[str, Any], results: Path, agent: TrainedAgent) -> BaseModel:
    """An agent's base model: on the hub if it is available there as it is, else in the folder."""
    model, origin = results / agent.base, hub_source(config, agent.model)
    if origin is not None and _untouched(config, model, agent):
        model = results / "base" / agent.model
        name, revision = origin, named(config["models"], agent.model).get("revision") or "main"
    else:
        place = agent.base.parent if agent.base.name == "model" else agent.base
        name, revision = Path("models", place).as_posix(), None
    return BaseModel(name, model_fingerprint(model), parameter_count(model), revision, origin)


def _untouched(config: Mapping[str, Any], model: Path, agent: TrainedAgent) -> bool:
    """Whether an agent's base model has the weights and layers of the one on the hub.

    Of models that also see, the workflow keeps the language model alone; its layers have other names.
    """
    warmed = agent.base.parts[0] != "base" and warm_start_settings(config, agent.game)["steps"] > 0
    kind: str = json.loads((model / "config.json").read_text())["model_type"]
    return not warmed and not kind.endswith("_text")


def _publish_agent(agent: TrainedAgent, base: BaseModel, results: Path, output: Path) -> None:
    folder, run = published_folder(agent), results / agent.folder
    check_adapter(run / "adapter", results / agent.base)
    target = output / folder
    shutil.copytree(run / "adapter", target, ignore=NOT_SHARED)
    for name in ("config.yaml", "metrics.csv"):
        shutil.copy2(run / name, target)
    # The adapter's configuration names its base model as whoever has the folder finds it.
    config = target / "adapter_config.json"
    settings = json.loads(config.read_text())
    settings |= {"base_model_name_or_path": base.name, "revision": base.revision}
    config.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
    write_base_record(target, base.fingerprint)
    write_agent_card(
        target / CARD,
        agent.name,
        yaml.safe_load((run / "config.yaml").read_text()),
        base,
        folder.as_posix(),
        scores_of(agent, run / "metrics.csv", results / "tables"),
    )


def _link_weights(source: str, target: str) -> None:
    """Link weights where the file system can, since they may be large; copy everything else."""
    if source.endswith(".safetensors"):
        try:
            os.link(source, target)
            return
        except OSError:
            pass  # on another file system, or one without links
    shutil.copy2(source, target)


def _checksums(folder: Path) -> str:
    """A line for every file, as `sha256sum --check` reads it."""
    lines = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        lines.append(f"{digest}  {path.relative_to(folder).as_posix()}\n")
    return "".join(lines)


def _reason(error: OSError) -> str:
    """The first thing that went wrong; copying a folder collects them."""
    return str(error.args[0][0][2]) if isinstance(error, shutil.Error) else str(error.strerror)
