"""The workflow as a module of another one: imported with a prefix and a configuration of its own."""

import subprocess
from pathlib import Path

import pytest
import yaml
from tests.workflow.conftest import REPOSITORY, Workflow, copy_workflow

IMPORTING = """
configfile: "mine.yaml"

module social_dilemmas:
    snakefile: SOURCE
    config: config["dilemmas"]
    prefix: "dilemmas"

use rule * from social_dilemmas as dilemmas_*
"""
PLACE = "dilemmas/results/smoke"
COMMIT = ("-c", "user.name=Someone", "-c", "user.email=someone@example.org", "commit", "--quiet")


def importing_from(source: str, folder: Path) -> Workflow:
    """A folder whose Snakefile imports the workflow, for a run of one game and one algorithm."""
    config = yaml.safe_load((REPOSITORY / "config" / "smoke.yaml").read_text())
    config["seeds"], config["further_seeds"] = [0], []
    config["games"] = [game for game in config["games"] if game["name"] == "split"]
    config["algorithms"] = config["algorithms"][:1]
    config["games"][0]["exploitability"] = {"learners": {"naive": ["naive"]}}
    config["pathvars"] = {"logs": "kept/logs"}
    for section in ("ablations", "rivals", "two_learners", "prior_sweep"):
        config.pop(section, None)
    (folder / "Snakefile").write_text(IMPORTING.replace("SOURCE", source))
    (folder / "mine.yaml").write_text(yaml.safe_dump({"dilemmas": config}))
    return Workflow(folder)


@pytest.fixture
def importing(tmp_path: Path) -> Workflow:
    return importing_from(f'"{REPOSITORY}/Snakefile"', tmp_path)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository of the workflow, with a tag."""
    folder = copy_workflow(tmp_path_factory.mktemp("published")).folder
    for command in (["init", "--quiet"], ["add", "."], [*COMMIT, "-m", "All"], ["tag", "v1"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def test_everything_is_found_through_an_importing_snakefile(importing: Workflow) -> None:
    planned = importing.planned("--", "dilemmas_everything")
    assert {"dilemmas_train", "dilemmas_table_claims", "dilemmas_write_cards"} <= set(planned)


def test_the_catalogue_finds_the_workflow_where_it_looks(repository: Workflow) -> None:
    chosen = ("--forceall", "--configfile", "config/smoke.yaml")
    planned = repository.planned("--snakefile", "workflow/Snakefile", *chosen)
    assert planned.pop("default") == 1
    assert planned | {"all": 1} == repository.planned(*chosen)
    described = yaml.safe_load((REPOSITORY / ".snakemake-workflow-catalog.yml").read_text())
    assert described["usage"]["software-stack-deployment"]["conda"] is True
    ci = yaml.safe_load((REPOSITORY / ".github" / "workflows" / "ci.yml").read_text())
    assert ci["jobs"]["run"]["steps"][-1] == {"run": ".ci/run"}


def test_a_run_through_an_importing_snakefile(importing: Workflow) -> None:
    """Agents, opponents of learners, cards and tables are found below the prefix."""
    card = f"{PLACE}/training/split/embedded/naive/seed-0/README.md"
    made = [
        f"{PLACE}/cross_play/split/embedded/matches.parquet",
        card,
        f"{PLACE}/tables/claims.txt",
    ]
    made.append(f"{PLACE}/exploitability/split/embedded/matches.parquet")
    importing.run("--cores", "1", "--", *made)
    assert all((importing.folder / path).is_file() for path in made)
    assert not (importing.folder / "results").exists()
    assert (importing.folder / "dilemmas" / "kept" / "logs").is_dir()


def test_a_run_from_a_hosted_repository(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `snakedeploy` writes it; git finds the host's repository on this machine."""
    source = (
        f'github("{published.parent.name}/{published.name}", path="workflow/Snakefile", tag="v1")'
    )
    importing = importing_from(source, tmp_path)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.file://{published.parent.parent}/.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://github.com/")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    base = f"{PLACE}/base/embedded"
    importing.run("--cores", "1", "--", base)
    assert (importing.folder / base / "model.safetensors").is_file()
    assert "Nothing to be done" in importing.run("-n", "--", base).stdout


def test_a_git_source_on_this_machine(published: Path, tmp_path: Path) -> None:
    place = f"git+file://{published}"
    planned = importing_from(f'"{place}/workflow/Snakefile@v1"', tmp_path).planned()
    assert {"dilemmas_train", "dilemmas_table_claims"} <= set(planned)
    refused = importing_from(f'"{place}/Snakefile@v1"', tmp_path).run("-n", check=False)
    assert refused.stdout.strip() == "From a git source, import workflow/Snakefile, not Snakefile"
