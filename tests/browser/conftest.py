"""Pages to be opened, and the browser that opens them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.browser.chromium import Chromium, find_chromium
from tests.browser.sample import TOLD
from tests.workflow.conftest import Workflow, pretended_run  # noqa: F401

from social_dilemmas.report.pages.page import write_page
from social_dilemmas.report.pages.transcript import transcript_page


def pytest_sessionstart() -> None:
    """Without a browser nothing here can run, which is said at once."""
    try:
        find_chromium()
    except FileNotFoundError as error:
        pytest.exit(str(error), returncode=1)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    chromium = Chromium(tmp_path_factory.mktemp("profile"))
    yield chromium
    chromium.close()


@pytest.fixture(scope="session")
def transcript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    page = tmp_path_factory.mktemp("pages") / "transcript.html"
    write_page("transcript.html.jinja", page, model="embedded", **transcript_page(TOLD))
    return page


@pytest.fixture(scope="session")
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report that REPORT in the environment names, or one of a run that only pretends."""
    if given := os.environ.get("REPORT"):
        return Path(given)
    run: Workflow = request.getfixturevalue("pretended_run")
    run.run("everything", "--cores", "1")
    style = "workflow/report/report.css"
    run.run("everything", "--report", "report.html", "--report-stylesheet", style)
    return run.folder / "report.html"
