"""Stands in for vLLM's API server: the same address, key and answers, but no model.

A test copies it to where the interpreter looks for vLLM. FAKE_VLLM in the environment says what goes wrong.
"""

import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import takewhile
from pathlib import Path
from typing import Any

trouble = os.environ.get("FAKE_VLLM", "")
adapters: dict[str, str] = {}
stalled: set[int] = set()  # seeds of requests that got no answer


def models() -> list[str]:
    """The names of the model, which stand before the next option, and of the adapters."""
    names = sys.argv[sys.argv.index("--served-model-name") + 1 :]
    return [*takewhile(lambda each: not each.startswith("--"), names), *adapters]


class Server(ThreadingHTTPServer):
    request_queue_size = 256  # connections that wait, as with vLLM


class Handler(BaseHTTPRequestHandler):
    def answer(self, status: int, body: Any = "") -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write((body if isinstance(body, str) else json.dumps(body)).encode())

    def do_GET(self) -> None:
        if self.path == "/health":
            self.answer(503 if trouble == "never ready" else 200)
        elif self.headers["Authorization"] != f"Bearer {os.environ['VLLM_API_KEY']}":
            self.answer(401, {"error": "no key"})
        else:
            time.sleep(3 if Path(__file__).with_name("busy").exists() else 0)
            self.answer(200, {"data": [{"id": each, "max_model_len": 512} for each in models()]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Authorization"] != f"Bearer {os.environ['VLLM_API_KEY']}":
            self.answer(401, {"error": "no key"})
        elif self.path == "/v1/completions":
            self.complete(body)
        elif "unload" not in self.path and body["lora_name"] in adapters:
            self.answer(400, {"error": f"{body['lora_name']} has already been loaded"})
        else:
            change = adapters.pop if "unload" in self.path else adapters.__setitem__
            change(body["lora_name"], body.get("lora_path"))
            self.answer(200, "Success")

    def complete(self, body: dict[str, Any]) -> None:
        seed = body["seed"]
        if trouble == "dies":
            os._exit(9)
        if trouble == "stalls" or (trouble == "stalls once" and seed not in stalled):
            stalled.add(seed)
            time.sleep(3)
        if body["model"] not in models():
            self.answer(404, {"error": {"message": f"no model {body['model']}"}})
            return
        logprobs = {"token_logprobs": [-0.5, float(-len(body["model"]))]}
        choice = {"finish_reason": "stop", "token_ids": [seed, len(body["prompt"])]}
        if trouble == "too long":
            choice["finish_reason"] = "length"
        self.answer(200, {"choices": [{**choice, "logprobs": logprobs}]})

    def log_message(self, *_: Any) -> None:
        pass


if __name__ == "__main__":
    if trouble == "no memory":
        raise RuntimeError("no memory for the key-value cache")
    engine = subprocess.Popen(["sleep", "1000"])  # vLLM computes in a process of its own
    print("processes", os.getpid(), engine.pid, flush=True)
    port = int(sys.argv[sys.argv.index("--port") + 1])
    Server(("127.0.0.1", port), Handler).serve_forever()
