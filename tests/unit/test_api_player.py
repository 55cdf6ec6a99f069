"""The player behind a server: what it sends, what it keeps, and how it bears a server that fails."""

import json
import logging
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from social_dilemmas.agents.api import server as chat_server
from social_dilemmas.agents.api.player import ApiPlayer, api_player, ask_again
from social_dilemmas.agents.human.form import form_in_words
from social_dilemmas.agents.play import play
from social_dilemmas.agents.scripted.player import scripted_player
from social_dilemmas.errors import UserError
from social_dilemmas.games import build_game
from social_dilemmas.games.game import Match
from social_dilemmas.games.grammar import Choice, Grammar, Literal, Text

KEY = "sk-very-secret-0123456789"
VARIABLE = "KEY_OF_A_TEST"
ANSWER = {
    "choices": [{"message": {"role": "assistant", "content": "<A>"}}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 2},
}


class Server:
    """A server whose answers are scripted: the behaviours one after the other, the last for ever."""

    def __init__(self) -> None:
        self.behaviours: list[Callable[[BaseHTTPRequestHandler], None]] = [says("<A>")]
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.at_once = self.most_at_once = 0
        lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                with lock:
                    server.requests.append(json.loads(self.rfile.read(length)))
                    server.keys.append(self.headers["Authorization"])
                    last = len(server.behaviours) - 1
                    behave = server.behaviours[min(len(server.requests) - 1, last)]
                    server.at_once += 1
                    server.most_at_once = max(server.most_at_once, server.at_once)
                try:
                    behave(self)
                finally:
                    with lock:
                        server.at_once -= 1

            def do_GET(self) -> None:
                server.requests.append({"path": self.path})
                server.behaviours[0](self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def does(self, *behaviours: Callable[[BaseHTTPRequestHandler], None]) -> None:
        """From now on, and with the count of requests from the start."""
        self.behaviours, self.requests = list(behaviours), []


def sends(body: str, status: int = 200, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body.encode())))
        handler.end_headers()
        handler.wfile.write(body.encode())

    return behave


def says(text: str | None, **more: Any) -> Callable[[BaseHTTPRequestHandler], None]:
    return sends(json.dumps({**ANSWER, "choices": [{"message": {"content": text}}], **more}))


def fails(status: int, message: str = "no", **headers: str) -> Callable[..., None]:
    return sends(json.dumps({"error": {"message": message}}), status, **headers)


def hangs_up(handler: BaseHTTPRequestHandler) -> None:
    """Dies in the midst of its answer."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)


def stalls(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(1)


def drips(handler: BaseHTTPRequestHandler) -> None:
    """Sends something all the time, but comes to no end."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(20):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    monkeypatch.setattr(chat_server, "FIRST_WAIT", 0.0)


def entry(url: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": "remote",
        "model": "some-model",
        "base_url": url,
        "key_variable": VARIABLE,
        "temperature": 0.5,
        "max_new_tokens": 20,
        "timeout": 5.0,
        "retries": 2,
        "attempts": 2,
        "concurrency": 4,
        "prompt_price": 2.0,
        "completion_price": 10.0,
        "extra": {},
        **changes,
    }


class Make:
    """Makes players of this server, all with one cache."""

    def __init__(self, server: Server, cache: Path) -> None:
        self.server = server
        self.cache = cache

    def __call__(self, **changes: Any) -> ApiPlayer:
        return api_player(entry(self.server.url, **changes), self.cache)


@pytest.fixture
def make(server: Server, tmp_path: Path) -> Make:
    return Make(server, tmp_path / "cache" / "remote.sqlite")


def dilemmas(count: int = 1, rounds: int = 1, first_seed: int = 0) -> list[Match]:
    game = build_game("prisoners_dilemma", rounds)
    return [game.start(first_seed + index) for index in range(count)]


def meet(player: ApiPlayer, matches: list[Match], other: str = "always_b") -> list[Match]:
    opponent = scripted_player("prisoners_dilemma", other)
    play(matches, [(player, opponent)] * len(matches))
    return matches


