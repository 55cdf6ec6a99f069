"""The player behind a server: what it sends, what it keeps, and how it bears a server that fails."""

import asyncio
import gc
import json
import logging
import socket
import sqlite3
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.unit.replying_server import Behaviour, ReplyingServer, fails, says, sends

from social_dilemmas.agents.api.player import ApiPlayer, ask_again
from social_dilemmas.agents.human.form import form_in_words
from social_dilemmas.agents.play import play
from social_dilemmas.agents.scripted.player import scripted_player
from social_dilemmas.agents.slips import one_slip
from social_dilemmas.config.schema.players import ApiPlayer as ApiSettings
from social_dilemmas.errors import UserError
from social_dilemmas.games import build_game
from social_dilemmas.games.game import Match
from social_dilemmas.games.grammar import Choice, Grammar, Literal, Text

KEY = "sk-very-secret-0123456789"
VARIABLE = "KEY_OF_A_TEST"
TOKENS = {"prompt_tokens": 10, "completion_tokens": 2}


def begins(handler: BaseHTTPRequestHandler) -> None:
    """Promises a long answer."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()


def hangs_up(handler: BaseHTTPRequestHandler) -> None:
    """Dies in the middle of its answer."""
    begins(handler)
    handler.wfile.write(b'{"choices": [')
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)


def stalls(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(1)


def drips(handler: BaseHTTPRequestHandler) -> None:
    """Always sends something, but never ends."""
    begins(handler)
    for _ in range(20):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)


class Make:
    """Makes players of one server, all with one cache."""

    def __init__(self, server: ReplyingServer, cache: Path) -> None:
        self.server = server
        self.cache = cache

    def __call__(self, **changes: Any) -> ApiPlayer:
        usual = {"key_variable": VARIABLE, "timeout": 5.0, "retries": 2, "attempts": 2}
        return ApiPlayer(ApiSettings(**self.server.player(**usual | changes)), self.cache)


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    monkeypatch.setenv(VARIABLE, KEY)
    with ReplyingServer() as server:
        server.does(says("<A>"))
        yield Make(server, tmp_path / "cache" / "remote.sqlite")


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the client waits before its retries, which takes no time."""
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(anyio, "sleep", wait)
    return waits


def dilemmas(count: int = 1, rounds: int = 1, first_seed: int = 0) -> list[Match]:
    game = build_game("prisoners_dilemma", rounds)
    return [game.start(first_seed + index) for index in range(count)]


def meet(player: ApiPlayer, matches: list[Match], other: str = "always_defect") -> list[Match]:
    opponent = scripted_player("prisoners_dilemma", other)
    play(matches, [(player, opponent)] * len(matches))
    return matches


def actions(matches: list[Match]) -> list[list[str]]:
    return [[finished.actions[0] for finished in match.history] for match in matches]


def contents(request: dict[str, Any]) -> list[str]:
    return [message["content"] for message in request["messages"]]


def complaint(player: ApiPlayer, matches: list[Match] | None = None) -> str:
    with pytest.raises(UserError) as caught:
        meet(player, matches or dilemmas())
    assert KEY not in "".join(traceback.format_exception(caught.value))
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.startswith("api_players[remote]: the server (http://127.0.0.1")
    return sentence


def test_prompts_are_user_turns_and_replies_assistant_turns(make: Make) -> None:
    make.server.does(says("<A>"), says(" <B>\n"))
    (match,) = meet(make(extra={"top_p": 0.9}), dilemmas(rounds=3))
    assert actions([match]) == [["A", "B", "B"]]
    assert match.invalid == [0, 0]
    last = make.server.asked[-1]
    roles = [message["role"] for message in last["messages"]]
    assert roles == ["user", "assistant", "user", "assistant", "user"]
    rules, *texts = contents(last)
    assert rules.startswith("You meet one other player")
    told = "The other player chose <B>."
    assert texts == ["<A>", told, " <B>\n", told]
    del last["messages"]
    assert last == {"model": "m", "temperature": 1.0, "max_tokens": 5, "top_p": 0.9}
    assert make.server.keys == {f"Bearer {KEY}"}


def test_a_slip_costs_no_request_and_is_what_the_player_remembers(make: Make) -> None:
    make.server.does(says("<A>"), says("<A>"))
    player, opponent = make(), scripted_player("prisoners_dilemma", "always_defect")
    match = dilemmas(rounds=3)[0]
    play([match], [(player, opponent)], slips=one_slip(1, opponent))
    assert actions([match]) == [["A", "B", "A"]]
    assert contents(make.server.asked[-1])[1::2] == ["<A>", "<B>"]
    assert len(make.server.asked) == 2


