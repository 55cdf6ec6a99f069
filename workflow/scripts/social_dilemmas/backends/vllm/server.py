"""A vLLM server of a job's own: started, watched, asked and ended by it.

It runs in an environment of its own, on a port of this machine that only the holder of its key can use, and never
outlives the job.
"""

import http.client
import json
import logging
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from social_dilemmas.backends.vllm import launch as vllm_launch
from social_dilemmas.errors import UserError
from social_dilemmas.run.progress import duration

logger = logging.getLogger(__name__)
SCRIPTS = Path(__file__).resolve().parents[3]
OWN_ENVIRONMENT = SCRIPTS.parents[1] / ".venv-vllm" / "bin" / "python"  # made by `make vllm`
BASE = "base"  # the served name of the model without an adapter
RANKS = (
    1,
    8,
    16,
    32,
    64,
    128,
    256,
    320,
    512,
)  # the largest ranks of adapters that vLLM can be told
CPU_CACHE = 1  # GiB for the key-value cache where there is no GPU
CONCURRENCY = 256  # most requests at the same time
ATTEMPTS = 2  # times that a request is sent
FAREWELL = 20.0  # seconds that a server may take to end
NEWS = 15.0  # seconds from one line about the start to the next


class ServerLostError(Exception):
    """The server has ended or doesn't answer any more; the message goes on from its name."""


@dataclass(frozen=True)
class Completion:
    """Sampled tokens, the last of which ended the reply, and their processed log-probabilities."""

    tokens: list[int]
    log_probabilities: list[float]


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """`training.vllm` in the config.

    Attributes:
        python: interpreter of an environment with vLLM; None: the job's own, or that of `make vllm`.
        memory_share: share of the GPU's memory that the server may take; the rest is the trainer's.
        context: most tokens of a conversation; None: the model's own limit.
        start_timeout: seconds until the server must be ready.
        request_timeout: seconds that a reply may take.
    """

    python: str | None
    memory_share: float
    context: int | None
    start_timeout: float
    request_timeout: float