def actions(matches: list[Match]) -> list[list[str]]:
    return [[finished.actions[0] for finished in match.history] for match in matches]


def complaint(player: ApiPlayer, matches: list[Match] | None = None) -> str:
    with pytest.raises(UserError) as caught:
        meet(player, matches or dilemmas())
    said = "".join(traceback.format_exception(caught.value))
    assert KEY not in said
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.startswith("api_players[remote]: the server (http://127.0.0.1")
    return sentence


def test_prompts_are_user_turns_and_replies_assistant_turns(make: Make) -> None:
    make.server.behaviours = [says("<A>"), says(" <B>\n")]
    (match,) = meet(make(extra={"top_p": 0.9}), dilemmas(rounds=3))
    assert actions([match]) == [["A", "B", "B"]]
    assert match.invalid == [0, 0]
    last = make.server.requests[-1]
    roles = [message["role"] for message in last["messages"]]
    assert roles == ["user", "assistant", "user", "assistant", "user"]
    texts = [message["content"] for message in last["messages"]]
    assert texts[0].startswith("You meet one other player")
    assert texts[1:] == [
        "<A>",
        "The other player chose <B>.",
        " <B>\n",
        "The other player chose <B>.",
    ]
    del last["messages"]
    assert last == {
        "model": "some-model",
        "temperature": 0.5,
        "max_tokens": 20,
        "top_p": 0.9,
    }
    assert set(make.server.keys) == {f"Bearer {KEY}"}


def test_what_is_null_is_left_to_the_server(make: Make) -> None:
    meet(make(temperature=None, max_new_tokens=None), dilemmas())
    assert make.server.requests[0].keys() == {"model", "messages"}


def test_every_seat_of_every_match_has_its_own_conversation(make: Make) -> None:
    player = make()
    matches = dilemmas(3, rounds=2)
    play(matches, [(player, player)] * 3)
    assert len(make.server.requests) == 12
    assert sorted(len(request["messages"]) for request in make.server.requests) == [1] * 6 + [3] * 6


def test_an_invalid_reply_is_asked_for_again_outside_of_the_conversation(make: Make) -> None:
    make.server.behaviours = [says("I cooperate"), says("<B>"), says("<A>")]
    player = make()
    (match,) = meet(player, dilemmas(rounds=2))
    assert match.invalid == [0, 0]
    assert actions([match]) == [["B", "A"]]
    _, again, following = make.server.requests
    assert [message["content"] for message in again["messages"][1:]] == [
        "I cooperate",
        "That is not a valid reply: reply with <A> or <B>, and nothing else.",
    ]
    assert [message["content"] for message in following["messages"][1:]] == [
        "<B>",
        "The other player chose <B>.",
    ]
    assert player.usage.invalid_replies == 1


@pytest.mark.parametrize("text", ["B", "", None, "<A><B>", "\ud800"])
@pytest.mark.parametrize("attempts", [0, 2])
def test_invalid_replies_for_ever_are_counted_forfeits(
    make: Make, text: str | None, attempts: int
) -> None:
    make.server.behaviours = [says(text)]
    player = make(attempts=attempts)
    (match,) = meet(player, dilemmas(rounds=2))
    assert match.invalid == [2, 0]
    assert actions([match]) == [["A", "A"]]
    assert len(make.server.requests) == 2 * (attempts + 1) == player.usage.requests
    assert player.usage.invalid_replies == 2 * (attempts + 1)
    for request in make.server.requests:  # some servers refuse turns without text
        assert all(message["content"].strip() for message in request["messages"])


def test_a_rerun_costs_nothing(make: Make) -> None:
    make.server.behaviours = [says("nonsense"), says("<B>"), says("<A>")]
    first = make()
    played = actions(meet(first, dilemmas(3, rounds=4)))
    cost = 13 * (10 * 2 + 2 * 10) / 1e6
    assert first.usage.cost == first.usage.cost_now == pytest.approx(cost)
    make.server.close()
    again = make()
    assert actions(meet(again, dilemmas(3, rounds=4))) == played
    assert again.usage.requests == 0
    assert again.usage.cached_responses == 13
    assert again.usage.cost == pytest.approx(cost)
    assert again.usage.cost_now == 0


