"""A vLLM server is started, asked and ended, whatever goes wrong; a stand-in answers in place of vLLM."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from tests.unit.fake_vllm import fake_vllm

from social_dilemmas.backends.vllm import interpreter
from social_dilemmas.backends.vllm import server as vllm_server
from social_dilemmas.backends.vllm.client import ServerLostError
from social_dilemmas.backends.vllm.interpreter import find_python
from social_dilemmas.backends.vllm.server import VllmServer, visible_device
from social_dilemmas.config.schema.training import Vllm
from social_dilemmas.errors import UserError

SCRIPTS = Path(vllm_server.__file__).parents[3]
PATIENCE = 20.0  # seconds for processes to go; they need a fraction of one


class MakeServer(Protocol):
    """Prepares a server with such a trouble."""

    def __call__(self, trouble: str = "", **changes: Any) -> VllmServer: ...


@pytest.fixture
def settings(tmp_path: Path) -> Vllm:
    return fake_vllm(tmp_path)


@pytest.fixture
def make_server(
    settings: Vllm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeServer]:
    servers = []

    def make(trouble: str = "", **changes: Any) -> VllmServer:
        monkeypatch.setenv("FAKE_VLLM", trouble)
        server = VllmServer(
            tmp_path,
            settings.model_copy(update=changes),
            tmp_path / "server.log",
            device="cpu",
            dtype="float32",
            adapters=2,
            rank=3,
            reply_masks={},
        )
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.stop()


def processes(log: Path) -> list[int]:
    """Process ids of the stand-in, two for every start."""
    return [
        int(each)
        for line in re.findall(r"processes (.*)", log.read_text())
        for each in line.split()
    ]


def alive(process: int) -> bool:
    stat = Path(f"/proc/{process}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def gone(processes: list[int]) -> bool:
    """Whether processes end in time."""
    deadline = time.monotonic() + PATIENCE
    while any(map(alive, processes)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(alive, processes))


def request(seed: int, model: str = "base") -> dict[str, Any]:
    return {"model": model, "prompt": [1, 2, 3], "seed": seed}


@pytest.mark.parametrize("trouble", ["", "stalls once"])
def test_every_request_names_its_adapter(
    trouble: str, make_server: MakeServer, tmp_path: Path
) -> None:
    """Also one that is sent again, as it got no answer."""
    server = make_server(trouble, request_timeout=1.5 if trouble else 30.0)
    server.start()
    server.load_adapter("learner-7", tmp_path)
    both = [request(seed, model) for seed, model in enumerate(["base", "learner-7"] * 3)]
    answers = server.complete(both)
    assert server.context == 512
    assert [answer.tokens for answer in answers] == [[each["seed"], 3] for each in both]
    assert [a.log_probabilities[1] for a in answers] == [-len(each["model"]) for each in both]
    server.unload_adapter("learner-7")
    with pytest.raises(UserError, match=r"refuses .*status 404.*no model learner-7.*server\.log"):
        server.complete([request(1, "learner-7")])


def test_it_ends_with_all_its_processes_and_starts_again(make_server: MakeServer) -> None:
    server = make_server()
    server.start()
    first = processes(server.log)
    assert len(first) == 2
    assert all(map(alive, first))
    server.start()
    assert gone(first)
    assert server.complete([request(5)])[0].tokens == [5, 3]
    assert server.starts == 2
    server.stop()
    assert gone(processes(server.log))
    assert not server.running
    server.stop()  # a second time does nothing


@pytest.mark.parametrize(
    ("trouble", "error", "message"),
    [
        ("stalls", ServerLostError, r"doesn't answer within 1\.5 seconds"),
        ("dies", ServerLostError, "has ended|fails"),
        (
            "too long",
            UserError,
            r"limit of 512 tokens that the vLLM server has; raise vllm\.context",
        ),
    ],
)
def test_requests_that_fail(
    trouble: str, error: type[Exception], message: str, make_server: MakeServer
) -> None:
    server = make_server(trouble, request_timeout=1.5)
    server.start()
    with pytest.raises(error, match=message):
        server.complete([request(seed) for seed in range(4)])
    server.stop()
    assert gone(processes(server.log))  # the other process of a server that died, too


@pytest.mark.parametrize(
    ("trouble", "timeout", "message"),
    [
        (
            "no memory",
            60.0,
            r"ended while it was starting \(RuntimeError: no .*cache\), see .*server\.log",
        ),
        (
            "never ready",
            1.0,
            r"after 1 seconds; raise vllm\.start_timeout, or see .*server\.log",
        ),
    ],
)
def test_a_server_that_does_not_start(
    trouble: str, timeout: float, message: str, make_server: MakeServer
) -> None:
    server = make_server(trouble, start_timeout=timeout)
    server.log.parent.mkdir(parents=True, exist_ok=True)
    server.log.write_text("KeyError: of a server that ended before\n")
    with pytest.raises(UserError, match=message):
        server.start()
    assert not server.running


JOB = """
import signal, sys, time
from pathlib import Path
from social_dilemmas.backends.vllm.server import VllmServer
from social_dilemmas.config.schema.training import Vllm
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
folder = Path(sys.argv[1])
settings = Vllm(python=sys.argv[2], start_timeout=60.0)
facts = {"device": "cpu", "dtype": "float32", "adapters": 1, "rank": 8, "reply_masks": {}}
server = VllmServer(folder, settings, folder / "server.log", **facts)
server.start()
print("ready", flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_never_outlives_the_job(how: signal.Signals, settings: Vllm, tmp_path: Path) -> None:
    assert settings.python
    command = [sys.executable, "-c", JOB, str(tmp_path), settings.python]
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS), "FAKE_VLLM": ""}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as job:
        assert job.stdout
        assert job.stdout.readline() == "ready\n"
        started = processes(tmp_path / "server.log")
        assert len(started) == 2
        assert all(map(alive, started))
        job.send_signal(how)
    assert gone(started)


def test_vllm_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "OWN_ENVIRONMENT", tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"vLLM isn't installed: call `make vllm`") as raised:
        find_python(None)
    assert "\n" not in str(raised.value)
    for python in (sys.executable, str(tmp_path), "no-such-file"):
        with pytest.raises(UserError, match=r"vllm\.python: .* no interpreter with vLLM"):
            find_python(python)


def test_the_environment_of_make_vllm_is_found(
    settings: Vllm, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings.python
    monkeypatch.setattr(interpreter, "OWN_ENVIRONMENT", Path(settings.python))
    assert find_python(None) == settings.python
    assert find_python(settings.python) == settings.python


@pytest.mark.parametrize(
    ("ours", "device", "theirs"),
    [
        (None, "cuda", "0"),
        (None, "cuda:1", "1"),
        ("2,5", "cuda:1", "5"),
        ("GPU-a", "cuda:0", "GPU-a"),
    ],
)
def test_the_server_is_on_the_trainers_gpu(
    ours: str | None, device: str, theirs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if ours is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", ours)
    assert visible_device(device) == theirs
