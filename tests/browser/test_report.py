"""Snakemake's report, opened from its one file."""

from pathlib import Path

import pytest
from tests.browser.chromium import Chromium

MENU = "[...document.querySelectorAll('#app li a')].map(a => a.innerText.trim())"
CLICK = "[...document.querySelectorAll('#app a')].find(a => a.innerText.trim() === '%s').click()"


@pytest.fixture(autouse=True)
def opened(browser: Chromium, report: Path) -> None:
    browser.open(report)
    browser.wait_for("document.querySelectorAll('#app li a').length > 3")


def test_it_opens_with_claims_first_and_requests_nothing(browser: Chromium, report: Path) -> None:
    assert browser.complaints() == []
    assert browser.requests() == [report.resolve().as_uri()]
    listed = browser.evaluate(MENU)
    categories = ["Claims", "Figures", "Tables", "Transcripts", "Versions and settings"]
    assert listed[listed.index("About") + 1 :] == categories


def test_the_top_of_a_tall_picture_can_be_reached(browser: Chromium) -> None:
    """Our stylesheet is in the report."""
    content = "document.querySelector('#app .h-screen.items-center')"
    assert browser.evaluate(f"getComputedStyle({content}).alignItems") == "safe center"


def test_claims_are_shown(browser: Chromium) -> None:
    browser.evaluate(CLICK % "Claims")
    browser.wait_for("document.querySelector('#app tbody tr') !== null")
    rows = browser.evaluate(
        "[...document.querySelectorAll('#app tbody tr')].map(r => r.innerText.trim())"
    )
    assert [row.split("\t") for row in rows][-3:] == [
        ["Claims", form] for form in ("a page", "CSV", "LaTeX")
    ]
    browser.evaluate("document.querySelector('#app tbody tr a').click()")
    browser.wait_for("document.querySelector('#app iframe') !== null")
    assert browser.complaints() == []
