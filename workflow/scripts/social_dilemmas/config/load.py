"""The configuration of a scale, for tools that work without Snakemake."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from social_dilemmas.config.check import check, fitted, with_defaults
from social_dilemmas.config.settings import merge
from social_dilemmas.errors import UserError
from social_dilemmas.games import declare

REPOSITORY = Path(__file__).resolve().parents[4]
DEFAULT = "laptop"


def read_config(scale: str, repository: Path = REPOSITORY) -> Mapping[str, Any]:
    """The configuration of a scale with its defaults, as the workflow sees it; its games are made known by name.

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
    schema = yaml.safe_load((repository / "workflow/schemas/config.schema.yaml").read_text())
    config = with_defaults(merge(*(yaml.safe_load(file.read_text()) for file in files)), schema)
    config = fitted(config, files[0])
    check(config, schema, files)
    declare(config["games"])
    return config
