"""A chat server on this machine, whose answers a test decides."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Behaviour = Callable[[BaseHTTPRequestHandler], None]


def sends(body: str, status: int = 200, **headers: str) -> Behaviour:
    """Answers with this body."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body.encode())))
        handler.end_headers()
        handler.wfile.write(body.encode())

    return behave


def says(text: Any, **more: Any) -> Behaviour:
    """Answers with a chat completion; `more` are further fields, such as `usage`."""
    return sends(json.dumps({"choices": [{"message": {"content": text}}], **more}))


def fails(status: int, message: str = "no", **headers: str) -> Behaviour:
    """Answers with an error, as most servers write it."""
    return sends(json.dumps({"error": {"message": message}}), status, **headers)


class ReplyingServer:
    """Speaks the OpenAI chat-completions protocol.

    `reply` says what to answer to a user's turn; or else requests are met by the `behaviours` one after
    the other, and by the last for ever. `asked` holds the bodies of all requests, `keys` their keys.
    """

    def __init__(self, reply: Callable[[str], str] | None = None) -> None:
        self.behaviours: list[Behaviour] = [sends('{"data": []}')]
        self.asked: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.at_once = self.most_at_once = 0
        lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    server.asked.append(asked)
                    server.keys.add(self.headers["Authorization"])
                    place = min(len(server.asked), len(server.behaviours)) - 1
                    behave = server.behaviours[place]
                    server.at_once += 1
                    server.most_at_once = max(server.most_at_once, server.at_once)
                if reply is not None:
                    behave = says(reply(asked["messages"][-1]["content"]))
                try:
                    behave(self)
                finally:
                    with lock:
                        server.at_once -= 1

            def do_GET(self) -> None:
                if reply is None:
                    server.asked.append({"path": self.path})
                server.behaviours[0](self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def does(self, *behaviours: Behaviour) -> None:
        """From now on, and with the count of requests from the start."""
        self.behaviours, self.asked = list(behaviours), []

    def player(self, **changes: Any) -> dict[str, Any]:
        """The entry of a config for a player behind it."""
        return player_entry(base_url=self.url, **changes)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def player_entry(**changes: Any) -> dict[str, Any]:
    """An entry of `api_players`."""
    return {
        **{"name": "remote", "model": "m", "key_variable": None, "max_new_tokens": 5},
        **{"timeout": 30, "retries": 0, "attempts": 0, "concurrency": 4},
        **changes,
    }
