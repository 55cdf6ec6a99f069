"""Transcripts hold what was really said, told and won, and the probability of each reply."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.unit.mixed_adapters import saved_adapter

from social_dilemmas.agents.agent import WARM_START, Agent, Kind
from social_dilemmas.config.settings import TranscriptSettings
from social_dilemmas.evaluation.transcripts import run_transcripts
from social_dilemmas.games import build_game
from social_dilemmas.games.game import Match, Turn
from social_dilemmas.policy.log_probabilities import action_log_probabilities
from social_dilemmas.policy.model import LanguageModel
from social_dilemmas.policy.trajectory import Trajectory, collate
from social_dilemmas.randomness import derive_seed

TEMPERATURE, ROUNDS = 0.7, 3
SETTINGS = TranscriptSettings(opponents=[], matches=4, temperature=TEMPERATURE, max_new_tokens=6)
RANDOM = Agent("random", Kind.SCRIPTED)


@pytest.fixture(scope="module")
def trained(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Agent:
    """An agent with an adapter of large random weights."""
    adapter = saved_adapter(base_model, tmp_path_factory.mktemp("adapter"), scale=1.0)
    return Agent("naive", seed=0, adapter=str(adapter))


def transcripts(
    base: Path, folder: Path, agents: tuple[Agent, Agent], name: str = "trust_and_split"
) -> dict[str, Any]:
    run_transcripts(
        model=base,
        agents=agents,
        game={"name": name, "rounds": ROUNDS},
        settings=SETTINGS,
        output=folder / "transcript.json",
    )
    return dict(json.loads((folder / "transcript.json").read_text()))


def replies_of(match: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """All replies of both agents, in order."""
    return [[reply for each in match["rounds"] for reply in each["replies"][i]] for i in (0, 1)]


def replayed(name: str, index: int, match: dict[str, Any]) -> tuple[Match, list[list[Turn]]]:
    """The match played again with the same replies, and the turns of both agents."""
    again = build_game(name, ROUNDS).start(derive_seed("transcript", index // 2))
    waiting = replies_of(match)
    taken: list[list[Turn]] = [[], []]
    while not again.finished:
        replies = {}
        for turn in again.turns():
            agent = match["seats"].index(turn.seat)
            replies[turn.seat] = waiting[agent][len(taken[agent])]["reply"]
            taken[agent].append(turn)
        again.take(replies)
    return again, taken


@pytest.mark.parametrize("name", ["prisoners_dilemma", "split", "trust_and_split"])
def test_a_transcript_is_the_match_as_it_was_played(
    base_model: Path, trained: Agent, tmp_path: Path, name: str
) -> None:
    """Given the same replies, the game asks the same and pays the same."""
    written = transcripts(base_model, tmp_path, (trained, RANDOM), name)
    assert written["agents"] == [{"name": "naive", "seed": 0}, {"name": "random", "seed": None}]
    assert [match["seats"] for match in written["matches"]] == [[0, 1], [1, 0]] * 2
    for index, match in enumerate(written["matches"]):
        again, turns = replayed(name, index, match)
        own, other = replies_of(match)
        assert all(reply["log_probability"] <= 0 for reply in own)
        assert all(reply["log_probability"] is None for reply in other)  # of the scripted player
        for agent, seat in enumerate(match["seats"]):
            asked = [(reply["step"], reply["prompt"]) for reply in (own, other)[agent]]
            assert asked == [(turn.step, turn.prompt) for turn in turns[agent]]
            assert again.rewards(seat) == [each["rewards"][agent] for each in match["rounds"]]
            assert match["payoffs"][agent] == pytest.approx(sum(again.rewards(seat)) / ROUNDS)
        assert match["invalid"] == [0, 0]


def test_log_probabilities_are_those_of_the_agent_that_spoke(
    base_model: Path, trained: Agent, tmp_path: Path, tiny: LanguageModel
) -> None:
    """Scored again from their text: the warm start without its neighbour's adapter, which differs."""
    name = "prisoners_dilemma"
    written = transcripts(base_model, tmp_path, (Agent(WARM_START), trained), name)
    masks = tiny.masks(build_game(name, ROUNDS))
    differences = []
    for index, match in enumerate(written["matches"]):
        _, turns = replayed(name, index, match)
        for agent, replies in enumerate(replies_of(match)):
            conversation = Trajectory()
            for turn, reply in zip(turns[agent], replies, strict=True):
                conversation.ask(turn, tiny.chat, masks)
                conversation.answer(turn, reply["reply"], masks)
            batch = collate([conversation])
            with torch.no_grad():
                scores, _ = action_log_probabilities(tiny.model, batch, masks.allowed, TEMPERATURE)
            found = sum(reply["log_probability"] for reply in replies) - float(scores.sum())
            if agent == 0:
                assert found == pytest.approx(0, abs=1e-3)
            differences.append(abs(found))
    assert max(differences) > 0.1


def test_a_run_is_the_same_again(base_model: Path, trained: Agent, tmp_path: Path) -> None:
    first, again = (transcripts(base_model, tmp_path, (trained, trained)) for _ in range(2))
    assert first == again
