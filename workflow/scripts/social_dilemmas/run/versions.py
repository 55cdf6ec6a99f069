"""What a run was made with: the interpreter, the platform, the packages, and the commit if known."""

import csv
import platform
import shutil
import subprocess
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[4]


def describe(config: Mapping[str, Any], folder: Path) -> None:
    """Write the whole configuration and all versions, as `config.yaml` and `versions.csv`."""
    settings = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True, width=100)
    (folder / "config.yaml").write_text(settings, encoding="utf-8")
    with (folder / "versions.csv").open("w", newline="", encoding="utf-8") as file:
        rows = [("name", "version"), *versions()]
        csv.writer(file, lineterminator="\n").writerows(rows)


def versions(repository: Path = REPOSITORY) -> list[tuple[str, str]]:
    """Names and versions: the repository's commit if it has one, Python, the platform, and all installed packages."""
    packages = {package.name: package.version for package in distributions()}
    commit = _commit(repository)
    return [
        *([("commit", commit)] if commit else []),
        ("Python", platform.python_version()),
        ("platform", f"{platform.system()} {platform.machine()}"),
        *sorted(packages.items(), key=lambda package: package[0].lower()),
    ]


def _commit(repository: Path) -> str | None:
    """The commit that is checked out, and whether tracked files differ from it."""
    if not (repository / ".git").exists() or not shutil.which("git"):
        return None
    command = ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty= with changes"]
    run = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    return run.stdout.strip() or None
