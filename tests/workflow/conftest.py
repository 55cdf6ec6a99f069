"""Runs of Snakemake in copies of the workflow, where files may be edited."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
SOURCES = ("Snakefile", "config", "envs", "profiles", "tools", "workflow")


class Workflow:
    """A copy of the workflow, or the repository itself for dry runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said = ""  # by the run that made it, if any

    def run(
        self, *arguments: str, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Call Snakemake in the folder; what it prints is in `stdout`."""
        environment = {"PYTHONPATH": "", **environment}
        return self._python("-m", "snakemake", "--nocolor", *arguments, check=check, **environment)

    def script(self, path: str, *arguments: str) -> str:
        """What a Python script of the folder, which imports the library, prints."""
        return self._python(path, *arguments, PYTHONPATH="workflow/scripts").stdout

    def _python(
        self, *arguments: str, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        run = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert not check or run.returncode == 0, run.stdout
        return run

    def plan(self, *arguments: str) -> tuple[dict[str, int], list[str]]:
        """How many jobs of each rule would run, and what these jobs say of themselves."""
        said = self.run("--dry-run", *arguments).stdout
        if "Nothing to be done" in said:
            return {}, []
        return job_counts(said), re.findall(r"^Job \d+: (.*)$", said, re.M)

    def planned(self, *arguments: str) -> dict[str, int]:
        """How many jobs of each rule would run."""
        return self.plan(*arguments)[0]

    def config(self, path: str = "config/config.yaml") -> dict[str, Any]:
        """What a configuration file holds."""
        return yaml.safe_load((self.folder / path).read_text())

    def configure(self, config: dict[str, Any]) -> None:
        """Replace `config/config.yaml`."""
        (self.folder / "config" / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a text that a file holds."""
        file = self.folder / path
        text = file.read_text()
        assert old in text, f"{path} doesn't hold {old!r}"
        file.write_text(text.replace(old, new))


def job_counts(said: str) -> dict[str, int]:
    """How many jobs of each rule a run announces."""
    table = said.split("Job stats:")[1].split("total")[0]
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, re.M)}


def rows_of_plan(said: str) -> dict[str, list[str]]:
    """Cells of the table that `make plan` prints, by the names of its rows."""
    split = (re.split(r" {2,}", line.strip()) for line in said.splitlines())
    return {cells[0]: cells[1:] for cells in split if len(cells) == 8}


def copy_workflow(folder: Path) -> Workflow:
    for name in SOURCES:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(
                source,
                folder / name,
                ignore=shutil.ignore_patterns("__pycache__"),
                copy_function=shutil.copy2,
            )
        else:
            shutil.copy2(source, folder / name)
    return Workflow(folder)


@pytest.fixture(scope="session")
def repository() -> Workflow:
    return Workflow(REPOSITORY)


@pytest.fixture
def workflow(tmp_path: Path) -> Workflow:
    """A copy of the workflow in which nothing has run."""
    return copy_workflow(tmp_path)


def hostile(folder: Path) -> dict[str, str]:
    """Variables of a notebook, of other projects and of a user's own taste, which must not reach any job."""
    (folder / "peft.py").write_text("raise ImportError('not the package that is locked')")
    (folder / "matplotlibrc").write_text("text.usetex: true\nfigure.facecolor: black\n")
    return {
        "PYTHONPATH": str(folder),
        "PYTHONOPTIMIZE": "2",
        "PYTHONWARNINGS": "error",
        "MPLBACKEND": "module://of_a_notebook",
        "MATPLOTLIBRC": str(folder / "matplotlibrc"),
    }


@pytest.fixture(scope="session")
def real_run(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """A small complete run, tracked, in a hostile environment: the smoke scale, one game, two algorithms, one seed."""
    run = copy_workflow(tmp_path_factory.mktemp("real"))
    config = yaml.safe_load((REPOSITORY / "config" / "smoke.yaml").read_text())
    config["seeds"] = config["seeds"][:1]
    config["games"] = [game for game in config["games"] if game["name"] == "split"]
    config["algorithms"] = [config["algorithms"][0], config["algorithms"][2]]
    del config["prior_sweep"]  # it names another game
    config["tracker"] = "tensorboard"
    run.configure(config)
    environment = hostile(tmp_path_factory.mktemp("hostile"))
    run.said = run.run("--cores", "2", check=True, **environment).stdout
    return run


@pytest.fixture(scope="session")
def pretended_run(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """All experiments of the smoke scale with empty outputs, which Snakemake takes for results of its jobs."""
    run = copy_workflow(tmp_path_factory.mktemp("pretended"))
    run.configure(yaml.safe_load((REPOSITORY / "config" / "smoke.yaml").read_text()))
    said = run.run("--summary", "--", "everything").stdout
    for output in re.findall(r"^(results/\S+)\t", said, re.M):
        path = run.folder / output
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch() if path.suffix else path.mkdir(exist_ok=True)
    run.said = run.run("--cores", "1", "--touch", "--forceall", "everything").stdout
    return run


@pytest.fixture
def finished(pretended_run: Workflow, tmp_path: Path) -> Workflow:
    """A copy of the complete run, to be edited."""
    shutil.copytree(pretended_run.folder, tmp_path / "finished")
    return Workflow(tmp_path / "finished")
