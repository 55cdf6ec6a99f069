"""A vLLM server of the job's own: in another environment, behind a key; it never outlives the job."""

import json
import logging
import os
import re
import secrets
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import httpx

from social_dilemmas.backends.vllm import launch as vllm_launch
from social_dilemmas.backends.vllm.client import BASE, Connection
from social_dilemmas.backends.vllm.interpreter import find_python
from social_dilemmas.config.schema.training import LORA_RANKS, Vllm
from social_dilemmas.errors import UserError
from social_dilemmas.run.launch import free_port
from social_dilemmas.run.progress import duration

if TYPE_CHECKING:  # the server imports it by its name; the fingerprint of the code finds it here
    from social_dilemmas.backends.vllm import masks  # noqa: F401

logger = logging.getLogger(__name__)
SCRIPTS = Path(__file__).resolve().parents[3]
PROCESSOR = "social_dilemmas.backends.vllm.masks:ReplyMasks"
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


class VllmServer(Connection):
    """A server, to be started with `start`.

    Attributes:
        log: file that takes all that it prints.
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
        reply_masks: Mapping[str, Mapping[str, Any]],
        address: tuple[str, int] | None = None,
        key: str = "",
        marks: Sequence[str] = (),
    ) -> None:
        """Prepare a server of the model in that directory; raises UserError if vLLM isn't installed.

        `device` (`cpu`, `cuda:0`) and `dtype` (`bfloat16`) are the trainer's. At most `adapters` adapters, whose ranks
        are at most `rank`, are loaded at a time. `reply_masks` are entries of games in the config, by the fingerprints
        of their token masks. A server that others are to find has an `address` (host and port; by default a free port
        of this machine), a `key` that they know (by default a new one), and `marks`: further names of the model.
        """
        key = key or secrets.token_hex(16)
        super().__init__("the vLLM server", f", see {log}", key, settings.request_timeout)
        self.log = log
        if rank > LORA_RANKS[-1]:
            raise UserError(
                f"vLLM takes adapters of rank {LORA_RANKS[-1]} at most, but lora_rank is {rank}: lower it"
            )
        self.starts = 0
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._address = address
        self._environment = {"VLLM_API_KEY": key, **ENVIRONMENT}
        flags = ["--enable-lora", "--enable-prefix-caching", "--served-model-name", BASE, *marks]
        options: dict[str, Any] = {
            "--model": model.resolve(),
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
        host, port = self._address or ("127.0.0.1", free_port())
        self.client.base_url = f"http://{host}:{port}"
        with self.log.open("ab") as output:
            self._begins = output.tell()
            self._process = subprocess.Popen(
                [*self._command, "--host", host, "--port", str(port)],
                env=os.environ | self._environment,
                stdin=subprocess.PIPE,  # held open: the server ends when it is closed
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._wait_until_ready()
        self.served()

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

    def _wait_until_ready(self) -> None:
        begin, news = time.monotonic(), NEWS
        timeout = self._settings.start_timeout
        logger.info("vLLM server: starting, its log is %s", self.log)
        while not self._ready():
            problem, waited = "", time.monotonic() - begin
            if not self.running:
                problem = f"ended while it was starting{last_error(self.log, self._begins)},"
            elif waited > timeout:
                raised = "raise vllm.start_timeout"
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


def visible_device(device: str) -> str:
    """CUDA_VISIBLE_DEVICES of a child process that gets only this GPU of this process's."""
    index = int(device.partition(":")[2] or 0)
    ours = [each for each in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if each]
    return ours[index] if index < len(ours) else str(index)


def last_error(log: Path, begins: int) -> str:
    """The last line of a log, from this byte on, that names an error, in brackets; empty if there is none."""
    text = log.read_bytes()[begins:].decode(errors="replace")
    errors: list[str] = re.findall(r"\b\w*Error: .+", text)
    return f" ({shorten(errors[-1], 200)})" if errors else ""
