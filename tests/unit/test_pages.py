"""Pages: all there, nothing of it taken for markup, and nothing fetched from elsewhere."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tests.browser.sample import MARKUP, TOLD

from social_dilemmas.report.pages.page import TEMPLATES, write_page
from social_dilemmas.report.pages.transcript import common_sentences, summarise, transcript_page


class Elements(HTMLParser):
    """Names and attributes of all elements of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def page(tmp_path: Path) -> str:
    write_page(
        "transcript.html.jinja", tmp_path / "page.html", model="small", **transcript_page(TOLD)
    )
    return (tmp_path / "page.html").read_text()


def test_everything_is_told(page: str) -> None:
    text = Elements(page).text
    for told in ("Naive RL with Greedy", "Trust-and-Split", "I have paper", "small", "seed 0"):
        assert told in text
    assert text.count("log p −0.25") == 2 * len(TOLD["matches"])  # of one seat in two rounds
    assert text.count("Round 2") == len(TOLD["matches"])


def test_the_scale_of_the_points_begins_at_0(page: str) -> None:
    assert "lines at 0, " in page


def test_markup_stays_text(page: str) -> None:
    elements = Elements(page)
    assert f"<message>{MARKUP}</message>" in elements.text
    assert not [tag for tag, _ in elements.found if tag in ("img", "message")]


@pytest.mark.parametrize("template", sorted(path.name for path in TEMPLATES.glob("*.jinja")))
def test_nothing_is_fetched(template: str) -> None:
    text = (TEMPLATES / template).read_text()
    assert not re.search(r"https?://|@import|url\(|<link|<script src|<iframe", text)


def test_the_rules_are_told_once(page: str) -> None:
    assert Elements(page).text.count("You divide 10 coins") == 1


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


def test_what_a_pair_came_to() -> None:
    summary = summarise(TOLD)
    assert summary["payoffs"] == [26.875, 49.375]
    assert summary["welfare_share"] == pytest.approx((1 + 0.7 + 0.8 + 0.55) / 4)
    assert summary["outcomes"] == [
        ("both_do_well", "Both do well", 1),
        ("is_exploited", "Greedy exploits", 2),
        ("both_do_poorly", "Both do poorly", 1),
    ]


def test_an_agent_and_its_copy_are_told_apart() -> None:
    agents = [{"name": "naive", "seed": 0}] * 2
    summary = summarise({**TOLD, "agents": agents})
    assert summary["title"] == "Naive RL with a copy of itself"
    assert summary["agents"] == ["Naive RL", "Its copy"]


def test_games_without_a_best_sum_have_no_share(tmp_path: Path) -> None:
    matches: list[dict[str, Any]] = [{**match, "welfare_share": None} for match in TOLD["matches"]]
    values = transcript_page({**TOLD, "matches": matches})
    assert values["welfare_share"] is None
    write_page("transcript.html.jinja", tmp_path / "page.html", model="small", **values)
    assert "largest sum of points" not in (tmp_path / "page.html").read_text()


def test_negative_points_and_different_lengths(tmp_path: Path) -> None:
    """A zero-sum game with a random horizon."""
    first, second = TOLD["matches"][:2]
    rounds = [{**each, "rewards": [-1, 1]} for each in first["rounds"]]
    told = {**TOLD, "matches": [{**first, "rounds": rounds}, {**second, "rounds": rounds[:1]}]}
    values = transcript_page(told)
    assert (values["lowest"], values["highest"]) == (-1, 1)
    assert all(bar["height"] > 0 for match in values["matches"] for bar in match["bars"])
    write_page("transcript.html.jinja", tmp_path / "page.html", model="small", **values)
    assert "−1 points" in (tmp_path / "page.html").read_text()


def test_no_torch_is_needed() -> None:
    code = (
        "import sys; import social_dilemmas.report.pages.page, social_dilemmas.report.pages.transcript, "
        "social_dilemmas.report.printed, social_dilemmas.report.latex; "
        "assert 'torch' not in sys.modules"
    )
    path = str(TEMPLATES.parent / "scripts")
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": path})