def test_what_is_null_is_left_to_the_server(make: Make) -> None:
    meet(make(temperature=None, max_new_tokens=None), dilemmas())
    assert make.server.asked[0].keys() == {"model", "messages"}


def test_every_seat_of_every_match_has_its_own_conversation(make: Make) -> None:
    player = make()
    play(dilemmas(3, rounds=2), [(player, player)] * 3)
    assert sorted(len(asked["messages"]) for asked in make.server.asked) == [1] * 6 + [3] * 6
    assert player.usage_record["cost"] is player.usage_record["cost_now"] is None  # no prices


def test_after_an_invalid_reply_it_is_asked_again_outside_the_conversation(make: Make) -> None:
    make.server.does(says("I cooperate"), says("<B>"), says("<A>"))
    player = make()
    (match,) = meet(player, dilemmas(rounds=2))
    assert match.invalid == [0, 0]
    assert actions([match]) == [["B", "A"]]
    _, again, following = make.server.asked
    assert contents(again)[1:] == [
        "I cooperate",
        "That is not a valid reply: reply with <A> or <B>, and nothing else.",
    ]
    assert contents(following)[1:] == ["<B>", "The other player chose <B>."]
    assert player.usage_record["invalid_replies"] == 1


@pytest.mark.parametrize("text", ["B", "", None, "<A><B>", "\ud800"])
@pytest.mark.parametrize("attempts", [0, 2])
def test_invalid_replies_for_ever_are_counted_forfeits(
    make: Make, text: str | None, attempts: int
) -> None:
    make.server.does(says(text))
    player = make(attempts=attempts)
    (match,) = meet(player, dilemmas(rounds=2))
    assert match.invalid == [2, 0]
    assert actions([match]) == [["A", "A"]]
    assert len(make.server.asked) == 2 * (attempts + 1) == player.usage_record["requests"]
    assert player.usage_record["invalid_replies"] == 2 * (attempts + 1)
    for asked in make.server.asked:  # some servers refuse turns without text
        assert all(content.strip() for content in contents(asked))


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


def test_a_wrong_count_of_tokens_is_no_count(make: Make) -> None:
    wrong: list[Any] = [None, [], {"prompt_tokens": "many"}, {"prompt_tokens": -1}]
    make.server.does(*(says("<A>", usage=usage) for usage in wrong))
    player = make()
    meet(player, dilemmas(len(wrong)))
    assert player.usage_record["requests"] == len(wrong)
    assert player.usage_record["prompt_tokens"] == player.usage_record["completion_tokens"] == 0


CUT_OFF = {"choices": [{"message": {"content": None}, "finish_reason": "length"}]}
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
    ("status", "error"),
    [
        (400, {"code": "content_filter", "message": "The response was filtered"}),
        (400, {"code": "context_length_exceeded", "message": "too much"}),
        (400, {"code": 400, "message": "This model's maximum context length is 512 tokens"}),
        (403, {"code": 403, "message": "Your input was flagged"}),
    ],
)
def test_a_refused_conversation_is_a_forfeit_and_not_the_end(
    make: Make, status: int, error: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    make.server.does(sends(json.dumps({"error": error}), status), says("<B>"))
    player = make()
    (match,) = meet(player, dilemmas(rounds=2))
    assert (match.invalid, actions([match])) == ([1, 0], [["A", "B"]])
    usage = player.usage_record
    assert (usage["requests"], usage["replies"], usage["forfeits"]) == (2, 2, 1)
    assert "1 of 1 replies are invalid, hence forfeits (the last: the server refuses" in caplog.text
    assert actions(meet(make(), dilemmas(rounds=2))) == [["A", "B"]]
    assert len(make.server.asked) == 2  # a rerun asks nothing


def test_with_too_many_forfeits_the_job_stops_and_says_what_the_server_does(make: Make) -> None:
    make.server.does(sends(json.dumps(CUT_OFF)))
    for asked in (24, 0):  # the first time, and from the cache
        make.server.asked.clear()
        with pytest.raises(UserError, match=r"24 of 24 replies are invalid.*cut off.*allows 0\.2"):
            meet(make(attempts=0), dilemmas(24))
        assert len(make.server.asked) == asked
    make.server.does(says("<A>"), *[says("<A>")] * 18, sends(json.dumps(CUT_OFF)))
    last = make(attempts=0, most_forfeits=0.05, concurrency=1)
    assert sum(match.invalid[0] for match in meet(last, dilemmas(20, first_seed=100))) == 1


def test_a_cache_without_endings_is_still_of_use(make: Make) -> None:
    meet(make(), dilemmas())
    with sqlite3.connect(make.cache) as database:
        database.execute("ALTER TABLE responses DROP COLUMN ending")
    meet(make(), dilemmas(2))
    assert len(make.server.asked) == 2


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "text", "text": "<B"}, {"type": "text", "text": ">"}],
        [{"type": "reasoning", "reasoning": "<A>?"}, {"type": "text", "text": "<B>"}],
        "<think>\nNot <A>.\n</think>\n\n<B>",
        "Not <A>.</think><B>",
    ],
)
def test_the_answer_is_found_among_parts_and_after_thoughts(make: Make, content: Any) -> None:
    make.server.does(says(content))
    (match,) = meet(make(), dilemmas(rounds=2))
    assert (match.invalid, actions([match])) == ([0, 0], [["B", "B"]])
    assert contents(make.server.asked[-1])[1].strip() == "<B>"


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


