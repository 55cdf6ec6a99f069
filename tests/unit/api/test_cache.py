"""Responses of a server are kept: none is asked for twice, and none is lost."""

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from tests.unit.api.calls import TOKENS, Make, actions, complaint, dilemmas, hangs_up, meet
from tests.unit.replying_server import fails, says

from social_dilemmas.errors import UserError
from social_dilemmas.games.game import Match


def test_a_rerun_costs_nothing(make: Make) -> None:
    make.server.does(*(says(text, usage=TOKENS) for text in ("nonsense", "<B>", "<A>")))
    first, again = (make(prompt_price=2.0, completion_price=10.0) for _ in range(2))
    played = actions(meet(first, dilemmas(3, rounds=4)))
    cost = 13 * (10 * 2 + 2 * 10) / 1e6
    assert first.usage_record["cost"] == first.usage_record["cost_now"] == pytest.approx(cost)
    make.server.close()
    assert actions(meet(again, dilemmas(3, rounds=4))) == played
    assert again.usage_record == {
        **{"name": "remote", "model": "m", "requests": 0, "cached_responses": 13},
        **{"replies": 12, "invalid_replies": 1, "forfeits": 0},
        **{"prompt_tokens": 130, "completion_tokens": 26},
        **{"cost": pytest.approx(cost), "cost_now": 0},
    }


def test_matches_of_one_seed_have_responses_of_their_own_by_their_number(make: Make) -> None:
    """They send the very same requests, in this process or another, and once more when they are repeated."""

    def group() -> list[Match]:
        matches = [dilemmas(rounds=2, first_seed=7)[0] for _ in range(4)]
        for number, match in enumerate(matches):
            match.number = number
        return matches

    make.server.does(*(says(f"<{action}>") for action in "ABABABAB"))
    player = make()
    played = actions(meet(player, group()))
    assert {action for line in played for action in line} == {"A", "B"}
    make.server.does(says("<B>"))
    assert actions(meet(player, group())) == played
    assert actions(meet(make(), group()[2:])) == played[2:]
    assert make.server.asked == []


@pytest.mark.parametrize(
    "changes",
    [{"model": "other"}, {"temperature": 0.6}, {"max_new_tokens": 21}, {"extra": {"top_p": 0.5}}],
    ids=lambda changes: next(iter(changes)),
)
def test_with_other_settings_of_sampling_the_server_is_asked_anew(
    make: Make, changes: dict[str, Any]
) -> None:
    meet(make(), dilemmas())
    meet(make(concurrency=1, timeout=3, retries=0), dilemmas())
    assert len(make.server.asked) == 1
    meet(make(**changes), dilemmas())
    assert len(make.server.asked) == 2


def test_a_wrong_count_of_tokens_is_no_count(make: Make) -> None:
    wrong: list[Any] = [None, [], {"prompt_tokens": "many"}, {"prompt_tokens": -1}]
    make.server.does(*(says("<A>", usage=usage) for usage in wrong))
    player = make()
    meet(player, dilemmas(len(wrong)))
    assert player.usage_record["requests"] == len(wrong)
    assert player.usage_record["prompt_tokens"] == player.usage_record["completion_tokens"] == 0


def test_after_a_crash_all_that_was_answered_is_kept(make: Make) -> None:
    make.server.does(*[says("<B>")] * 7, hangs_up)
    sentence = complaint(make(concurrency=2), dilemmas(4, rounds=3))
    assert f"its responses so far (7) are kept in {make.cache}" in sentence
    make.server.does(says("<B>"))
    assert actions(meet(make(), dilemmas(4, rounds=3))) == [["B"] * 3] * 4
    assert len(make.server.asked) == 12 - 7


def test_what_is_on_its_way_when_another_request_fails_is_kept(make: Make) -> None:
    failed = threading.Event()

    def refuses(handler: BaseHTTPRequestHandler) -> None:
        fails(401)(handler)
        failed.set()

    def answers_later(handler: BaseHTTPRequestHandler) -> None:
        failed.wait(5)
        time.sleep(0.1)
        says("<A>")(handler)

    make.server.does(answers_later, refuses)
    assert "its responses so far (1)" in complaint(make(concurrency=2), dilemmas(2))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda cache: cache.mkdir(parents=True),
        lambda cache: cache.parent.write_text(""),
        lambda cache: (cache.parent.mkdir(), cache.write_text("These are no responses. " * 100)),
    ],
    ids=["a folder is there", "a file is where the folder should be", "another file is there"],
)
def test_a_cache_that_can_not_be_used(make: Make, spoil: Callable[[Path], None]) -> None:
    spoil(make.cache)
    with pytest.raises(UserError, match="can't be used as a cache of responses"):
        make()
