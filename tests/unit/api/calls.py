"""Servers that answer, stall or hang up, and matches against the player behind them."""

import socket
import time
import traceback
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from tests.unit.replying_server import ReplyingServer

from social_dilemmas.agents.api.player import ApiPlayer
from social_dilemmas.agents.play import play
from social_dilemmas.agents.scripted.player import scripted_player
from social_dilemmas.config.schema.players import ApiPlayer as ApiSettings
from social_dilemmas.errors import UserError
from social_dilemmas.games import build_game
from social_dilemmas.games.game import Match

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


CUT_OFF = {"choices": [{"message": {"content": None}, "finish_reason": "length"}]}
