"""Matches and transcripts whose tokens a server draws; in its place the trainer's own model draws them, one by one."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.unit.served_agents import DILEMMA, assert_alike, play_all, three_agents
from tests.unit.vllm_stand_in import StandIn

from social_dilemmas.agents.agent import Agent
from social_dilemmas.backends.vllm import agents as vllm_agents
from social_dilemmas.backends.vllm.agents import served_name
from social_dilemmas.backends.vllm.client import BASE
from social_dilemmas.config.settings import DisturbanceSettings, TranscriptSettings
from social_dilemmas.errors import UserError
from social_dilemmas.evaluation.disturbances import play_disturbed
from social_dilemmas.evaluation.transcripts import run_transcripts


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch) -> type[StandIn]:
    monkeypatch.setattr(vllm_agents, "VllmServer", StandIn)
    StandIn.reset()
    return StandIn


@pytest.fixture(scope="module")
def agents(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Agent]:
    return three_agents(base_model, tmp_path_factory.mktemp("adapters"), 1.0)


def test_outcomes_are_distributed_as_with_the_default_sampler(
    base_model: Path, tmp_path: Path, agents: list[Agent], server: type[StandIn]
) -> None:
    own, served = (
        play_all(base_model, tmp_path / "matches.parquet", agents, 64, sampler=sampler)
        for sampler in ("trainer", "vllm")
    )
    assert_alike(own, served)
    names = [served_name(Path(agent.adapter)) for agent in agents if agent.adapter]
    assert server.history == ["start", *(f"load {name}" for name in names)]
    assert {str(request["model"]) for request in server.requests} == {BASE, *names}
    assert not list(tmp_path.glob("vllm-*"))


def test_a_transcript_has_the_server_s_log_probabilities(
    base_model: Path, tmp_path: Path, agents: list[Agent]
) -> None:
    """They are those that the model gives the same replies."""
    sampling: dict[str, Any] = {"matches": 12, "temperature": 0.7, "max_new_tokens": 6}
    said = {}
    for sampler in ("trainer", "vllm"):
        run_transcripts(
            model=base_model,
            agents=(agents[0], agents[1]),
            game=DILEMMA,
            settings=TranscriptSettings(opponents=[], **sampling, sampler=sampler),
            output=tmp_path / "transcript.json",
        )
        told = json.loads((tmp_path / "transcript.json").read_text())
        said[sampler] = {
            (agent, *before): reply["log_probability"]
            for match in told["matches"]
            for agent, seat in enumerate(match["seats"])
            for before, reply in conversation(match, agent)
        }
    both = said["trainer"].keys() & said["vllm"].keys()
    assert len(both) > 5
    for place in both:
        assert said["vllm"][place] == pytest.approx(said["trainer"][place], abs=1e-4)


def conversation(match: dict[str, Any], agent: int) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
    """An agent's replies, each with all that was said before and the reply itself."""
    told: tuple[str, ...] = ()
    found = []
    for reply in (reply for each in match["rounds"] for reply in each["replies"][agent]):
        told += (reply["prompt"], reply["reply"])
        found.append((told, reply))
    return found


def test_one_server_for_all_conditions_of_disturbed_matches(
    base_model: Path, tmp_path: Path, agents: list[Agent], server: type[StandIn]
) -> None:
    own = DisturbanceSettings(
        opponents=[], matches=4, slip_round=1, tremble=0.5, sampler="vllm", max_new_tokens=6
    )
    play_disturbed(
        model=base_model,
        pairs=[(agents[1], agents[1])],
        game={"name": "trust_and_split", "rounds": 2},
        settings=own,
        output=tmp_path / "matches.parquet",
    )
    assert pd.read_parquet(tmp_path / "matches.parquet")["condition"].nunique() == 5
    assert server.history.count("start") == 1


def test_a_lost_server_ends_the_job(
    base_model: Path, tmp_path: Path, agents: list[Agent], server: type[StandIn]
) -> None:
    server.lost_in = {2}
    with pytest.raises(UserError, match=r"vLLM server has ended, see \S*server\.log; run it again"):
        play_all(base_model, tmp_path / "matches.parquet", agents, 2, sampler="vllm")
    assert (tmp_path / "vllm-matches" / "server.log").is_file()


def test_an_adapter_of_another_model_is_refused_before_a_server_starts(
    base_model: Path, tmp_path: Path, server: type[StandIn]
) -> None:
    nobody = Agent("naive", adapter=str(tmp_path))
    with pytest.raises(UserError, match="not an adapter directory"):
        play_all(base_model, tmp_path / "matches.parquet", [nobody], 2, sampler="vllm")
    assert not server.history
