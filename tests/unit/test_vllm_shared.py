"""Jobs find a vLLM server that they share, or say what is wrong with it; a stand-in answers in place of vLLM."""

import runpy
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tests.unit.fake_vllm import fake_vllm
from tests.unit.mixed_adapters import foreign_model, saved_adapter
from tests.unit.served_agents import DILEMMA, shared_server

from social_dilemmas.backends.vllm import client as vllm_client
from social_dilemmas.backends.vllm import interpreter
from social_dilemmas.backends.vllm.agents import AgentsSampler
from social_dilemmas.backends.vllm.client import NEUTRAL
from social_dilemmas.backends.vllm.player import VllmPlayer
from social_dilemmas.backends.vllm.server import VllmServer
from social_dilemmas.backends.vllm.shared import KEY
from social_dilemmas.config.load import REPOSITORY, load_scale
from social_dilemmas.config.schema.evaluation import Evaluation, EvaluationVllm
from social_dilemmas.errors import UserError
from social_dilemmas.games import game_of
from social_dilemmas.games.game import Match
from social_dilemmas.policy.model import load_model
from social_dilemmas.policy.policy import Policy
from social_dilemmas.policy.sampler import in_order
from social_dilemmas.run.launch import free_port

SPLIT: dict[str, Any] = {"name": "split", "rounds": 3}
TRUST: dict[str, Any] = {"name": "trust_and_split", "rounds": 3}


def running(base: Path, folder: Path) -> AbstractContextManager[VllmServer]:
    """A server for two games."""
    vllm = fake_vllm(folder)
    return shared_server(base, folder, vllm, DILEMMA, SPLIT, adapters=2, rank=2)


@pytest.fixture
def server(base_model: Path, tmp_path: Path) -> Iterator[VllmServer]:
    with running(base_model, tmp_path) as server:
        yield server


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_VLLM", "")
    monkeypatch.setenv(KEY, "secret")


def job(
    base: Path, folder: Path, *addresses: object, game: dict[str, Any] = SPLIT, adapter: str = ""
) -> AgentsSampler:
    """The sampler of a job that is told of servers at these addresses."""
    vllm = EvaluationVllm(base_urls=[*map(str, addresses)], request_timeout=1.0)
    return AgentsSampler(
        Policy(load_model(base, "cpu"), game_of(game)),
        Evaluation(opponents=[], sampler="vllm", vllm=vllm),
        game=game,
        adapters=[adapter] if adapter else [],
        folder=folder / "job",
    )


def names_in(sampler: AgentsSampler, adapter: str) -> list[str]:
    """The names under which the server has the adapters of a seat with one and a seat without."""
    match = game_of(SPLIT).start(0)
    seats = {(match, 0): adapter, (match, 1): None}
    with sampler.named(in_order("job")).seated(seats) as player:
        return [player.model_of(turn) for turn in match.turns()]


def test_jobs_share_adapters_by_what_these_are(
    server: VllmServer, base_model: Path, tmp_path: Path
) -> None:
    """Wherever they lie; new weights in an old place are another adapter, and no job takes one from another."""
    adapter, other = tmp_path / "adapter", tmp_path / "copy"
    saved_adapter(base_model, adapter, 0.3)
    shutil.copytree(adapter, other)
    first, second = (
        job(base_model, tmp_path, server.client.base_url, adapter=str(each))
        for each in (adapter, other)
    )
    with first:
        with second:
            (name, without) = names_in(first, str(adapter))
            assert names_in(second, str(other)) == [name, without] == [name, NEUTRAL]
        shutil.rmtree(adapter)
        saved_adapter(base_model, adapter, 0.4)
        with job(base_model, tmp_path, server.client.base_url, adapter=str(adapter)) as third:
            (changed, _) = names_in(third, str(adapter))
    assert changed != name
    assert {name, changed, NEUTRAL} < server.served()
    assert not (tmp_path / "job").exists()


def test_the_first_server_that_fits_is_taken(
    server: VllmServer, base_model: Path, tmp_path: Path
) -> None:
    dead, found = f"http://127.0.0.1:{free_port()}", server.client.base_url
    with job(base_model, tmp_path, dead, found) as sampler:
        assert sampler.server.client.base_url == found
        assert sampler.server.context == 512


