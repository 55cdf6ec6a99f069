"""The workflow as a module of another one: imported with a prefix and a configuration of its own."""

from pathlib import Path

import pytest
import yaml
from tests.workflow.conftest import REPOSITORY, Workflow

IMPORTING = f"""
configfile: "mine.yaml"

module social_dilemmas:
    snakefile: "{REPOSITORY}/Snakefile"
    config: config["dilemmas"]
    prefix: "dilemmas"

use rule * from social_dilemmas as dilemmas_*
"""
PLACE = "dilemmas/results/smoke"


@pytest.fixture
def importing(tmp_path: Path) -> Workflow:
    """A folder whose Snakefile imports the workflow, for a run of one game and one algorithm."""
    config = yaml.safe_load((REPOSITORY / "config" / "smoke.yaml").read_text())
    config["seeds"], config["further_seeds"] = [0], []
    config["games"] = [game for game in config["games"] if game["name"] == "split"]
    config["algorithms"] = config["algorithms"][:1]
    config["games"][0]["exploitability"] = {"learners": {"naive": ["naive"]}}
    config["pathvars"] = {"logs": "kept/logs"}
    for section in ("ablations", "rivals", "two_learners", "prior_sweep"):
        config.pop(section, None)
    (tmp_path / "Snakefile").write_text(IMPORTING)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"dilemmas": config}))
    return Workflow(tmp_path)


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