class VllmServer:
    """A server; `start` it before it is asked.

    Attributes:
        log: file that takes all that it prints.
        context: most tokens of a conversation, once it has started.
        starts: how many times it was started.
    """

    def __init__(
        self,
        model: Path,
        settings: ServerSettings,
        log: Path,
        *,
        device: str,
        dtype: str,
        adapters: int,
        rank: int,
        processor: str,
        additional: Mapping[str, Any],
    ) -> None:
        """A server that isn't started yet.

        Args:
            model: directory of the model without adapters.
            settings: see there.
            log: file that takes all that it prints.
            device: the trainer's, `cpu` or such as `cuda:0`; the server has the same.
            dtype: of the weights, such as `bfloat16`.
            adapters: most adapters that are loaded at a time.
            rank: largest rank of an adapter.
            processor: logits processor, as `module:Class`.
            additional: what it is told.

        Raises:
            UserError: vLLM isn't installed.
        """
        self.log = log
        self.context = 0
        self.starts = 0
        self._settings = settings
        self._python = find_python(settings.python)
        self._process: subprocess.Popen[bytes] | None = None
        self._key = secrets.token_hex(16)
        self._port = 0
        self._device = device
        self._arguments = {
            "--model": model.resolve(),
            "--served-model-name": BASE,
            "--host": "127.0.0.1",
            "--dtype": dtype,
            "--generation-config": "vllm",  # else the model's own defaults, such as top-p, come in unasked
            "--logprobs-mode": "processed_logprobs",
            "--logits-processors": processor,
            "--additional-config": json.dumps(additional),
            # One slot more than adapters: with all of them taken, rows without an adapter would get some adapter.
            "--max-loras": adapters + 1,
            "--max-lora-rank": next(each for each in RANKS if each >= rank),
            "--uvicorn-log-level": "warning",
            **({"--max-model-len": settings.context} if settings.context else {}),
            **(
                {"--block-size": 32}
                if device == "cpu"
                else {"--gpu-memory-utilization": settings.memory_share}
            ),
        }
        self._flags = ["--enable-lora", "--enable-prefix-caching"]
        if device == "cpu":
            self._flags.append("--enforce-eager")

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def process_id(self) -> int | None:
        """Of its first process, which is also that of the group of all."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it, and wait until it is ready.

        Raises:
            UserError: it ends while it starts, or takes too long.
        """
        self.stop()
        self.starts += 1
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        arguments = {**self._arguments, "--port": self._port}
        command = [self._python, "-m", vllm_launch.__name__, *self._flags]
        command += [str(part) for pair in arguments.items() for part in pair]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, **self._environment()},
                stdin=subprocess.PIPE,  # held open: its end tells the server that the job has gone
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._wait_until_ready()
        models = self._ask("GET", "/v1/models", None, self._settings.request_timeout)
        self.context = int(models["data"][0]["max_model_len"])

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
        """Serve an adapter, a PEFT directory that stays there as long as it is served.

        Raises:
            ServerLostError: the server has gone.
            UserError: it refuses.
        """
        self._change_adapters("load", {"lora_name": name, "lora_path": str(path.resolve())})

    def unload_adapter(self, name: str) -> None:
        """Serve an adapter no longer; raises as `load_adapter`."""
        self._change_adapters("unload", {"lora_name": name})

    def complete(self, requests: Sequence[Mapping[str, Any]]) -> list[Completion]:
        """Answers to completion requests, all sent at the same time, each with the name of its own `model`.

        One that fails is sent again as it was, so under the same adapter and with the same seed.

        Raises:
            ServerLostError: the server has gone.
            UserError: it refuses one.
        """
        if not requests:
            return []
        with ThreadPoolExecutor(min(len(requests), CONCURRENCY)) as threads:
            return list(threads.map(self._complete, requests))

    def _complete(self, request: Mapping[str, Any]) -> Completion:
        answer = self._persist("POST", "/v1/completions", {**request, "return_token_ids": True})
        choice = answer["choices"][0]
        if choice["finish_reason"] != "stop":
            raise UserError(
                f"a conversation has come to the vLLM server's limit of {self.context} tokens; raise "
                "training.vllm.context, or let training.max_new_tokens be less"
            )
        return Completion(choice["token_ids"], choice["logprobs"]["token_logprobs"])

    def _change_adapters(self, what: str, body: Mapping[str, Any]) -> None:
        timeout = self._settings.request_timeout
        try:
            self._ask("POST", f"/v1/{what}_lora_adapter", body, timeout)
        except (OSError, http.client.HTTPException) as error:
            raise ServerLostError(f"can't {what} an adapter ({error})") from error

    def _persist(self, method: str, path: str, body: Mapping[str, Any]) -> Any:
        """The answer to a request that may be sent again."""
        problem = ""
        for _ in range(ATTEMPTS):
            if not self.running:
                break
            try:
                return self._ask(method, path, body, self._settings.request_timeout)
            except TimeoutError:
                problem = f"doesn't answer within {self._settings.request_timeout:g} seconds"
            except (OSError, http.client.HTTPException) as error:
                problem = f"fails ({type(error).__name__}: {error})"
        raise ServerLostError(problem if self.running else "has ended")

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None, timeout: float) -> Any:
        """An answer, read as JSON where it is; OSError or HTTPException where there is none."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=timeout)
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, json.dumps(body) if body else None, headers)
            response = connection.getresponse()
            said = response.read().decode(errors="replace")
        finally:
            connection.close()
        if response.status >= 500:
            raise http.client.HTTPException(f"status {response.status}: {shortened(said)}")
        if response.status >= 400:
            raise UserError(
                f"the vLLM server refuses a request (status {response.status}: {shortened(said)}), "
                f"see {self.log}"
            )
        return json.loads(said) if said.startswith(("{", "[")) else said

    def _wait_until_ready(self) -> None:
        begin = time.monotonic()
        news = begin + NEWS
        logger.info("vLLM server: starting, its log is %s", self.log)
        while not self._ready():
            waited = time.monotonic() - begin
            if not self.running:
                reason = last_error(self.log)
                self.stop()
                raise UserError(
                    f"the vLLM server ended while it was starting{reason}, see its log {self.log}"
                )
            if waited > self._settings.start_timeout:
                self.stop()
                raise UserError(
                    f"the vLLM server wasn't ready after {self._settings.start_timeout:g} seconds; raise "
                    f"training.vllm.start_timeout, or see its log {self.log}"
                )
            if time.monotonic() > news:
                news += NEWS
                logger.info("vLLM server: still starting after %s", duration(waited))
            time.sleep(0.25)
        logger.info("vLLM server: ready after %s", duration(time.monotonic() - begin))

    def _ready(self) -> bool:
        try:
            self._ask("GET", "/health", None, timeout=5)
        except (OSError, http.client.HTTPException):
            return False
        return True

    def _environment(self) -> dict[str, str]:
        """Variables of the server's process that differ from the job's."""
        variables = {
            "PYTHONPATH": str(SCRIPTS),
            "VLLM_API_KEY": self._key,
            "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
            "VLLM_USE_V2_MODEL_RUNNER": "0",  # its logits processors have another interface
            "VLLM_NO_USAGE_STATS": "1",
            "HF_HUB_OFFLINE": "1",  # all that it needs is in the model's directory
        }
        if self._device == "cpu":
            return {
                **variables,
                "VLLM_CPU_KVCACHE_SPACE": str(CPU_CACHE),
                "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # the job's own threads; jobs share the machine
                "TORCH_COMPILE_DISABLE": "1",  # compiling takes longer than it saves
            }
        return {**variables, "CUDA_VISIBLE_DEVICES": visible_device(self._device)}


def find_python(chosen: str | None) -> str:
    """The interpreter that runs the server.

    Args:
        chosen: one that the config names; None: that of the job, if vLLM is there, or that of `make vllm`.

    Raises:
        UserError: it isn't there, or has no vLLM.
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
    """What CUDA_VISIBLE_DEVICES must be for a child process whose only GPU is this one of ours."""
    index = int(device.partition(":")[2] or 0)
    ours = [each for each in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if each]
    return ours[index] if index < len(ours) else str(index)


def last_error(log: Path) -> str:
    """The last line of a log that names an error, in brackets; empty if there is none."""
    lines = log.read_text(errors="replace").splitlines()
    errors = [found[0] for line in lines if (found := re.search(r"\b\w*Error: .+", line))]
    return f" ({shortened(errors[-1])})" if errors else ""


def shortened(text: str, length: int = 200) -> str:
    """A text on one line and not too long."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[:length]}..."