def test_the_command_serves_until_it_is_interrupted(
    base_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """While it waits, a job finds the game of the configuration."""
    fake, port, sleep = fake_vllm(tmp_path).python, free_port(), time.sleep
    assert fake
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(interpreter, "OWN_ENVIRONMENT", Path(fake))
    monkeypatch.setattr(signal, "signal", lambda *_: None)

    def interrupted(seconds: float) -> None:
        if seconds < 1:
            return sleep(seconds)
        entry = load_scale("laptop").game("split").entry
        with job(base_model, tmp_path, f"http://127.0.0.1:{port}", game=entry):
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupted)
    given = {"game": "split", "model": "embedded", "folder": base_model, "port": port}
    assert serve(monkeypatch, **given) == 130
    assert "VLLM_API_KEY=secret in their environment" in (said := capsys.readouterr().out)
    assert f"evaluation: {{sampler: vllm, vllm: {{base_urls: [http://127.0.0.1:{port}]}}}}" in said
    message = "unknown game 'spilt'; known: prisoners_dilemma, split, trust_and_split"
    assert serve(monkeypatch, **{**given, "game": "spilt"}) == message


def serve(monkeypatch: pytest.MonkeyPatch, **options: object) -> object:
    """What `make serve` ends with."""
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    monkeypatch.setattr(sys, "argv", ["serve.py", *words])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(REPOSITORY / "tools" / "serve.py"), run_name="__main__")
    return ended.value.code


def refusal(sampler: AgentsSampler) -> str:
    with pytest.raises(UserError) as refused, sampler:
        pass
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_wrong_server_is_refused(
    server: VllmServer, base_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.client.base_url
    other = foreign_model(base_model, tmp_path / "other")
    said = refusal(job(other, tmp_path, url))
    assert said.startswith(f"the vLLM server at {url} serves another model than {other}: see ")
    said = refusal(job(base_model, tmp_path, url, game=TRUST))
    assert "has no token masks for trust_and_split as it is played here" in said
    monkeypatch.setenv(KEY, "guessed")
    assert "refuses a request (status 401" in refusal(job(base_model, tmp_path, url))


def test_dead_and_busy_servers_and_others_are_refused(
    base_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    said = refusal(job(base_model, tmp_path, dead, f"{dead}/second"))
    assert said.startswith(f"the vLLM server at {dead} fails (ConnectError: ")
    assert f"), and the vLLM server at {dead}/second fails (" in said
    with HTTPServer(("127.0.0.1", 0), Cheerful) as web:
        Thread(target=web.serve_forever, daemon=True).start()
        said = refusal(job(base_model, tmp_path, f"http://127.0.0.1:{web.server_port}"))
        web.shutdown()
    assert "doesn't answer as vLLM does" in said
    with running(base_model, tmp_path) as server:
        (tmp_path / "packages/vllm/entrypoints/openai/busy").touch()
        monkeypatch.setattr(vllm_client, "GREETING", 0.5)
        said = refusal(job(base_model, tmp_path, server.client.base_url))
    assert "doesn't answer within 0.5 seconds" in said


class Cheerful(BaseHTTPRequestHandler):
    """A web page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<p>Welcome!</p>")

    def log_message(self, *_: object) -> None:
        pass


def test_a_server_that_goes_while_it_plays(
    server: VllmServer, base_model: Path, tmp_path: Path
) -> None:
    match = game_of(SPLIT).start(0)
    seats = {(match, 0): None, (match, 1): None}
    gone = r"the vLLM server at http\S+ fails \(.*\); run it again, with a higher"
    with job(base_model, tmp_path, server.client.base_url) as sampler:
        seated = sampler.named(in_order("job")).seated(seats)
        with pytest.raises(UserError, match=gone) as lost, seated as player:
            _stop_and_ask(server, player, match)
    assert "\n" not in str(lost.value)


def _stop_and_ask(server: VllmServer, player: VllmPlayer, match: Match) -> None:
    server.stop()
    player.reply(match.turns())
