"""The report: everything in it has its place, its labels and words that explain it."""

import csv
import json
import re
import zipfile
from typing import Any

import pytest
import yaml
from tests.workflow.conftest import REPOSITORY, Workflow, copy_workflow

from social_dilemmas.config.load import load_config
from social_dilemmas.config.schema.config import Config
from social_dilemmas.config.settings import completed

CATEGORIES = {"Claims", "Figures", "Tables", "Transcripts", "Versions and settings"}


def holds(whole: Any, part: Any) -> bool:
    """Whether a configuration says all that a part of it says."""
    if isinstance(part, dict):
        return all(holds(whole[key], value) for key, value in part.items())
    if isinstance(part, list):
        return all(holds(*pair) for pair in zip(whole, part, strict=True))
    return bool(whole == part)


def variable(page: str, name: str) -> Any:
    """A variable of the report's script."""
    found = re.search(rf"^    var {name} = (.*);$", page, re.M)
    assert found
    return json.loads(found[1])


@pytest.fixture(scope="module")
def page(pretended_run: Workflow) -> str:
    pretended_run.run("everything", "--report", "report.html")
    return (pretended_run.folder / "report.html").read_text()


def test_everything_is_explained_and_labelled(page: str) -> None:
    for path, result in variable(page, "results").items():
        assert len(result["caption"]) > 100, path
        assert result["labels"], path


def test_captions_use_only_keys_that_every_configuration_has() -> None:
    """Snakemake fills them in with what the files say, without defaults."""
    needed = {name for name, field in Config.model_fields.items() if field.is_required()}
    for path in (REPOSITORY / "workflow" / "report").glob("*.rst"):
        text = path.read_text(encoding="utf-8")
        used = set(re.findall(r'config\["(\w+)"\]', text))
        assert used <= needed, path
        assert text.count("snakemake.") == len(re.findall(r'snakemake\.config\["\w+"\]', text)), (
            path
        )


def test_categories(page: str) -> None:
    categories = variable(page, "categories")
    assert set(categories) == CATEGORIES
    assert min(categories) == "Claims"  # the report lists them in alphabetical order


def test_every_figure_table_and_transcript_is_in_it(page: str, pretended_run: Workflow) -> None:
    results = pretended_run.folder / "results" / "smoke"
    made = [
        *results.glob("figures/*.png"),
        *results.glob("tables/*.csv"),
        *results.glob("tables/*.tex"),
        *results.glob("tables/*.html"),
        *results.glob("transcripts/*/*/*.html"),
        *(results / name for name in ("run.html", "config.yaml", "versions.csv")),
    ]
    listed = {pretended_run.folder / path for path in variable(page, "results")}
    assert listed == set(made)
    assert len([path for path in made if path.parent.parent.parent.name == "transcripts"]) == 3


def test_a_zip_holds_the_same(pretended_run: Workflow, page: str) -> None:
    pretended_run.run("everything", "--report", "report.zip")
    names = zipfile.ZipFile(pretended_run.folder / "report.zip").namelist()
    assert len(names) == len(variable(page, "results")) + 1
    assert not [name for name in names if "adapter" in name]


def test_the_run_is_described_by_what_it_was_made_with(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    run = copy_workflow(tmp_path_factory.mktemp("described"))
    run.run("results/smoke/run.html", "--cores", "1", "--configfile", "config/smoke.yaml")
    results = run.folder / "results" / "smoke"
    config = yaml.safe_load((results / "config.yaml").read_text())
    given = yaml.safe_load((REPOSITORY / "config" / "smoke.yaml").read_text())
    assert holds(config, given)
    assert completed(load_config(config, [results / "config.yaml"])) == config
    versions = dict(list(csv.reader((results / "versions.csv").open()))[1:])
    assert {"Python", "platform", "snakemake"} <= versions.keys()
    page = (results / "run.html").read_text()
    assert versions["snakemake"] in page
    assert "scale: smoke" in page
