"""A vLLM server of the job's own: in another environment, on 127.0.0.1, behind a key; it never outlives the job."""

import json
import logging
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx

from social_dilemmas.backends.vllm import launch as vllm_launch
from social_dilemmas.config.schema import Vllm
from social_dilemmas.errors import UserError
from social_dilemmas.run.launch import free_port
from social_dilemmas.run.progress import duration

if TYPE_CHECKING:  # the server imports it by its name; the fingerprint of the code finds it here
    from social_dilemmas.backends.vllm import masks  # noqa: F401

logger = logging.getLogger(__name__)
SCRIPTS = Path(__file__).resolve().parents[3]
OWN_ENVIRONMENT = SCRIPTS.parents[1] / ".venv-vllm" / "bin" / "python"  # made by `make vllm`
BASE = "base"  # the served name of the model without an adapter
PROCESSOR = "social_dilemmas.backends.vllm.masks:ReplyMasks"
LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # values that vLLM takes for --max-lora-rank
CONCURRENCY = 256  # most requests at the same time
FAREWELL = 20.0  # seconds that a server may take to end
NEWS = 15.0  # seconds from one line about the start to the next
ENVIRONMENT = {
    "PYTHONPATH": str(SCRIPTS),
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
    "VLLM_USE_V2_MODEL_RUNNER": "0",  # its logits processors have another interface
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",  # all that it needs is in the model's directory
}
CPU_ENVIRONMENT = {
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # the job's own threads; jobs share the machine
    "TORCH_COMPILE_DISABLE": "1",  # compiling takes longer than it saves
}


class ServerLostError(Exception):
    """The server has ended or doesn't answer any more; the message continues "the vLLM server"."""


class Completion(NamedTuple):
    """Sampled tokens, the last of which ended the reply, and their processed log-probabilities."""

    tokens: list[int]
    log_probabilities: list[float]


