"""A page of transcripts, as people see and use it."""

from pathlib import Path

import pytest
from tests.browser.chromium import Chromium
from tests.browser.sample import MARKUP

SHOWN = "[...document.querySelectorAll('.match')].filter(m => !m.hidden).map(m => m.querySelector('h3').innerText)"
OPEN = "[...document.querySelectorAll('.match')].map(m => m.open)"
COUNT = "document.querySelector('.count').textContent"


@pytest.fixture(autouse=True)
def opened(browser: Chromium, transcript: Path) -> None:
    browser.open(transcript)


def test_it_raises_no_errors_and_requests_nothing(browser: Chromium, transcript: Path) -> None:
    assert browser.complaints() == []
    assert browser.requests() == [transcript.resolve().as_uri()]
    browser.evaluate("setTimeout(() => { throw new Error('amiss') })")
    browser.evaluate("new Promise(resolve => setTimeout(resolve, 50))")
    assert "amiss" in "".join(browser.complaints())


def test_fonts_are_without_serifs(browser: Chromium) -> None:
    fonts = [browser.fonts(selector) for selector in ("h1", ".match summary h3", ".said q")]
    assert all(fonts)
    assert not [font for font in set().union(*fonts) if "Serif" in font or "Times" in font]


def test_markup_in_a_message_is_text(browser: Chromium) -> None:
    said = browser.evaluate("[...document.querySelectorAll('.said q')].map(q => q.textContent)")
    assert f"<message>{MARKUP}</message>" in said
    assert browser.evaluate("document.querySelectorAll('img').length") == 0
    assert browser.evaluate("document.title").startswith("Naive RL with Greedy")


def test_outcomes_are_chosen(browser: Chromium) -> None:
    choices = {"both_do_well": [1], "is_exploited": [2, 3], "both_do_poorly": [4], "": [1, 2, 3, 4]}
    for outcome, matches in choices.items():
        browser.evaluate(f"document.querySelector('[name=outcome][value=\"{outcome}\"]').click()")
        assert browser.evaluate(SHOWN) == [f"Match {number}" for number in matches]
        assert browser.evaluate(COUNT).split()[0] == str(len(matches))


def test_matches_are_opened_and_chosen_with_the_keyboard(browser: Chromium) -> None:
    browser.evaluate("document.querySelectorAll('.match summary')[1].focus()")
    browser.press("Enter", 13, "\r")
    assert browser.evaluate(OPEN) == [True, True, False, False]
    browser.evaluate("document.querySelector('[name=outcome]').focus()")
    browser.press("ArrowRight", 39)
    assert browser.evaluate(SHOWN) == ["Match 1"]


def test_search_shows_rounds_that_hold_the_words(browser: Chromium) -> None:
    browser.evaluate("document.querySelector('[type=search]').focus()")
    browser.write("HAVE PAPER")
    assert browser.evaluate(SHOWN) == ["Match 3"]
    rounds = "[...document.querySelectorAll('.round')].filter(r => r.checkVisibility()).length"
    assert browser.evaluate(rounds) == 1
    assert browser.evaluate(COUNT) == "1 match, 1 round with “have paper”"
    browser.evaluate("document.querySelector('[type=search]').value = ''")
    browser.evaluate("document.querySelector('form').dispatchEvent(new Event('input'))")
    assert len(browser.evaluate(SHOWN)) == 4
    assert browser.evaluate(OPEN) == [True, False, False, False]


@pytest.mark.parametrize("width", [320, 600, 1200])
def test_nothing_sticks_out(browser: Chromium, transcript: Path, width: int) -> None:
    browser.open(transcript, width=width)
    browser.evaluate("document.querySelector('[name=fold]').click()")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out(browser: Chromium, transcript: Path, dark: bool) -> None:
    browser.open(transcript, dark=dark)
    browser.evaluate("document.querySelector('[name=fold]').click()")
    for selector in (".told", ".said q", ".second .said q", ".chip", ".eyebrow", ".gain"):
        for contrast in browser.evaluate(CONTRASTS % selector):
            assert contrast >= 4.5, selector  # as WCAG 2.2 asks for


CONTRASTS = """
[...document.querySelectorAll('%s')].map(element => {
  const numbers = text => text.match(/[\\d.]+/g).map(Number);
  const luminance = colour => {
    const [r, g, b] = colour.map(c => c / 255)
      .map(c => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  let behind = element;
  while (numbers(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement;
  const [dark, light] = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor]
    .map(text => luminance(numbers(text).slice(0, 3))).sort((a, b) => a - b);
  return (light + .05) / (dark + .05);
})
"""
