"""Matches and transcripts whose tokens a server draws; in its place the trainer's own model draws them, one by one."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.unit.mixed_adapters import saved_adapter
from tests.unit.vllm_stand_in import StandIn

from social_dilemmas.agents.agent import WARM_START, Agent, Kind
from social_dilemmas.backends.vllm import agents as vllm_agents
from social_dilemmas.backends.vllm.agents import served_name
from social_dilemmas.backends.vllm.client import BASE
from social_dilemmas.config.schema import Evaluation
from social_dilemmas.config.settings import DisturbanceSettings, TranscriptSettings
from social_dilemmas.errors import UserError
from social_dilemmas.evaluation.cross_play import play_pairs
from social_dilemmas.evaluation.disturbances import play_disturbed
from social_dilemmas.evaluation.transcripts import run_transcripts

GAME: dict[str, Any] = {"name": "prisoners_dilemma", "rounds": 2}
RANDOM = Agent("random", Kind.SCRIPTED)


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch) -> type[StandIn]:
    monkeypatch.setattr(vllm_agents, "VllmServer", StandIn)
    StandIn.reset()
    return StandIn


@pytest.fixture(scope="module")
def agents(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Agent]:
    """The model itself, and two agents with adapters of other weights and ranks."""
    folder = tmp_path_factory.mktemp("adapters")
    trained = [
        Agent(
            "naive",
            seed=rank,
            adapter=str(saved_adapter(base_model, folder / str(rank), 1.0, rank=rank)),
        )
        for rank in (2, 3)
    ]
    return [Agent(WARM_START), *trained]


def played(
    base: Path, folder: Path, agents: list[Agent], matches: int, **changes: Any
) -> pd.DataFrame:
    """The matches of all agents with themselves and with a scripted player."""
    play_pairs(
        model=base,
        pairs=[(agent, other) for agent in agents for other in (agent, RANDOM)],
        game=GAME,
        settings=Evaluation(opponents=[], matches=matches, batch=32, **changes),
        output=folder / "matches.parquet",
    )
    return pd.read_parquet(folder / "matches.parquet")


def test_outcomes_are_distributed_as_with_the_default_sampler(
    base_model: Path, tmp_path: Path, agents: list[Agent], server: type[StandIn]
) -> None:
    """Every agent's share of cooperation, under its own adapter; the agents differ by more than the samplers may."""
    matches = 64
    own, served = (
        played(base_model, tmp_path, agents, matches, sampler=sampler)
        .query("agent != 'random'")
        .groupby(["agent", "agent_seed", "opponent"])["cooperation"]
        for sampler in ("trainer", "vllm")
    )
    error = (own.var() / own.size() + served.var() / served.size()) ** 0.5
    assert ((own.mean() - served.mean()).abs() < 4 * error + 0.01).all()
    assert own.mean().max() - own.mean().min() > 0.3
    names = [served_name(Path(agent.adapter)) for agent in agents if agent.adapter]
    assert server.history == ["start", *(f"load {name}" for name in sorted(names))]
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
            game=GAME,
            settings=TranscriptSettings(**sampling, sampler=sampler),
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
        played(base_model, tmp_path, agents, 2, sampler="vllm")
    assert (tmp_path / "vllm-matches" / "server.log").is_file()


def test_an_adapter_of_another_model_is_refused_before_a_server_starts(
    base_model: Path, tmp_path: Path, server: type[StandIn]
) -> None:
    with pytest.raises(UserError, match="not an adapter directory"):
        played(base_model, tmp_path, [Agent("naive", adapter=str(tmp_path))], 2, sampler="vllm")
    assert not server.history
