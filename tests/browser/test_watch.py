"""The live page of a run with five hundred trainings, as people see and use it."""

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from tests.browser.chromium import Chromium
from tests.unit.watched_run import ITERATIONS, watched_run, write_metrics

from social_dilemmas.report.watch.server import server

HEADING = "document.querySelector('#run').textContent"
LINES = "document.querySelectorAll('#curves polyline').length"
NAIVE = (
    "[...document.querySelectorAll('.legend li')].find(li => li.textContent.startsWith('Naive'))"
)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return watched_run(tmp_path_factory.mktemp("watched"), 500, done=300, running=2, failed=1)


@pytest.fixture(scope="module")
def address(results: Path) -> Iterator[str]:
    with server(results, 8760) as serving:
        Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_port}/"
        serving.shutdown()


@pytest.fixture(autouse=True)
def opened(browser: Chromium, address: str) -> None:
    browser.open(address)
    browser.wait_for(f"{LINES} > 0")


def test_it_raises_no_errors_and_asks_this_machine_only(browser: Chromium, address: str) -> None:
    assert browser.complaints() == []
    assert all(url.startswith(address) for url in browser.requests())


def test_jobs_by_what_they_make(browser: Chromium) -> None:
    said = browser.evaluate("document.querySelector('#counts').innerText")
    for words in ("300 of 500 jobs done", "2 running", "197 to come", "1 failed"):
        assert words in said
    assert browser.evaluate(HEADING).startswith("About ")
    running = browser.evaluate("document.querySelector('#running').innerText")
    assert "Training naive in split, embedded, seed 33" in running
    assert f"{ITERATIONS // 2} of {ITERATIONS} iterations" in running
    browser.evaluate("document.querySelector('#to_come summary').click()")
    assert "seed 55" in browser.evaluate("document.querySelector('#to_come').innerText")


def test_every_run_has_its_curve(browser: Chromium) -> None:
    assert browser.evaluate(LINES) == 303
    titles = browser.evaluate(
        "[...document.querySelectorAll('polyline title')].map(t => t.textContent)"
    )
    assert len({title.partition(":")[0] for title in titles}) == 3 * 34  # algorithms and seeds
    browser.evaluate(f"{NAIVE}.dispatchEvent(new Event('mouseenter'))")
    faint = (
        "[...document.querySelectorAll('.panel polyline')].filter(l => l.matches('.faint')).length"
    )
    assert browser.evaluate(faint) == 2 * 34


def test_another_metric_is_chosen(browser: Chromium) -> None:
    points = "document.querySelector('polyline').getAttribute('points')"
    before = browser.evaluate(points)
    browser.evaluate("document.querySelector('#metric').value = 'entropy'")
    browser.evaluate("document.querySelector('#metric').dispatchEvent(new Event('change'))")
    browser.wait_for(f"{points} !== {json.dumps(before)}")
    assert "0.0125" in browser.evaluate("document.querySelector('.panel svg').textContent")


def test_it_follows_the_run(browser: Chromium, results: Path) -> None:
    write_metrics(results / "training/split/embedded/naive/seed-99/metrics.csv", 3, 0)
    browser.wait_for(f"{LINES} === 304")


def test_the_last_words_lead_to_the_whole_transcripts(browser: Chromium, address: str) -> None:
    assert "I have scissors" in browser.evaluate("document.querySelector('#transcripts').innerText")
    browser.evaluate("document.querySelector('#transcripts a').click()")
    browser.wait_for("document.querySelectorAll('.match').length === 4")
    assert browser.evaluate("document.title").startswith("Naive RL with Greedy")