def test_matches_that_are_played_again_cost_nothing(make: Make) -> None:
    make.server.behaviours = [says(f"<{action}>") for action in "ABBA"]
    player = make()
    group = [dilemmas()[0] for _ in range(2)]  # of one seed
    played = actions(meet(player, group))
    player.begin_again(group[0].seed, 0)
    again = [dilemmas()[0] for _ in range(2)]
    assert actions(meet(player, again)) == played
    assert len(make.server.requests) == 2


def test_matches_of_a_group_keep_their_own_responses(make: Make) -> None:
    """They share the seed, so that they ask the very same."""
    twins = [build_game("prisoners_dilemma", 2).start(7) for _ in range(4)]
    make.server.behaviours = [says(f"<{action}>") for action in "ABABABAB"]
    played = actions(meet(make(), twins))
    assert {action for line in played for action in line} == {"A", "B"}
    make.server.does(says("<B>"))
    twins = [build_game("prisoners_dilemma", 2).start(7) for _ in range(4)]
    assert actions(meet(make(), twins)) == played
    assert make.server.requests == []


@pytest.mark.parametrize(
    "changes",
    [{"model": "other"}, {"temperature": 0.6}, {"max_new_tokens": 21}, {"extra": {"top_p": 0.5}}],
    ids=lambda changes: next(iter(changes)),
)
def test_other_settings_are_asked_anew(make: Make, changes: dict[str, Any]) -> None:
    meet(make(), dilemmas())
    meet(make(concurrency=1, timeout=3, retries=0), dilemmas())
    assert len(make.server.requests) == 1
    meet(make(**changes), dilemmas())
    assert len(make.server.requests) == 2


@pytest.mark.parametrize("wanted", [1, 3])
def test_requests_at_the_same_time_are_bounded(make: Make, wanted: int) -> None:
    together = threading.Barrier(wanted)

    def waits_for_others(handler: BaseHTTPRequestHandler) -> None:
        together.wait(timeout=5)
        says("<A>")(handler)

    make.server.behaviours = [waits_for_others]
    assert meet(make(concurrency=wanted), dilemmas(6))[-1].finished
    assert make.server.most_at_once == wanted


@pytest.mark.parametrize(
    ("trouble", "problem"),
    [
        (fails(500, "overloaded"), "answers with status 500 (overloaded)"),
        (fails(429, "too fast", Retry_After="0"), "answers with status 429 (too fast)"),
        (hangs_up, "can't be reached"),
        (stalls, "doesn't answer within 0.2 seconds"),
        (drips, "doesn't answer within 0.2 seconds"),
    ],
    ids=["status 500", "status 429", "dies", "stalls", "drips"],
)
def test_what_may_pass_is_tried_again_a_bounded_number_of_times(
    make: Make, trouble: Callable[[BaseHTTPRequestHandler], None], problem: str
) -> None:
    player = make(timeout=0.2, retries=2)
    make.server.does(trouble, trouble, says("<B>"))
    assert actions(meet(player, dilemmas())) == [["B"]]
    assert len(make.server.requests) == 3 == player.usage.requests

    make.server.does(trouble)
    sentence = complaint(player, dilemmas(first_seed=1))
    assert problem in sentence
    assert "also when asked again 2 times" in sentence
    assert len(make.server.requests) == 3