class VllmServer:
    """A server, to be started with `start`.

    Attributes:
        log: file that takes all that it prints.
        context: most tokens of a conversation, once it has started.
        starts: how many times it was started.
    """

    def __init__(
        self,
        model: Path,
        settings: Vllm,
        log: Path,
        *,
        device: str,
        dtype: str,
        adapters: int,
        rank: int,
        reply_masks: Mapping[str, Any],
    ) -> None:
        """Prepare a server of the model in that directory; raises UserError if vLLM isn't installed.

        `device` (`cpu`, `cuda:0`) and `dtype` (`bfloat16`) are the trainer's. At most `adapters` adapters, whose ranks
        are at most `rank`, are loaded at a time. `reply_masks` are the `game`'s entry in the config and the
        `fingerprint` of its token masks.
        """
        self.log = log
        self.context = 0
        self.starts = 0
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        key = secrets.token_hex(16)
        self.client = httpx.Client(
            headers={"Authorization": f"Bearer {key}"},
            timeout=settings.request_timeout,
            # Connections aren't kept: the server may close an idle one just when a request is sent.
            limits=httpx.Limits(max_connections=CONCURRENCY, max_keepalive_connections=0),
            trust_env=False,  # no proxy
        )
        self._environment = {"VLLM_API_KEY": key, **ENVIRONMENT}
        flags = ["--enable-lora", "--enable-prefix-caching"]
        options: dict[str, Any] = {
            "--model": model.resolve(),
            "--served-model-name": BASE,
            "--host": "127.0.0.1",
            "--dtype": dtype,
            "--generation-config": "vllm",  # not the model's own defaults, such as top-p
            "--logprobs-mode": "processed_logprobs",
            "--logits-processors": PROCESSOR,
            "--additional-config": json.dumps({"reply_masks": reply_masks}),
            # One slot more than adapters: with all of them taken, rows without an adapter would get some adapter.
            "--max-loras": adapters + 1,
            "--max-lora-rank": next(each for each in LORA_RANKS if each >= rank),
            "--uvicorn-log-level": "warning",
        }
        if settings.context:
            options["--max-model-len"] = settings.context
        if device == "cpu":
            self._environment |= CPU_ENVIRONMENT
            flags.append("--enforce-eager")
            options["--block-size"] = 32
        else:
            self._environment["CUDA_VISIBLE_DEVICES"] = visible_device(device)
            options["--gpu-memory-utilization"] = settings.memory_share
        self._command = [find_python(settings.python), "-m", vllm_launch.__name__, *flags]
        self._command += [str(part) for option in options.items() for part in option]

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, and wait until it is ready; raises UserError if it ends meanwhile, or takes too long."""
        self.stop()
        self.starts += 1
        self.log.parent.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self.client.base_url = f"http://127.0.0.1:{port}"
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [*self._command, "--port", str(port)],
                env=os.environ | self._environment,
                stdin=subprocess.PIPE,  # held open: the server ends when it is closed
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._wait_until_ready()
        self.context = int(self._ask("GET", "/v1/models").json()["data"][0]["max_model_len"])

    def stop(self) -> None:
        """End it for good, with all processes that it has started."""
        process, self._process = self._process, None
        if process is None:
            return
        for number, patience in ((signal.SIGTERM, FAREWELL), (signal.SIGKILL, None)):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(patience)
        assert process.stdin is not None
        process.stdin.close()

    def load_adapter(self, name: str, path: Path) -> None:
        """Serve an adapter, a PEFT directory that must stay there as long as it is served; raises as `complete`."""
        body = {"lora_name": name, "lora_path": str(path.resolve())}
        self._ask("POST", "/v1/load_lora_adapter", body)

    def unload_adapter(self, name: str) -> None:
        """Stop serving an adapter; raises as `complete`."""
        self._ask("POST", "/v1/unload_lora_adapter", {"lora_name": name})

    def complete(self, requests: Sequence[Mapping[str, Any]]) -> list[Completion]:
        """Answers to completion requests, all sent at once; one that fails is sent a second time.

        Raises ServerLostError if the server has gone, UserError if it refuses a request.
        """
        if not requests:
            return []
        with ThreadPoolExecutor(min(len(requests), CONCURRENCY)) as threads:
            return list(threads.map(self._complete, requests))

    def _complete(self, request: Mapping[str, Any]) -> Completion:
        body = {**request, "return_token_ids": True}
        choice = self._ask("POST", "/v1/completions", body, attempts=2).json()["choices"][0]
        if choice["finish_reason"] != "stop":
            raise UserError(
                f"a conversation has reached the vLLM server's limit of {self.context} tokens; raise "
                "training.vllm.context, or lower training.max_new_tokens"
            )
        return Completion(choice["token_ids"], choice["logprobs"]["token_logprobs"])

    def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, attempts: int = 1
    ) -> httpx.Response:
        """An answer to a request, which is sent so many times if there is none; raises as `complete`."""
        problem = ""
        for _ in range(attempts):
            try:
                response = self.client.request(method, path, json=body)
                if response.is_client_error:
                    status = f"status {response.status_code}: {shorten(response.text, 200)}"
                    raise UserError(f"the vLLM server refuses a request ({status}), see {self.log}")
                return response.raise_for_status()
            except httpx.TimeoutException:
                problem = f"doesn't answer within {self._settings.request_timeout:g} seconds"
            except httpx.HTTPError as error:
                problem = f"fails ({type(error).__name__}: {shorten(str(error), 200)})"
        raise ServerLostError(problem if self.running else "has ended")

    def _wait_until_ready(self) -> None:
        begin, news = time.monotonic(), NEWS
        timeout = self._settings.start_timeout
        logger.info("vLLM server: starting, its log is %s", self.log)
        while not self._ready():
            problem, waited = "", time.monotonic() - begin
            if not self.running:
                problem = f"ended while it was starting{last_error(self.log)},"
            elif waited > timeout:
                raised = "raise training.vllm.start_timeout"
                problem = f"wasn't ready after {timeout:g} seconds; {raised}, or"
            if problem:
                self.stop()
                raise UserError(f"the vLLM server {problem} see its log {self.log}")
            if waited > news:
                news += NEWS
                logger.info("vLLM server: still starting after %s", duration(waited))
            time.sleep(0.25)
        logger.info("vLLM server: ready after %s", duration(time.monotonic() - begin))

    def _ready(self) -> bool:
        with suppress(httpx.HTTPError):
            return self.client.get("/health", timeout=5).is_success
        return False


def find_python(chosen: str | None) -> str:
    """The interpreter that runs the server: the one chosen, the job's own if it has vLLM, or that of `make vllm`.

    Raises UserError if it isn't there, or has no vLLM.
    """
    if chosen is None and find_spec("vllm") is not None:
        return sys.executable
    python = Path(chosen).expanduser() if chosen else OWN_ENVIRONMENT
    test = "import importlib.util, sys; sys.exit(importlib.util.find_spec('vllm') is None)"
    with suppress(OSError):
        if subprocess.run([python, "-c", test], check=False, capture_output=True).returncode == 0:
            return str(python)
    if chosen:
        raise UserError(f"training.vllm.python: {chosen} is no interpreter with vLLM installed")
    raise UserError(
        "training.sampler is vllm, but vLLM isn't installed: call `make vllm`, or start snakemake with --use-conda, "
        "or name an interpreter that has it in training.vllm.python"
    )


def visible_device(device: str) -> str:
    """CUDA_VISIBLE_DEVICES of a child process that gets only this GPU of this process's."""
    index = int(device.partition(":")[2] or 0)
    ours = [each for each in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if each]
    return ours[index] if index < len(ours) else str(index)


def last_error(log: Path) -> str:
    """The last line of a log that names an error, in brackets; empty if there is none."""
    errors: list[str] = re.findall(r"\b\w*Error: .+", log.read_text(errors="replace"))
    return f" ({shorten(errors[-1], 200)})" if errors else ""
