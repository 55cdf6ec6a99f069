"""The documentation as `make docs` wrote it, opened from disk."""

import pytest
from tests.browser.chromium import Chromium
from tests.workflow.conftest import REPOSITORY

SITE = REPOSITORY / "site"


@pytest.mark.parametrize(
    "page", ["index", "overview", "method", "config/index", "reference/method"]
)
def test_a_page_requests_nothing_from_elsewhere(browser: Chromium, page: str) -> None:
    browser.open(SITE / f"{page}.html")
    assert browser.complaints() == []
    assert [url for url in browser.requests() if not url.startswith(SITE.as_uri())] == []
    loaded = "[...document.images].every(image => image.complete && image.naturalWidth > 0)"
    assert browser.evaluate(loaded)


def test_formulas_and_their_code_are_drawn(browser: Chromium) -> None:
    browser.open(SITE / "method.html")
    heights = "[...document.querySelectorAll('math')].map(formula => formula.clientHeight)"
    formulas = browser.evaluate(heights)
    assert len(formulas) > 20
    assert min(formulas) > 5
    text = browser.evaluate("document.body.innerText")
    assert "$" not in text
    assert "return own + beta * discount * _before(so_far, discount) * other" in text


def test_the_search_works(browser: Chromium) -> None:
    browser.open(SITE / "index.html")
    browser.evaluate("document.querySelector('label[for=__search]').click()")
    browser.wait_for("document.activeElement.matches('.md-search__input')")
    browser.write("leave_one_out")
    browser.wait_for("document.querySelector('.md-search-result').innerText.includes('groups')")
    assert browser.complaints() == []
