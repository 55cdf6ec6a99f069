"""Playing and training on a server's tokens. In the server's place the trainer's own model draws them, one by one."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.unit.gradients import gradient, play_on_server
from tests.unit.training_run import BUFFER, RANDOM, assert_same, metrics, run_training
from tests.unit.vllm_stand_in import StandIn

from social_dilemmas.agents.agent import WARM_START, Agent
from social_dilemmas.backends.vllm import sampler as vllm_sampler
from social_dilemmas.backends.vllm.client import BASE, Completion
from social_dilemmas.backends.vllm.player import VllmPlayer
from social_dilemmas.config.schema.training import Vllm
from social_dilemmas.errors import UserError
from social_dilemmas.games import build_game
from social_dilemmas.games.game import Turn
from social_dilemmas.games.grammar import Choice, Grammar, Literal
from social_dilemmas.policy.masks import TokenMasks
from social_dilemmas.policy.model import LanguageModel, load_model
from social_dilemmas.policy.policy import Policy

GAME: dict[str, Any] = {"name": "trust_and_split", "rounds": 1}


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch) -> type[StandIn]:
    monkeypatch.setattr(vllm_sampler, "VllmServer", StandIn)
    StandIn.reset()
    return StandIn


class Answering:
    """A server that gives every request the same answer."""

    context = 512

    def __init__(self, *tokens: int) -> None:
        self.tokens = [*tokens]
        self.requests: list[Mapping[str, Any]] = []

    def complete(self, requests: Sequence[Mapping[str, Any]]) -> list[Completion]:
        self.requests += requests
        return [Completion(self.tokens, [-0.5] * len(self.tokens)) for _ in requests]


FIXED, FREE = Grammar((Literal("<yes>"),)), Grammar((Choice("it", ("A", "B")),))


def answered(tiny: LanguageModel, server: Any) -> list[str]:
    """Replies to a turn without a choice in the first seat and one with a choice in the other."""
    policy = Policy(tiny, build_game("prisoners_dilemma", 1))
    policy.masks = TokenMasks([FIXED, FREE], tiny.chat, tiny.model.config.vocab_size)
    player = VllmPlayer(
        server,
        policy,
        masks="masks",
        seed_of=lambda turn, replies: replies,
        model_of=lambda turn: BASE,
        temperature=1.0,
        max_new_tokens=9,
    )
    match = policy.game.start(0)
    turns = [Turn(match, 0, "first", "Say yes.", FIXED), Turn(match, 1, "first", "A or B?", FREE)]
    replies = player.reply(turns)
    assert player.trajectory(match, 0).sampled == []
    assert player.trajectory(match, 1).sampled == [-0.5]
    return replies


def test_a_reply_without_a_choice_costs_no_request(tiny: LanguageModel) -> None:
    server = Answering(*tiny.chat.encode_text("<B>"), tiny.chat.end_token)
    assert answered(tiny, server) == ["<yes>", "<B>"]
    assert len(server.requests) == 1


def test_a_slip_costs_no_request_and_has_no_chosen_token(tiny: LanguageModel) -> None:
    server = Answering()
    policy = Policy(tiny, build_game("prisoners_dilemma", 1))
    player = VllmPlayer(
        server,  # type: ignore[arg-type]
        policy,
        masks="masks",
        seed_of=lambda turn, replies: replies,
        model_of=lambda turn: BASE,
        temperature=1.0,
        max_new_tokens=9,
    )
    turn = replace(policy.game.start(0).turns()[0], slip="<B>")
    assert player.reply([turn]) == ["<B>"]
    assert not server.requests
    assert not player.trajectory(turn.match, 0).positions


@pytest.mark.parametrize("wrong", [("<C>", "<|end|>"), ("<B>", "<A>"), ("<B>",)])
def test_tokens_that_the_masks_do_not_allow_are_refused(
    wrong: tuple[str, ...], tiny: LanguageModel
) -> None:
    tokens = tiny.tokenizer.convert_tokens_to_ids([*wrong])
    with pytest.raises((ValueError, KeyError)):
        answered(tiny, Answering(*tokens))


def trained(base: Path, output: Path, **changes: Any) -> Path:
    small = {"iterations": 3, "matches": 4, "group_size": 2}
    changes = {**small, "sampler": "vllm", **changes}
    return run_training(base, output, GAME, **changes)


def test_every_step_has_an_adapter_of_its_own(
    base_model: Path, tmp_path: Path, server: type[StandIn]
) -> None:
    trained(base_model, tmp_path)
    assert server.history == [
        *("start", "load learner-0", "unload learner-0", "load learner-1"),
        *("unload learner-1", "load learner-2"),
    ]
    found = metrics(tmp_path)
    assert (found["sampler_difference"] < 1e-5).all()  # none of them was stale
    assert found["gradient_norm"].is_unique
    assert (found["invalid_rate"] == 0).all()
    seeds = [request["seed"] for request in server.requests]
    assert len(set(seeds)) == len(seeds)  # every reply has a stream of its own
    assert not list(tmp_path.glob("vllm-*"))


@pytest.mark.parametrize(
    ("changes", "others"),
    [
        ({"buffer": BUFFER}, {"iteration-1", "iteration-2"}),
        ({"opponent": Agent("naive", adapter="frozen/adapter")}, {"frozen-0"}),
        ({"opponent": Agent(WARM_START)}, {BASE}),
        ({"opponent": RANDOM}, set()),
    ],
)
def test_every_seat_has_its_own_adapter(
    changes: dict[str, Any],
    others: set[str],
    base_model: Path,
    tmp_path: Path,
    server: type[StandIn],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Were an opponent played with the learner's weights, or the other way round, numbers would differ."""
    monkeypatch.chdir(tmp_path)
    if others == {"frozen-0"}:
        trained(base_model, Path("frozen"), learning_rate=0.1, lora_rank=3)
        server.requests.clear()
    trained(base_model, Path("run"), learning_rate=0.1, **changes)
    assert (metrics(Path("run"))["sampler_difference"] < 1e-5).all()
    learners = {f"learner-{iteration}" for iteration in range(3)}
    assert {str(request["model"]) for request in server.requests} == learners | others


