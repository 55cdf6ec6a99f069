"""A folder with everything that others need of a scale's results, ready to be uploaded.

    README.md             what is here and how to use it
    LICENSE  SHA256SUMS  config.yaml  versions.csv
    adapters/             a PEFT directory with a model card for every trained agent
    models/               their base models, but for those that are on the Hugging Face hub as they are
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

import pandas as pd
import yaml

from social_dilemmas.config.settings import named, warm_start_settings
from social_dilemmas.errors import UserError
from social_dilemmas.policy.adapters import BASE_RECORD, FILES, check_adapter
from social_dilemmas.policy.model import model_fingerprint
from social_dilemmas.report.model_card import CARD, BaseModel, model_card, parameter_count
from social_dilemmas.report.names import readable
from social_dilemmas.report.publication.agents import TrainedAgent, finished_agents
from social_dilemmas.report.publication.index import SUMS, base_model_card, index
from social_dilemmas.report.publication.scores import Scores
from social_dilemmas.run.checksum import checksum
from social_dilemmas.run.versions import versions

TABLES, FIGURES = ("*.csv", "*.txt", "*.tex"), ("*.pdf", "*.svg", "*.png", "*.csv")
NOT_SHARED = shutil.ignore_patterns(".*", CARD)


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
        (partial / SUMS).write_text(checksums(partial))
        shutil.rmtree(output, ignore_errors=True)
        partial.rename(output)
    except OSError as error:
        raise UserError(f"{output}: it can't be written ({_reason(error)})") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return [Path("adapters", agent.folder) for agent in agents]


def _fill(
    folder: Path, config: Mapping[str, Any], results: Path, agents: Sequence[TrainedAgent]
) -> None:
    folder.mkdir(parents=True)
    bases = {agent.base: _base(config, results, agent) for agent in agents}
    for path, base in bases.items():
        if not base.on_the_hub:
            _publish_model(results, path, base, folder)
    scores = Scores(results / "tables")
    for agent in agents:
        _publish_agent(agent, bases[agent.base], results, folder, scores)
    for kind, patterns in (("tables", TABLES), ("figures", FIGURES)):
        (folder / kind).mkdir()
        for file in sorted(file for pattern in patterns for file in (results / kind).glob(pattern)):
            shutil.copy2(file, folder / kind)
    _describe(config, results, folder)
    (folder / CARD).write_text(index(config, agents, bases), encoding="utf-8")


def _reason(error: OSError) -> str:
    """The first thing that went wrong; copying a folder collects them."""
    return str(error.args[0][0][2]) if isinstance(error, shutil.Error) else str(error.strerror)


def checksums(folder: Path) -> str:
    """A line for every file, as `sha256sum --check` reads it."""
    lines = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        lines.append(f"{digest}  {path.relative_to(folder).as_posix()}\n")
    return "".join(lines)


def _base(config: Mapping[str, Any], results: Path, agent: TrainedAgent) -> BaseModel:
    """An agent's base model: on the hub if it can be had there as it is, else in the folder."""
    entry = named(config["models"], agent.model)
    published = entry["kind"] == "hub" and not Path(entry["source"]).is_dir()
    origin = entry["source"] if published else None
    model = results / agent.base
    if published and _untouched(config, results, agent):
        model = results / "base" / agent.model
        name, revision = entry["source"], entry.get("revision") or "main"
    else:
        place = agent.base.parent if agent.base.name == "model" else agent.base
        name, revision = Path("models", place).as_posix(), None
    return BaseModel(name, model_fingerprint(model), parameter_count(model), revision, origin)


def _untouched(config: Mapping[str, Any], results: Path, agent: TrainedAgent) -> bool:
    """Whether an agent's base model has the weights and layers of the one on the hub.

    Of models that also see, the workflow keeps the language model alone; its layers have other names.
    """
    warmed = agent.base.parts[0] != "base" and warm_start_settings(config, agent.game)["steps"] > 0
    kind: str = json.loads((results / agent.base / "config.json").read_text())["model_type"]
    return not warmed and not kind.endswith("_text")


def _publish_model(results: Path, path: Path, base: BaseModel, output: Path) -> None:
    """A base model. Weights are linked where the file system can: they may be large."""
    target = output / base.name
    shutil.copytree(results / path, target, ignore=NOT_SHARED, copy_function=_link_or_copy)
    (target / CARD).write_text(base_model_card(path, base), encoding="utf-8")


def _link_or_copy(source: str, target: str) -> None:
    if source.endswith(".safetensors"):
        try:
            os.link(source, target)
            return
        except OSError:
            pass  # on another file system, or one without links
    shutil.copy2(source, target)


def _publish_agent(
    agent: TrainedAgent, base: BaseModel, results: Path, output: Path, scores: Scores
) -> None:
    folder, run = Path("adapters", agent.folder), results / agent.folder
    check_adapter(run / "adapter", results / agent.base)
    target = output / folder
    shutil.copytree(run / "adapter", target, ignore=NOT_SHARED)
    for name in ("config.yaml", "metrics.csv"):
        shutil.copy2(run / name, target)
    _name_base(target, base)
    record = yaml.safe_load((run / "config.yaml").read_text())
    section = scores.section(agent, run / "metrics.csv")
    text = model_card(readable(agent.name), record, base, folder.as_posix(), section)
    (target / CARD).write_text(text, encoding="utf-8")


def _name_base(adapter: Path, base: BaseModel) -> None:
    """Let an adapter's configuration say where its base model is for whoever has the folder."""
    config, record = adapter / "adapter_config.json", adapter / BASE_RECORD
    settings = json.loads(config.read_text())
    settings |= {"base_model_name_or_path": base.name, "revision": base.revision}
    config.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
    files = {name: checksum(adapter / name) for name in FILES}
    record.write_text(
        json.dumps({"fingerprint": base.fingerprint, "files": files}, indent=1) + "\n"
    )


def _describe(config: Mapping[str, Any], results: Path, output: Path) -> None:
    """Configuration and versions: as the workflow wrote them down, or as they are now."""
    if (results / "config.yaml").is_file() and (results / "versions.csv").is_file():
        for name in ("config.yaml", "versions.csv"):
            shutil.copy2(results / name, output)
        return
    text = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True, width=100)
    (output / "config.yaml").write_text(text, encoding="utf-8")
    table = pd.DataFrame(versions(), columns=["name", "version"])
    table.to_csv(output / "versions.csv", index=False)