def test_the_wait_doubles_up_to_a_cap_and_heeds_the_server(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    async def note(_: object, seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(chat_server.Connection, "_wait", note)
    monkeypatch.setattr(chat_server, "FIRST_WAIT", 1.0)
    make.server.behaviours = [fails(503)] * 7 + [
        fails(429, Retry_After="7"),
        fails(429, Retry_After="9999"),
        says("<A>"),
    ]
    complaint(make(retries=6))
    assert waits == [1, 2, 4, 8, 16, 30]
    waits.clear()
    meet(make(retries=6), dilemmas())
    assert waits == [7, 30]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("<html>busy</html>", "something that isn't JSON: '<html>busy</html>'"),
        ('{"choices": [', "something that isn't JSON"),
        ("", "something that isn't JSON: ''"),
        ("[" * 100_000, "something that isn't JSON"),
        ("[]", "something that isn't a chat completion: []"),
        ("null", "something that isn't a chat completion: null"),
        ('{"error": "model is loading"}', "model is loading"),
        ('{"choices": []}', "something that isn't a chat completion"),
        ('{"choices": [{"text": "<A>"}]}', "something that isn't a chat completion"),
        ('{"choices": [{"message": "<A>"}]}', "something that isn't a chat completion"),
        ('{"choices": [{"message": {"content": 5}}]}', "something that isn't a chat completion"),
    ],
)
def test_a_server_that_lies_is_not_asked_again(make: Make, body: str, problem: str) -> None:
    make.server.behaviours = [sends(body)]
    sentence = complaint(make())
    assert problem in sentence
    assert len(sentence) < 600
    assert len(make.server.requests) == 1


@pytest.mark.parametrize("usage", [None, [], {"prompt_tokens": "many"}, {"prompt_tokens": -1}])
def test_a_wrong_count_of_tokens_is_no_count(make: Make, usage: Any) -> None:
    make.server.behaviours = [says("<A>", usage=usage)]
    player = make()
    meet(player, dilemmas())
    assert (player.usage.prompt_tokens, player.usage.completion_tokens) == (0, 0)


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        (401, f"doesn't accept the key in {VARIABLE} (status 401: no)"),
        (403, f"doesn't accept the key in {VARIABLE} (status 403: no)"),
        (400, "answers with status 400 (no)"),
        (404, "answers with status 404 (no)"),
    ],
)
def test_a_refusal_is_final_for_all_matches(make: Make, status: int, problem: str) -> None:
    make.server.behaviours = [fails(status)]
    assert problem in complaint(make(concurrency=1), dilemmas(5))
    assert len(make.server.requests) == 1


def test_after_a_crash_all_that_was_answered_is_kept(make: Make) -> None:
    make.server.behaviours = [says("<B>")] * 7 + [hangs_up]
    player = make(concurrency=2)
    sentence = complaint(player, dilemmas(4, rounds=3))
    assert "its responses so far (7) are kept in" in sentence
    assert str(make.cache) in sentence
    make.server.does(says("<B>"))
    matches = meet(make(), dilemmas(4, rounds=3))
    assert actions(matches) == [["B"] * 3] * 4
    assert len(make.server.requests) == 12 - 7


def test_what_is_on_its_way_when_another_request_fails_is_kept(make: Make) -> None:
    failed = threading.Event()

    def refuses(handler: BaseHTTPRequestHandler) -> None:
        fails(401)(handler)
        failed.set()

    def answers_later(handler: BaseHTTPRequestHandler) -> None:
        failed.wait(5)
        time.sleep(0.1)
        says("<A>")(handler)

    make.server.behaviours = [answers_later, refuses]
    assert "its responses so far (1)" in complaint(make(concurrency=2), dilemmas(2))


