"""`snakemake --use-conda` from a clean clone, with nothing but the launcher of environment.yml."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from tests.conda.conftest import SMOKE, Clone, call
from tests.unit.test_environments import ROOT, normalized, pip_pins

ENVIRONMENTS = ("train", "plot", "axelrod")
STAGES = {  # folder of logs: the environment that its jobs run in
    "base": "train",
    "warm_start": "train",
    "training": "train",
    "cross_play": "train",
    "exploitability": "train",
    "tournament": "axelrod",
    "tables": "plot",
    "figures": "plot",
}


def prefixes(clone: Clone) -> dict[str, Path]:
    """Where Snakemake made the environments."""
    found = {}
    for file in (clone.folder / ".snakemake" / "conda").glob("*.yaml"):
        for name in ENVIRONMENTS:
            if file.read_text() == (ROOT / "envs" / f"{name}.yaml").read_text():
                found[name] = file.with_suffix("")
    return found


def conda_packages(prefix: Path) -> dict[str, str]:
    """Names and versions of what conda installed."""
    records = [json.loads(file.read_text()) for file in (prefix / "conda-meta").glob("*.json")]
    return {record["name"]: record["version"] for record in records}


def test_the_launcher_starts_snakemake(clone: Clone, launcher: Path) -> None:
    lock = pip_pins((ROOT / "requirements.lock").read_text())
    assert clone.run("snakemake", "--version").strip() == lock["snakemake"]
    assert clone.run("python", "-c", "import sys; print(sys.prefix)").strip() == str(launcher)
    assert "No module named 'torch'" in clone.run("python", "-c", "import torch", check=False)


def test_a_dry_run_needs_nothing_but_the_launcher(clone: Clone) -> None:
    said = clone.run("snakemake", "--cores", "all", "--use-conda", "--dry-run")
    assert re.search(r"^train +45$", said, re.M)


def check_versions(name: str, packages: Mapping[str, str]) -> None:
    """Compare packages with what an environment file asks for."""
    for wanted in yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text())["dependencies"]:
        if isinstance(wanted, str) and "=" in wanted:
            package, version = wanted.split("=")
            assert re.match(rf"{re.escape(version)}(\.|$)", packages[package]), (name, wanted)


def test_every_environment_is_made_as_it_is_shipped(smoke: Clone) -> None:
    made = prefixes(smoke)
    assert made.keys() == set(ENVIRONMENTS)
    for name, prefix in made.items():
        check_versions(name, conda_packages(prefix))
    assert "pytorch" not in conda_packages(made["plot"])


def test_pip_adds_what_conda_leaves_to_it(smoke: Clone) -> None:
    python = prefixes(smoke)["axelrod"] / "bin" / "python"
    said = smoke.run(python, "-m", "pip", "list", "--format=freeze")
    found = {normalized(name): version for name, version in re.findall(r"^(.+)==(.+)$", said, re.M)}
    expected = pip_pins((ROOT / "requirements-axelrod.txt").read_text())
    assert {name: found.get(name) for name in expected} == expected


def test_every_job_ran_in_its_environment(smoke: Clone) -> None:
    made = prefixes(smoke)
    logs, benchmarks = (
        smoke.folder / "results" / "smoke" / name for name in ("logs", "benchmarks")
    )
    said = {
        path: re.findall(r"^Python \S+ in (.*)$", path.read_text(), re.M)
        for path in logs.rglob("*.log")
    }
    jobs = {path.relative_to(benchmarks).with_suffix("") for path in benchmarks.rglob("*.tsv")}
    assert {path.relative_to(logs).with_suffix("") for path in said} == jobs
    for path, places in said.items():
        assert len(places) == 1, path
        assert Path(places[0]) in made.values(), path
    for stage, name in STAGES.items():
        used = {place for path, (place,) in said.items() if path.is_relative_to(logs / stage)}
        assert used == {str(made[name])}, stage


def test_all_results_are_there_and_nothing_is_left_to_do(smoke: Clone) -> None:
    results = smoke.folder / "results" / "smoke"
    assert len((results / "tables" / "all_claims.csv").read_text().splitlines()) > 1
    for kind in ("pdf", "svg", "png", "csv"):
        assert len(list((results / "figures").glob(f"*.{kind}"))) >= 10
    said = smoke.run(*SMOKE, "--dry-run", "--", "everything")
    assert "Nothing to be done" in said


def test_the_launcher_makes_the_report(smoke: Clone) -> None:
    smoke.run(*SMOKE, "--report", "report.zip", "--", "everything")
    assert (smoke.folder / "report.zip").stat().st_size > 10_000


def test_pip_s_environment_gives_the_same_bytes(smoke: Clone, tmp_path: Path) -> None:
    """One training, made once more in .venv."""
    adapter = Path("results/smoke/training/split/embedded/advantage_alignment/seed-0/adapter")
    call(
        *(Path(sys.executable).parent / "snakemake", "--cores", "1", "--directory", tmp_path),
        *("--snakefile", smoke.folder / "Snakefile"),
        *("--configfile", smoke.folder / "config" / "smoke.yaml", "--", adapter),
    )
    for name in ("adapter_model.safetensors", "adapter_config.json", "base_model.json"):
        ours, theirs = (folder / adapter / name for folder in (smoke.folder, tmp_path))
        assert ours.read_bytes() == theirs.read_bytes(), name


@pytest.fixture
def pinned(smoke: Clone) -> Iterator[Clone]:
    """The clone with pin files, as `make pin` writes them; they are taken away again."""
    smoke.run("sh", "tools/pin.sh", *(f"envs/{name}.yaml" for name in ENVIRONMENTS))
    yield smoke
    for file in (smoke.folder / "envs").glob("*.pin.txt"):
        file.unlink()


def test_pins_list_every_package_and_are_used(pinned: Clone) -> None:
    made = prefixes(pinned)
    pins = {file.name.split(".")[0]: file for file in (pinned.folder / "envs").glob("*.pin.txt")}
    assert pins.keys() == {"train", "plot"}  # pip installs a part of the others
    for name, file in pins.items():
        assert file.name == f"{name}.linux-64.pin.txt"
        urls = re.findall(r"^file://\S+/(\S+)\.conda#[0-9a-f]{32}$", file.read_text(), re.M)
        listed = {stem.rsplit("-", 2)[0]: stem.rsplit("-", 2)[1] for stem in urls}
        assert listed == conda_packages(made[name])
        check_versions(name, listed)
    said = pinned.run(*SMOKE, "--conda-create-envs-only", "fig_cross_play")
    assert "Using pinnings from" in said
    assert "Failed to install" not in said


def test_pinning_without_conda_is_one_sentence(clone: Clone, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(clone.folder / "tools", tmp_path / "tools"))
    environment = {"PATH": "/usr/bin:/bin"}
    run = subprocess.run(["sh", copied / "pin.sh"], env=environment, capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr == "make pin needs conda on the path; environment.yml installs one\n"


@pytest.fixture
def edited(smoke: Clone) -> Iterator[Callable[[str, str, str], None]]:
    """Replaces text in a file of the clone, once; the files are as before when the test ends."""
    before: dict[Path, str] = {}

    def edit(name: str, old: str, new: str) -> None:
        path = smoke.folder / name
        text = before.setdefault(path, path.read_text())
        assert old in text
        path.write_text(text.replace(old, new, 1))

    yield edit
    for path, text in before.items():
        path.write_text(text)


def test_vllm_in_one_game_changes_no_other_game_s_environment(
    smoke: Clone, edited: Callable[[str, str, str], None]
) -> None:
    of_split = "      opponents: [greedy, welfare_maximising]\n"
    edited("config/smoke.yaml", of_split, f"{of_split}      sampler: vllm\n")
    said = smoke.run(*SMOKE, "--dry-run", "--", "everything")
    played = re.findall(r"(?:Cross-play|Matches|Learners|Slips).* in (\w+),", said)
    assert set(played) == {"split"}
    assert "Training" not in said


def test_a_tracker_is_added_to_the_environment(
    smoke: Clone, edited: Callable[[str, str, str], None]
) -> None:
    """As docs/running.md says; the trainings then run again, as in any other new environment."""
    version = pip_pins((ROOT / "requirements-trackers.txt").read_text())["tensorboard"]
    last = "  - transformers="
    edited("envs/train.yaml", last, f"  - pip\n  - pip: [tensorboard=={version}]\n{last}")
    run = Path("training/split/embedded/advantage_alignment/seed-0")
    tracker = ("--config", "tracker=tensorboard")
    smoke.run(*SMOKE, *tracker, "--", Path("results/smoke", run, "adapter"))
    tracked = smoke.folder / "results/smoke/tracking/tensorboard" / run
    assert list(tracked.rglob("events.out.tfevents.*"))