def test_a_lost_server_changes_nothing(
    base_model: Path, tmp_path: Path, server: type[StandIn]
) -> None:
    trained(base_model, tmp_path / "undisturbed", buffer=BUFFER)
    calls = server.calls
    for lost in (1, calls // 2):
        server.calls, server.lost_in = 0, {lost}
        server.history.clear()
        trained(base_model, tmp_path / f"lost-{lost}", buffer=BUFFER)
        assert server.history.count("start") == 2
        assert_same(tmp_path / f"lost-{lost}", tmp_path / "undisturbed")
    # Lost twice, what was finished is kept.
    server.calls, server.lost_in = 0, {calls, calls + 1}
    with pytest.raises(UserError, match=r"second time in iteration 2, see its log .*server\.log"):
        trained(base_model, tmp_path / "run", buffer=BUFFER)
    assert (tmp_path / "run" / "vllm-0" / "server.log").is_file()
    server.lost_in = set()
    server.requests.clear()
    trained(base_model, tmp_path / "run", buffer=BUFFER)
    models = {str(request["model"]) for request in server.requests}
    assert {each for each in models if "learner" in each} == {"learner-2"}
    assert_same(tmp_path / "run", tmp_path / "undisturbed")


def test_the_update_is_that_of_the_trainers_own_sampler(base_model: Path, tmp_path: Path) -> None:
    """The importance ratios of a sampler that agrees are 1; those of another one weigh the tokens."""
    played = play_on_server(load_model(base_model), GAME, Vllm(), tmp_path)
    on_policy, _ = gradient(played, "vllm")
    for trajectory in played.trajectories:
        trajectory.sampled = [each + 0.5 for each in trajectory.sampled]
    less_likely, _ = gradient(played, "vllm")
    for trajectory in played.trajectories:
        trajectory.sampled = []
    own, _ = gradient(played, "trainer")
    assert own.norm() > 0
    assert torch.allclose(on_policy, own, rtol=1e-4, atol=1e-6 * own.norm().item())
    assert torch.allclose(less_likely, own * math.exp(-0.5), rtol=1e-3, atol=1e-6)
