"""A folder with everything that others need of a scale's results, ready to be uploaded.

Its front page, `workflow/report/published.md.jinja`, says what is in it. All paths within are relative to the folder,
so that it works wherever it lies.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import yaml

from social_dilemmas.config import paths
from social_dilemmas.config.schema.config import Config
from social_dilemmas.config.settings import completed, warm_start_settings
from social_dilemmas.config.trainings import Trained
from social_dilemmas.errors import UserError
from social_dilemmas.policy.adapters import check_adapter, write_base_record
from social_dilemmas.policy.model import model_fingerprint
from social_dilemmas.report.publishing.agents import finished_agents, hub_entry, origin_of
from social_dilemmas.report.publishing.cards import (
    CARD,
    TAGS,
    BaseModel,
    weights_of,
    write_agent_card,
    write_card,
)
from social_dilemmas.report.publishing.scores import scores_of
from social_dilemmas.run.checksum import checksum
from social_dilemmas.run.links import link_weights
from social_dilemmas.run.versions import describe

COPIED = {"tables": (".csv", ".txt", ".tex"), "figures": (".pdf", ".svg", ".png", ".csv")}
NOT_SHARED = shutil.ignore_patterns(".*", CARD)


def publish(config: Config, results: Path, licence: Path, output: Path) -> list[Path]:
    """Fill the folder `output`; an existing one is replaced when the new one is complete.

    Returns:
        The adapters' directories, relative to the folder.

    Raises:
        UserError: results are missing, an adapter is damaged or doesn't fit its base model, or the disk is full.
    """
    agents = finished_agents(config, results)
    partial = output.with_name(f"{output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        if strangers := _strangers(output):
            raise UserError(
                f"{output} also holds what isn't from here, such as {min(strangers)}: move the folder away first"
            )
        _fill(partial, config, results, agents)
        shutil.copyfile(licence, partial / "LICENSE")
        files = sorted(path for path in partial.rglob("*") if path.is_file())
        sums = [f"{checksum(path, 'sha256')}  {path.relative_to(partial)}\n" for path in files]
        (partial / "SHA256SUMS").write_text("".join(sums))  # as `sha256sum --check` reads it
        shutil.rmtree(output, ignore_errors=True)
        partial.rename(output)
    except OSError as error:
        raise UserError(f"{output}: it can't be written ({_reason(error)})") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return [Path("adapters", agent.folder) for agent in agents]


def _strangers(folder: Path) -> list[str]:
    """Files of a published folder that were put there, or changed, by somebody else."""
    if not folder.exists():
        return []
    try:
        lines = (folder / "SHA256SUMS").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    known = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    return [
        name
        for path in folder.rglob("*")
        if path.is_file()
        and (name := str(path.relative_to(folder))) != "SHA256SUMS"
        and known.get(name) != checksum(path, "sha256")
    ]


def _fill(folder: Path, config: Config, results: Path, agents: Sequence[Trained]) -> None:
    folder.mkdir(parents=True)
    bases: dict[Path, BaseModel] = {}
    for agent in agents:
        if agent.base not in bases:
            base = bases[agent.base] = _base(config, results, agent)
            if base.revision is None:
                model, target = results / agent.base, folder / base.name
                shutil.copytree(model, target, ignore=NOT_SHARED, copy_function=link_weights)
                facts = {"library_name": "transformers"}
                write_card("model_card.md.jinja", target / CARD, base, facts, agent=agent)
        _publish_agent(agent, bases[agent.base], results, folder)
    for kind, suffixes in COPIED.items():
        (folder / kind).mkdir()
        for file in (results / kind).iterdir():
            if file.suffix in suffixes:
                shutil.copy2(file, folder / kind)
    try:  # as the workflow wrote them down, or as they are now
        for name in ("config.yaml", "versions.csv"):
            shutil.copy2(results / name, folder)
    except FileNotFoundError:
        describe(completed(config), folder)
    write_card(
        "published.md.jinja",
        folder / CARD,
        next((base for base in bases.values() if base.origin), bases[agents[0].base]),
        {"library_name": "peft", "tags": TAGS},
        scale=config.scale,
        agents=agents,
        bases=bases,
    )


def _base(config: Config, results: Path, agent: Trained) -> BaseModel:
    """An agent's base model: on the hub if it is available there as it is, else in the folder."""
    model, entry = results / agent.base, hub_entry(config, agent.model)
    warmed = agent.base.parts[0] != "base" and warm_start_settings(config, agent.game).steps > 0
    kind: str = json.loads((model / "config.json").read_text())["model_type"]
    # Of models that also see, the workflow keeps the language model alone; its layers have other names than the hub's.
    if entry is not None and not warmed and not kind.endswith("_text"):
        model = results / paths.BASE.format(model=agent.model)
        name, revision = entry.source, entry.revision or "main"
    else:
        place = agent.base.parent if agent.base.name == "model" else agent.base
        name, revision = Path("models", place).as_posix(), None
    origin = origin_of(config, agent.model)
    return BaseModel(name, model_fingerprint(model), weights_of(model), revision, origin)


def _publish_agent(agent: Trained, base: BaseModel, results: Path, output: Path) -> None:
    folder, run = Path("adapters", agent.folder), results / agent.folder
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


def _reason(error: OSError) -> str:
    """The first thing that went wrong; copying a folder collects them."""
    if isinstance(error, shutil.Error):
        return str(error.args[0][0][2])
    return f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror)
