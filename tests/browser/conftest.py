"""Pages to be opened, and the browser that opens them."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.browser.chromium import Chromium, find_chromium
from tests.workflow.conftest import Workflow, pretended_run  # noqa: F401


def pytest_sessionstart() -> None:
    """Without a browser nothing here can run: say so at once."""
    try:
        find_chromium()
    except FileNotFoundError as error:
        pytest.exit(str(error), returncode=1)


MARKUP = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"
RULES = "You divide 10 coins with another player. "


def reply(prompt: str, text: str, log_probability: float | None) -> dict[str, Any]:
    return {"step": "message", "prompt": prompt, "reply": text, "log_probability": log_probability}


def match(outcome: str, points: tuple[float, float], said: str) -> dict[str, Any]:
    """A match of two rounds; the first agent says something in the second one."""
    return {
        "seats": [0, 1],
        "outcome": outcome,
        "payoffs": list(points),
        "welfare_share": sum(points) / 100,
        "invalid": [0, 0],
        "rounds": [
            {
                "rewards": list(points),
                "replies": [
                    [reply(f"{RULES if index == 0 else ''}Your turn.", text, -0.25)],
                    [reply(f"{RULES if index == 0 else ''}Your turn, too.", "<5 coins>", None)],
                ],
            }
            for index, text in enumerate(("<5 coins>", f"<message>{said}</message>"))
        ],
    }


TOLD: dict[str, Any] = {
    "game": "trust_and_split",
    "title": "Trust-and-Split",
    "rounds": 2,
    "agents": [{"name": "naive", "seed": 0}, {"name": "greedy", "seed": None}],
    "matches": [
        match("both_do_well", (50, 50), "I have rock"),
        match("is_exploited", (10, 60), MARKUP),
        match("is_exploited", (20, 60), "I have paper"),
        match("both_do_poorly", (27.5, 27.5), "I have scissors"),
    ],
}


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    chromium = Chromium(tmp_path_factory.mktemp("profile"))
    yield chromium
    chromium.close()


@pytest.fixture(scope="session")
def transcript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from social_dilemmas.pages.page import write_page
    from social_dilemmas.pages.transcript import transcript_page

    page = tmp_path_factory.mktemp("pages") / "transcript.html"
    write_page("transcript.html.jinja", page, model="embedded", **transcript_page(TOLD))
    return page


@pytest.fixture(scope="session")
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report that REPORT in the environment names, or one of a run that only pretends."""
    if given := os.environ.get("REPORT"):
        return Path(given)
    run: Workflow = request.getfixturevalue("pretended_run")
    run.run("pages", "--cores", "1")
    style = "workflow/report/report.css"
    run.run("all", "pages", "--report", "report.html", "--report-stylesheet", style)
    return run.folder / "report.html"
