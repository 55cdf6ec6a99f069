"""Pages: all there, nothing of it taken for markup, and nothing fetched from elsewhere."""

import re
from collections.abc import Callable, Mapping
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from tests.browser.sample import MARKUP, TOLD

from social_dilemmas.report.names import game_title
from social_dilemmas.report.pages.page import TEMPLATES, write_page
from social_dilemmas.report.pages.transcript import common_sentences, summarise, transcript_page

Show = Callable[[Mapping[str, Any]], str]


@pytest.fixture
def show(tmp_path: Path) -> Show:
    def page(transcripts: Mapping[str, Any]) -> str:
        output = tmp_path / "page.html"
        values = transcript_page(transcripts)
        write_page("transcript.html.jinja", output, model="small", **values)
        return output.read_text()

    return page


def text_of(page: str) -> str:
    return unescape(re.sub("<[^>]*>", "", page))


def test_everything_is_shown_and_markup_stays_text(show: Show) -> None:
    page = show(TOLD)
    text = text_of(page)
    for part in ("Naive RL with Greedy", "Trust-and-Split", "I have paper", "small", "seed 0"):
        assert part in text
    assert text.count("log p −0.25") == 2 * len(TOLD["matches"])  # of one seat in two rounds
    assert text.count("Round 2") == len(TOLD["matches"])
    assert text.count("You divide 10 coins") == 1  # the rules
    assert "lines at 0, 50 and 100 points" in text
    assert f"<message>{MARKUP}</message>" in text
    assert "<img" not in page
    assert "<message" not in page
    assert page.count('points="0.5,-26.875 1.5,-26.875 "') == 1  # the first agent's curve


@pytest.mark.parametrize("template", sorted(path.name for path in TEMPLATES.glob("*.html.jinja")))
def test_nothing_is_fetched(template: str) -> None:
    text = (TEMPLATES / template).read_text()
    assert not re.search(r"https?://|@import|url\(|<link|<script src|<iframe", text)


@pytest.mark.parametrize(
    ("prompts", "shared"),
    [
        (["All of it.", "All of it."], "All of it."),
        (["The rules. You hold rock.", "The rules. You hold paper."], "The rules."),
        (["The 10.5 rules. Yours is 1.", "The 10.5 rules. Yours is 12."], "The 10.5 rules."),
        (["One thing", "Another"], ""),
    ],
)
def test_rules_end_with_a_sentence(prompts: list[str], shared: str) -> None:
    assert common_sentences(prompts) == shared


def test_a_summary_of_a_pair() -> None:
    summary = summarise(TOLD)
    assert summary["game"] == game_title(TOLD["game"])
    assert summary["payoffs"] == [26.875, 49.375]
    assert summary["welfare_share"] == pytest.approx((1 + 0.7 + 0.8 + 0.55) / 4)
    assert summary["outcomes"] == [
        ("both_do_well", "Both do well", 1),
        ("is_exploited", "Greedy exploits", 2),
        ("both_do_poorly", "Both do poorly", 1),
    ]
    copies = summarise({**TOLD, "agents": [{"name": "naive", "seed": 0}] * 2})
    assert copies["title"] == "Naive RL with a copy of itself"
    assert copies["agents"] == ["Naive RL", "Its copy"]


def test_a_zero_sum_game_with_a_random_horizon(show: Show) -> None:
    """It has negative points, matches of different lengths, and no best sum to have a share of."""
    matches = [{**match, "welfare_share": None} for match in TOLD["matches"][:2]]
    rounds = [{**each, "rewards": [-1, 1]} for each in matches[0]["rounds"]]
    page = show({**TOLD, "matches": [m | {"rounds": rounds[k:]} for k, m in enumerate(matches)]})
    assert "lines at −1, 0 and 1 points" in page
    assert "−1 points" in page
    assert 'points="0.5,1.0 1.5,1.0 "' in page
    assert page.count('width="4" height="1"/>') == 2 * (2 + 1)  # bars
    assert "largest sum of points" not in page
