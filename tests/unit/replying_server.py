"""A chat server on this machine that answers at once."""

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Self


class ReplyingServer:
    """Speaks the OpenAI chat-completions protocol; `reply` says what to answer to a user's turn.

    `asked` are the bodies of all requests.
    """

    def __init__(self, reply: Callable[[str], str]) -> None:
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
                last = json.loads(asked[-1])["messages"][-1]["content"]
                self._send(
                    {"choices": [{"message": {"role": "assistant", "content": reply(last)}}]}
                )

            def do_GET(self) -> None:
                self._send({"data": []})

            def log_message(self, *_: object) -> None:
                pass

            def _send(self, answer: Any) -> None:
                body = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.asked = asked
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def player(self, price: float | None = None) -> dict[str, Any]:
        """The entry of a config for a player behind it."""
        return {
            **{"name": "remote", "model": "m", "key_variable": None, "temperature": 1.0},
            **{"base_url": f"http://127.0.0.1:{self._server.server_address[1]}/v1"},
            **{"max_new_tokens": 5, "timeout": 30, "retries": 0, "attempts": 0, "concurrency": 4},
            **{"extra": {}, "prompt_price": price, "completion_price": price},
        }

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
