"""A vLLM server draws from the distribution that is trained on: same adapter, same temperature, same masks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from peft import PeftModel
from tests.vllm.conftest import GAME, randomise

from social_dilemmas.agents.play import play
from social_dilemmas.backends.vllm.player import VllmPlayer
from social_dilemmas.backends.vllm.sampler import write_adapter
from social_dilemmas.backends.vllm.server import BASE, VllmServer
from social_dilemmas.errors import UserError
from social_dilemmas.games import build_game
from social_dilemmas.games.game import Match, Turn
from social_dilemmas.policy.adapters import LEARNER
from social_dilemmas.policy.log_probabilities import action_log_probabilities
from social_dilemmas.policy.model import LanguageModel
from social_dilemmas.policy.trajectory import Trajectory, collate
from social_dilemmas.randomness import derive_seed

TEMPERATURE = 0.8
LARGEST_DIFFERENCE = 1e-3  # of log-probabilities; what is seen is about a hundredth of it
NAMES = (BASE, "first", "second")


def conversations(
    server: VllmServer,
    language_model: LanguageModel,
    model_of: Callable[[Turn], str],
    matches: int = 12,
    seed: int = 0,
) -> tuple[list[Match], list[Trajectory]]:
    """Matches in which both seats are played by the server, and the trajectories, two of every match."""
    game = build_game(*GAME.values())
    player = VllmPlayer(
        server,
        language_model.chat,
        language_model.masks(game),
        seed_of=lambda turn, replies: derive_seed(seed, turn.match.seed, turn.seat, replies),
        model_of=model_of,
        temperature=TEMPERATURE,
        max_new_tokens=20,  # so that some messages have to be closed
    )
    started = [game.start(number) for number in range(matches)]
    play(started, [(player, player)] * matches)
    return started, [player.trajectory(match, seat) for match in started for seat in (0, 1)]


def scored(
    agents: PeftModel, language_model: LanguageModel, trajectory: Trajectory, adapter: str
) -> torch.Tensor:
    """(chosen,) log-probabilities of what was chosen under one of the trainer's adapters."""
    masks = language_model.masks(build_game(*GAME.values()))
    batch = collate([trajectory], language_model.padding)
    with torch.no_grad():
        if adapter == BASE:
            with agents.disable_adapter():
                found, _ = action_log_probabilities(agents, batch, masks.allowed, TEMPERATURE)
        else:
            agents.set_adapter({"first": LEARNER, "second": "other"}[adapter])
            found, _ = action_log_probabilities(agents, batch, masks.allowed, TEMPERATURE)
    return found


def differences(
    agents: PeftModel,
    language_model: LanguageModel,
    trajectories: list[Trajectory],
    names: list[str],
) -> list[float]:
    """Largest difference between the server's log-probabilities and the trainer's, for every trajectory."""
    return [
        (scored(agents, language_model, each, name) - torch.tensor(each.sampled)).abs().max().item()
        for each, name in zip(trajectories, names, strict=True)
    ]


def by_place(turn: Turn) -> str:
    """Seats of one batch run without an adapter, under the one, and under the other."""
    return NAMES[(2 * turn.match.seed + turn.seat) % 3]


def names_of(matches: list[Match]) -> list[str]:
    return [NAMES[(2 * match.seed + seat) % 3] for match in matches for seat in (0, 1)]


def test_log_probabilities_agree(
    server: VllmServer, language_model: LanguageModel, agents: PeftModel, record_property: Any
) -> None:
    """Three adapters mixed in every batch; each row under its own, and far from what others would say."""
    matches, trajectories = conversations(server, language_model, by_place)
    names = names_of(matches)
    assert not any(match.invalid[seat] for match in matches for seat in (0, 1))
    own = differences(agents, language_model, trajectories, names)
    others = [NAMES[(NAMES.index(name) + 1) % 3] for name in names]
    swapped = differences(agents, language_model, trajectories, others)
    print(f"largest difference of log-probabilities: {max(own):.2e}")
    record_property("largest_difference", max(own))
    assert max(own) < LARGEST_DIFFERENCE
    assert min(swapped) > 100 * LARGEST_DIFFERENCE
    assert sum(len(each.positions) for each in trajectories) > 500


def test_requests_that_are_sent_again_keep_their_adapter(
    server: VllmServer,
    language_model: LanguageModel,
    agents: PeftModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every third request is broken off after it was sent: the server may have begun with it."""
    _, undisturbed = conversations(server, language_model, by_place, seed=1)
    send, broken = server.client.request, dict[int, str]()  # by the seed of the request, its model

    def unreliable(method: str, url: str, **options: Any) -> httpx.Response:
        body = options.get("json")
        if url == "/v1/completions" and body["seed"] % 3 == 0 and body["seed"] not in broken:
            broken[body["seed"]] = body["model"]
            options["timeout"] = httpx.Timeout(120, read=0.001)  # after it was sent
        return send(method, url, **options)

    monkeypatch.setattr(server.client, "request", unreliable)
    matches, trajectories = conversations(server, language_model, by_place, seed=1)
    assert all(list(broken.values()).count(name) > 5 for name in NAMES)
    assert (
        max(differences(agents, language_model, trajectories, names_of(matches)))
        < LARGEST_DIFFERENCE
    )
    assert [each.tokens for each in trajectories] == [each.tokens for each in undisturbed]


def test_the_prefix_cache_is_used_and_never_stale(
    server: VllmServer, language_model: LanguageModel, agents: PeftModel, tmp_path: Path
) -> None:
    """New weights under a new name: the same conversations under them are those of the new weights."""
    _, before = conversations(server, language_model, lambda turn: "first", matches=4)
    hits = cached_tokens(server)
    assert hits > 0
    old = {key: value.clone() for key, value in agents.state_dict().items() if ".default." in key}
    try:
        randomise(agents, LEARNER, seed=9)
        write_adapter(agents, LEARNER, tmp_path / "changed")
        server.unload_adapter("first")
        server.load_adapter("changed", tmp_path / "changed")
        matches, after = conversations(server, language_model, lambda turn: "changed", matches=4)
        again, same = conversations(server, language_model, lambda turn: "changed", matches=4)
        found = differences(agents, language_model, after, ["first"] * len(after))
        assert max(found) < LARGEST_DIFFERENCE
        assert max(differences(agents, language_model, same, ["first"] * 8)) < LARGEST_DIFFERENCE
        stale = differences(agents, language_model, before, ["first"] * len(before))
        assert min(stale) > 100 * LARGEST_DIFFERENCE
        assert [each.tokens for each in same] == [each.tokens for each in after]
        assert cached_tokens(server) > hits
        assert len(matches) == len(again)
    finally:
        agents.load_state_dict(old, strict=False)
        server.unload_adapter("changed")
        write_adapter(agents, LEARNER, tmp_path / "first")
        server.load_adapter("first", tmp_path / "first")


def cached_tokens(server: VllmServer) -> float:
    """Prompt tokens that the server has found in its prefix cache so far."""
    text = server.client.get("/metrics").text
    lines = [line for line in text.splitlines() if line.startswith("vllm:prefix_cache_hits_total")]
    return sum(float(line.split()[-1]) for line in lines)


def test_an_adapter_that_is_not_there_is_refused(
    server: VllmServer, language_model: LanguageModel, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"the vLLM server refuses a request \(status 404"):
        conversations(server, language_model, lambda turn: "nobody", matches=1)
    with pytest.raises(Exception, match="adapter"):
        server.load_adapter("broken", tmp_path)