def test_the_key_appears_nowhere(
    make: Make, caplog: pytest.LogCaptureFixture, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    player = make()
    escaped = f'{{"choices": [{{"message": {{"content": "\\u0073{KEY[1:]}"}}}}]}}'
    make.server.does(says(f"<A> {KEY}"), sends(escaped), says("<A>"))
    meet(player, dilemmas())
    for trouble in (
        *(fails(401, f"wrong key {KEY}"), fails(500, KEY)),
        *(sends(f"not JSON {KEY}"), sends(json.dumps({"choices": [KEY]}))),
    ):
        make.server.does(trouble)
        assert "[key]" in complaint(player, dilemmas(first_seed=1))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert make.cache in files
    for path in files:
        assert KEY.encode() not in path.read_bytes()
    shown = capfd.readouterr()
    assert KEY not in caplog.text + shown.out + shown.err + repr(player) + str(player.usage_record)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, f"the environment variable {VARIABLE} must hold"),
        ("", "but it isn't set"),
        ("  ", "but it isn't set"),
        (f"{KEY}\n{KEY}", "characters that no key can have"),
    ],
)
def test_without_its_key_a_player_can_not_be_made(
    make: Make, value: str | None, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE)
    if value is not None:
        monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(UserError, match=problem) as caught:
        make()
    assert KEY not in str(caught.value)
    assert not make.cache.exists()


def test_a_server_without_a_key_is_sent_none(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv(VARIABLE)
    meet(make(key_variable=None), dilemmas())
    assert make.server.keys == {"Bearer none"}
    make.server.does(fails(401))
    sentence = complaint(make(key_variable=None), dilemmas(first_seed=1))
    assert "doesn't accept requests without a key" in sentence


@pytest.mark.parametrize("answer", [sends('{"data": []}'), *map(fails, (401, 403, 404, 500))])
def test_a_server_that_answers_is_reachable(make: Make, answer: Behaviour) -> None:
    make.server.does(answer)
    make(retries=0).check_reachable()
    assert make.server.asked == [{"path": "/v1/models"}]


def test_nobody_is_there(make: Make) -> None:
    make.server.close()
    with pytest.raises(UserError, match=r"can't be reached \(.*\), tried 2 times$"):
        make(retries=1).check_reachable()


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


def test_finished_matches_are_forgotten(make: Make) -> None:
    player = make()
    matches = weakref.WeakSet(meet(player, dilemmas(3)))
    gc.collect()
    assert not matches


NUMBERS = tuple(map(str, range(11)))
COINS, HATS, BALLS = (
    Choice(kind, NUMBERS, "<", f" {kind}>") for kind in ("coins", "hats", "balls")
)
MESSAGE = (Literal("<message>"), Text("message", 50), Literal("</message>"))


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([Choice("action", ("A", "B"))], "<A> or <B>"),
        ([Choice("move", ("left", "up", "right"))], "<left>, <up> or <right>"),
        ([COINS], "<n coins>, where n is a whole number from 0 to 10"),
        ([HATS, BALLS], "<n hats><n balls>, where n is a whole number from 0 to 10"),
        (MESSAGE, "<message>...</message>, where ... is a text of 1 to 50 characters"),
        ([Literal("go "), Choice("way", ("up", "down"))], "go <way>, where way is up or down"),
        ([Literal("yes")], "yes"),
    ],
)
def test_grammars_in_words(parts: list[Literal | Choice | Text], words: str) -> None:
    grammar = Grammar(tuple(parts))
    assert form_in_words(grammar) == words
    assert words in ask_again(grammar)