def test_the_key_shows_nowhere(
    make: Make, caplog: pytest.LogCaptureFixture, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    player = make()
    make.server.behaviours = [says(f"<A> {KEY}"), says("<A>")]
    meet(player, dilemmas())
    for trouble in (fails(401, f"wrong key {KEY}"), fails(500, KEY), sends(f"not JSON {KEY}")):
        make.server.does(trouble)
        complaint(player, dilemmas(first_seed=1))
    make.server.does(sends(json.dumps({"choices": [KEY]})))
    assert "[key]" in complaint(player, dilemmas(first_seed=1))
    player.write_usage(tmp_path / "usage.json")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert make.cache in files
    for path in files:
        assert KEY.encode() not in path.read_bytes()
    shown = capfd.readouterr()
    assert KEY not in caplog.text + shown.out + shown.err + repr(player) + str(player.usage)


@pytest.mark.parametrize("value", [None, "", "  "])
def test_without_its_key_a_player_can_not_be_made(
    make: Make, value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value is None:
        monkeypatch.delenv(VARIABLE)
    else:
        monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(UserError, match=f"the environment variable {VARIABLE} must hold"):
        make()
    assert not make.cache.exists()


def test_a_key_that_can_be_none_is_not_shown(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, f"{KEY}\n{KEY}")
    with pytest.raises(UserError, match="characters that no key can have") as caught:
        make()
    assert KEY not in str(caught.value)


def test_a_server_without_a_key_is_sent_none(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv(VARIABLE)
    meet(make(key_variable=None), dilemmas())
    assert make.server.keys == ["Bearer none"]
    make.server.does(fails(401))
    assert "doesn't accept requests without a key" in complaint(
        make(key_variable=None), dilemmas(first_seed=1)
    )


@pytest.mark.parametrize("answer", [sends('{"data": []}'), fails(404), fails(500)])
def test_a_server_that_answers_is_reachable(
    make: Make, answer: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    make.server.behaviours = [answer]
    make().check_reachable()
    assert make.server.requests == [{"path": "/v1/models"}]


def test_a_server_that_refuses_the_key_is_not(make: Make) -> None:
    make.server.behaviours = [fails(401, KEY)]
    with pytest.raises(UserError, match=f"doesn't accept the key in {VARIABLE}") as caught:
        make().check_reachable()
    assert KEY not in str(caught.value)
    assert len(make.server.requests) == 1


def test_nobody_is_there(make: Make) -> None:
    make.server.close()
    with pytest.raises(UserError, match=r"can't be reached \(.*also when asked again 1 time"):
        make(retries=1).check_reachable()


def test_usage_is_written(make: Make, tmp_path: Path) -> None:
    player = make(prompt_price=None, completion_price=None)
    meet(player, dilemmas(2))
    player.write_usage(tmp_path / "usage.json")
    assert json.loads((tmp_path / "usage.json").read_text()) == {
        "name": "remote",
        "model": "some-model",
        "requests": 2,
        "cached_responses": 0,
        "invalid_replies": 0,
        "prompt_tokens": 20,
        "completion_tokens": 4,
        "cost": None,
        "cost_now": None,
    }


@pytest.mark.parametrize("there", ["a folder", "another file", "nothing can be"])
def test_a_cache_that_can_not_be_used(make: Make, there: str) -> None:
    make.cache.parent.mkdir()
    if there == "a folder":
        make.cache.mkdir()
    elif there == "another file":
        make.cache.write_text("These are no responses at all, but some other text. " * 100)
    else:
        make.cache.parent.rmdir()
        make.cache.parent.write_text("")
    with pytest.raises(UserError, match="can't be used as a cache of responses"):
        make()


def test_finished_matches_are_forgotten(make: Make) -> None:
    player = make()
    meet(player, dilemmas(3))
    assert len(player._conversations) == 0


@pytest.mark.parametrize(
    ("grammar", "words"),
    [
        (Grammar((Choice("action", ("A", "B")),)), "<A> or <B>"),
        (Grammar((Choice("move", ("left", "up", "right")),)), "<left>, <up> or <right>"),
        (
            Grammar((Choice("coins", tuple(map(str, range(11))), "<", " coins>"),)),
            "<n coins>, where n is a whole number from 0 to 10",
        ),
        (
            Grammar(
                tuple(Choice(kind, ("0", "1", "2"), "<", f" {kind}>") for kind in ("hats", "balls"))
            ),
            "<n hats><n balls>, where n is a whole number from 0 to 2",
        ),
        (
            Grammar((Literal("<message>"), Text("message", 50), Literal("</message>"))),
            "<message>...</message>, where ... is a text of 1 to 50 characters",
        ),
        (
            Grammar((Literal("go "), Choice("way", ("up", "down")))),
            "go <way>, where way is up or down",
        ),
        (Grammar((Literal("yes"),)), "yes"),
    ],
)
def test_grammars_in_words(grammar: Grammar, words: str) -> None:
    assert form_in_words(grammar) == words
    assert words in ask_again(grammar)
