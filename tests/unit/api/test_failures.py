"""Servers that fail: what is tried again, how long is waited, and what is final."""

import asyncio
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler

import anyio
import pytest
from tests.unit.api.calls import (
    VARIABLE,
    Make,
    actions,
    complaint,
    dilemmas,
    drips,
    hangs_up,
    meet,
    stalls,
)
from tests.unit.replying_server import Behaviour, fails, says, sends

from social_dilemmas.errors import UserError


@pytest.mark.parametrize("wanted", [1, 3])
def test_simultaneous_requests_are_bounded(make: Make, wanted: int) -> None:
    together = threading.Barrier(wanted)

    def waits_for_others(handler: BaseHTTPRequestHandler) -> None:
        together.wait(timeout=5)
        says("<A>")(handler)

    make.server.does(waits_for_others)
    assert meet(make(concurrency=wanted), dilemmas(6))[-1].finished
    assert make.server.most_at_once == wanted


@pytest.mark.parametrize(
    ("trouble", "problem"),
    [
        (fails(500, "overloaded"), "answers with status 500 (overloaded)"),
        (fails(429, "too fast"), "answers with status 429 (too fast)"),
        (hangs_up, "can't be reached"),
        (stalls, "doesn't answer within 0.5 seconds"),
        (drips, "doesn't answer within 0.5 seconds"),
    ],
    ids=["status 500", "status 429", "dies", "stalls", "drips"],
)
def test_what_may_pass_is_retried_a_bounded_number_of_times(
    make: Make, trouble: Behaviour, problem: str
) -> None:
    player = make(timeout=0.5)
    make.server.does(trouble, trouble, says("<B>"))
    assert actions(meet(player, dilemmas())) == [["B"]]
    assert len(make.server.asked) == 3 == player.usage_record["requests"]

    make.server.does(trouble)
    sentence = complaint(player, dilemmas(first_seed=1))
    assert problem in sentence
    assert "tried 3 times; its responses so far (1) are kept in" in sentence
    assert len(make.server.asked) == 3


def test_the_server_says_how_long_to_wait_unless_it_is_too_long(
    make: Make, waits: list[float]
) -> None:
    make.server.does(fails(429, Retry_After="7"), fails(429, "tomorrow", Retry_After="9999"))
    sentence = complaint(make())
    assert "answers with status 429 (tomorrow), tried 2 times;" in sentence
    assert waits == [7]


def test_the_server_may_say_until_when_to_wait(make: Make, waits: list[float]) -> None:
    make.server.does(fails(429, Retry_After=formatdate(time.time() + 60)), says("<A>"))
    meet(make(), dilemmas())
    assert 40 < waits[0] <= 60


OF_NO_CHAT = (
    *("<html>busy</html>", '{"choices": [', "", "[" * 100_000, "[]", "null"),
    *('{"error": "model is loading"}', '{"choices": []}', '{"choices": [{"text": "<A>"}]}'),
    *('{"choices": [{"message": "<A>"}]}', '{"choices": [{"message": {"content": 5}}]}'),
    '{"choices": [{"message": {"content": "<A>"}, "finish_reason": "error"}]}',
    '{"choices": [{"message": {"content": ""}, "error": {"message": "overloaded"}}]}',
)


@pytest.mark.parametrize(
    ("trouble", "problem"),
    [
        *((sends(body), f"that isn't a chat completion: {body}".strip()) for body in OF_NO_CHAT),
        *((fails(status), f"answers with status {status} (no)") for status in (408, 409, 425, 503)),
        (sends('{"error": {"code": 429, "message": "slow"}}'), "answers with status 429 (slow)"),
        (sends('{"choices": [{"error": {"code": "502"}}]}'), "answers with status 502"),
    ],
)
def test_what_is_no_answer_is_retried_whatever_its_status_and_never_kept(
    make: Make, trouble: Behaviour, problem: str, waits: list[float]
) -> None:
    make.server.does(trouble, trouble, says("<B>"))
    assert actions(meet(make(), dilemmas())) == [["B"]]
    assert len(waits) == 2
    make.server.does(trouble)
    sentence = complaint(make(concurrency=1), dilemmas(2, first_seed=1))
    assert problem[:80] in sentence
    assert "tried 3 times; its responses so far (1)" in sentence
    assert len(sentence) < 600
    assert len(make.server.asked) == 3


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (fails(401), f"doesn't accept the key in {VARIABLE} (status 401: no)"),
        (fails(403), f"doesn't accept the key in {VARIABLE} (status 403: no)"),
        (fails(400), "answers with status 400 (no)"),
        (fails(404), "answers with status 404 (no)"),
        (sends('{"error": {"code": 402, "message": "pay"}}'), "answers with status 402 (pay)"),
    ],
)
def test_a_refusal_is_final_for_all_matches(make: Make, answer: Behaviour, problem: str) -> None:
    make.server.does(answer)
    sentence = complaint(make(concurrency=1), dilemmas(5))
    assert problem in sentence
    assert "; its responses so far (0) are kept in" in sentence
    assert len(sentence) < 600
    assert len(make.server.asked) == 1


def test_a_request_that_waits_while_another_one_is_refused_is_not_sent_again(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = threading.Event()

    async def wait(_: float) -> None:
        await asyncio.to_thread(refused.wait, 5)
        await asyncio.sleep(0.2)

    def refuses(handler: BaseHTTPRequestHandler) -> None:
        fails(400)(handler)
        refused.set()

    monkeypatch.setattr(anyio, "sleep", wait)
    make.server.does(fails(500), refuses)
    assert "status 400" in complaint(make(), dilemmas(2))
    assert len(make.server.asked) == 2


@pytest.mark.parametrize("answer", [sends('{"data": []}'), *map(fails, (401, 403, 404, 500))])
def test_a_server_that_answers_is_reachable(make: Make, answer: Behaviour) -> None:
    make.server.does(answer)
    make(retries=0).check_reachable()
    assert make.server.asked == [{"path": "/v1/models"}]


def test_nobody_is_there(make: Make) -> None:
    make.server.close()
    with pytest.raises(UserError, match=r"can't be reached \(.*\), tried 2 times$"):
        make(retries=1).check_reachable()
