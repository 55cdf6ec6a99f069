"""A vLLM server draws from the distribution that is trained on: same adapter, same temperature, same masks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from tests.unit.mixed_adapters import copied_weights, random_weights
from tests.vllm.conftest import SERVED

from social_dilemmas.agents.play import play
from social_dilemmas.backends.vllm.client import BASE
from social_dilemmas.backends.vllm.player import VllmPlayer
from social_dilemmas.backends.vllm.protocol import masks_fingerprint
from social_dilemmas.backends.vllm.server import VllmServer
from social_dilemmas.errors import UserError
from social_dilemmas.games.game import SEATS, Match, Turn
from social_dilemmas.policy.adapters import LEARNER
from social_dilemmas.policy.log_probabilities import action_log_probabilities
from social_dilemmas.policy.policy import Policy
from social_dilemmas.policy.trajectory import Trajectory, collate
from social_dilemmas.randomness import derive_seed

TEMPERATURE = 0.8
LARGEST_DIFFERENCE = 1e-3  # of log-probabilities; what is seen is about a hundredth of it
NAMES = (BASE, *SERVED.values())


def conversations(
    server: VllmServer,
    policy: Policy,
    model_of: Callable[[Turn], str],
    matches: int = 12,
    seed: int = 0,
) -> tuple[list[Match], list[Trajectory]]:
    """Matches in which both seats are played by the server, and the trajectories, two of every match."""
    player = VllmPlayer(
        server,
        policy,
        masks=masks_fingerprint(policy.masks),
        seed_of=lambda turn, replies: derive_seed(seed, turn.match.seed, turn.seat, replies),
        model_of=model_of,
        temperature=TEMPERATURE,
        max_new_tokens=20,  # so that some messages have to be closed
    )
    started = [policy.game.start(number) for number in range(matches)]
    play(started, [(player, player)] * matches)
    return started, [player.trajectory(match, seat) for match in started for seat in SEATS]


@torch.no_grad()
def scored(policy: Policy, trajectory: Trajectory, served: str) -> torch.Tensor:
    """(chosen,) log-probabilities of what was chosen under the trainer's adapter that is served by this name."""
    batch = collate([trajectory])
    arguments = policy.model, batch, policy.masks.allowed, TEMPERATURE
    if served == BASE:
        with policy.model.disable_adapter():
            return action_log_probabilities(*arguments)[0]
    policy.model.set_adapter(next(name for name, each in SERVED.items() if each == served))
    return action_log_probabilities(*arguments)[0]


def differences(policy: Policy, trajectories: list[Trajectory], names: list[str]) -> list[float]:
    """Largest difference between the server's log-probabilities and the trainer's, for every trajectory."""
    return [
        (scored(policy, each, name) - torch.tensor(each.sampled)).abs().max().item()
        for each, name in zip(trajectories, names, strict=True)
    ]


def by_place(turn: Turn) -> str:
    """Seats of one batch run without an adapter, under the one, and under the other."""
    return NAMES[(2 * turn.match.seed + turn.seat) % 3]


def names_of(matches: list[Match]) -> list[str]:
    return [NAMES[(2 * match.seed + seat) % 3] for match in matches for seat in SEATS]


def test_log_probabilities_agree(server: VllmServer, policy: Policy, record_property: Any) -> None:
    """Three adapters mixed in every batch; each row under its own, and far from what others would say."""
    matches, trajectories = conversations(server, policy, by_place)
    names = names_of(matches)
    assert not any(match.invalid[seat] for match in matches for seat in SEATS)
    own = differences(policy, trajectories, names)
    others = [NAMES[(NAMES.index(name) + 1) % 3] for name in names]
    swapped = differences(policy, trajectories, others)
    print(f"largest difference of log-probabilities: {max(own):.2e}")
    record_property("largest_difference", max(own))
    assert max(own) < LARGEST_DIFFERENCE
    assert min(swapped) > 100 * LARGEST_DIFFERENCE
    assert sum(len(each.positions) for each in trajectories) > 500


def test_requests_that_are_sent_again_keep_their_adapter(
    server: VllmServer, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every third request is broken off after it was sent: the server may have begun with it."""
    _, undisturbed = conversations(server, policy, by_place, seed=1)
    send, broken = server.client.request, dict[int, str]()  # by the seed of the request, its model

    def unreliable(method: str, url: str, **options: Any) -> httpx.Response:
        body = options.get("json") or {}
        if url == "/v1/completions" and body["seed"] % 3 == 0 and body["seed"] not in broken:
            broken[body["seed"]] = body["model"]
            options["timeout"] = httpx.Timeout(120, read=0.001)  # after it was sent
        return send(method, url, **options)

    monkeypatch.setattr(server.client, "request", unreliable)
    matches, trajectories = conversations(server, policy, by_place, seed=1)
    assert all(list(broken.values()).count(name) > 5 for name in NAMES)
    assert max(differences(policy, trajectories, names_of(matches))) < LARGEST_DIFFERENCE
    assert [each.tokens for each in trajectories] == [each.tokens for each in undisturbed]


def test_the_prefix_cache_is_used_and_never_stale(
    server: VllmServer, policy: Policy, tmp_path: Path
) -> None:
    """New weights under a new name: the same conversations under them are those of the new weights."""
    _, before = conversations(server, policy, lambda turn: "first", matches=4)
    hits = cached_tokens(server)
    assert hits > 0
    old = copied_weights(policy)
    try:
        policy.put(LEARNER, random_weights(policy, seed=9, scale=0.2))
        policy.write(LEARNER, tmp_path / "changed")
        server.unload_adapter("first")
        server.load_adapter("changed", tmp_path / "changed")
        matches, after = conversations(server, policy, lambda turn: "changed", matches=4)
        again, same = conversations(server, policy, lambda turn: "changed", matches=4)
        found = differences(policy, after, ["first"] * len(after))
        assert max(found) < LARGEST_DIFFERENCE
        assert max(differences(policy, same, ["first"] * 8)) < LARGEST_DIFFERENCE
        stale = differences(policy, before, ["first"] * len(before))
        assert min(stale) > 100 * LARGEST_DIFFERENCE
        assert [each.tokens for each in same] == [each.tokens for each in after]
        assert cached_tokens(server) > hits
        assert len(matches) == len(again)
    finally:
        policy.put(LEARNER, old)
        server.unload_adapter("changed")
        policy.write(LEARNER, tmp_path / "first")
        server.load_adapter("first", tmp_path / "first")


def cached_tokens(server: VllmServer) -> float:
    """Prompt tokens that the server has found in its prefix cache so far."""
    text = server.client.get("/metrics").text
    lines = [line for line in text.splitlines() if line.startswith("vllm:prefix_cache_hits_total")]
    return sum(float(line.split()[-1]) for line in lines)


def test_an_adapter_that_is_not_there_is_refused(
    server: VllmServer, policy: Policy, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"the vLLM server refuses a request \(status 404"):
        conversations(server, policy, lambda turn: "nobody", matches=1)
    with pytest.raises(Exception, match="adapter"):
        server.load_adapter("broken", tmp_path)
