"""A local conda channel, a stand-in for conda, and a launcher's environment, as a user makes it.

Neither conda nor its channels are needed. What stands in for them: a channel made of the packages in .venv, and a
small `conda` before py-rattler's solver and installer. All else is real: Snakemake's deployment, the environment
files, the jobs.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.unit.test_environments import CONDA_FILES, ROOT, conda_pins

HERE = Path(__file__).parent
SITE = Path("lib", "python{}.{}".format(*sys.version_info), "site-packages")
CHANNELS = ("conda-forge", "bioconda")


def call(
    *command: str | Path,
    folder: Path = ROOT,
    environment: Mapping[str, str] = os.environ,
    check: bool = True,
) -> str:
    """The output of a program; with `check`, the test fails if the program does."""
    run = subprocess.run(
        command,
        cwd=folder,
        env=dict(environment),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert not check or run.returncode == 0, run.stdout
    return run.stdout


@dataclass(frozen=True)
class Clone:
    """A fresh copy of the repository, and the environment variables of a user who has activated the launcher."""

    folder: Path
    environment: Mapping[str, str]

    def run(self, *command: str | Path, check: bool = True) -> str:
        return call(*command, folder=self.folder, environment=self.environment, check=check)


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with what the channel and the stand-in need, and SLURM's executor plugin."""
    folder = tmp_path_factory.mktemp("conda-tools")
    call(sys.executable, "-m", "venv", folder)
    pip = (str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps")
    call(*pip, "--requirement", HERE / "requirements.txt")
    plugins = folder / "plugins"
    call(*pip, "--target", plugins, "--requirement", ROOT / "requirements-slurm.txt")
    return folder


@pytest.fixture(scope="session")
def channel(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A channel that has every package of every environment file, at the version of .venv."""
    folder = tmp_path_factory.mktemp("channel")
    names = {
        name
        for file in CONDA_FILES
        if file != "envs/vllm.yaml"
        for name in conda_pins((ROOT / file).read_text(), with_pip=False)
    }
    sites = [Path(sys.prefix) / SITE, tools / "plugins", tools / SITE]
    call(
        *(tools / "bin" / "python", HERE / "local_channel.py", folder),
        *sorted(names - {"python"}),
        *("pip", "snakemake-executor-plugin-slurm"),
        "--sites",
        *sites,
    )
    return folder


@pytest.fixture(scope="session")
def user(channel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment variables in which nothing of .venv is left."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CONDA", "PYTHON", "VIRTUAL_ENV", "PYTEST", "SNAKEMAKE"))
    }
    return kept | {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LOCAL_CONDA_CHANNELS": json.dumps(dict.fromkeys(CHANNELS, channel.as_uri())),
        "CONDA_PKGS_DIRS": str(tmp_path_factory.mktemp("packages")),
        "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache")),
    }


@pytest.fixture(scope="session")
def launcher(
    tools: Path, user: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The environment of environment.yml."""
    prefix = tmp_path_factory.mktemp("launcher") / "environment"
    call(
        *(tools / "bin" / "python", HERE / "stand_in.py", "env", "create"),
        *("--file", "environment.yml", "--prefix", prefix),
        environment=user,
    )
    return prefix


@pytest.fixture(scope="session")
def clone(
    launcher: Path, user: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Clone:
    """The repository's files, without anything that was made in it."""
    folder = tmp_path_factory.mktemp("clone")
    listed = call("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return Clone(folder, {**user, "PATH": f"{launcher / 'bin'}:{user['PATH']}"})


@pytest.fixture(scope="session")
def smoke(clone: Clone) -> Clone:
    """The smoke scale with all further experiments, every job in its own conda environment."""
    clone.run(*SMOKE, "--", "everything")
    return clone


SMOKE = ("snakemake", "--cores", "all", "--use-conda", "--configfile", "config/smoke.yaml")
