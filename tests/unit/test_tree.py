"""The tree of a batch's conversations: its nodes, and that it computes what separate conversations do."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import GAMES
from tests.unit.conftest import PUBLISHED, BaseOf
from tests.unit.mixed_adapters import random_weights
from tests.unit.training_run import training_settings
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from social_dilemmas.agents.agent import Agent
from social_dilemmas.agents.play import Players, play_batch
from social_dilemmas.games import build_game
from social_dilemmas.games.game import SEATS
from social_dilemmas.method.loss import add_gradients
from social_dilemmas.policy import tree as tree_module
from social_dilemmas.policy.activation_checkpointing import enable_activation_checkpointing
from social_dilemmas.policy.adapters import LEARNER
from social_dilemmas.policy.model import LanguageModel, load_model
from social_dilemmas.policy.policy import Policy
from social_dilemmas.policy.sampler import PolicySampler, in_order
from social_dilemmas.policy.trajectory import Trajectory
from social_dilemmas.policy.tree import prefix_tree
from social_dilemmas.policy.tree_attention import block_mask, by_products, hidden_states

CONVERSATIONS = st.lists(
    st.lists(st.integers(0, 2), min_size=1, max_size=12), min_size=1, max_size=12
)


@pytest.fixture(params=[3, 64])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With blocks that cut conversations, and with larger ones than conversations are."""
    monkeypatch.setattr(tree_module, "BLOCK", request.param)


@given(CONVERSATIONS)
def test_every_prefix_is_a_node(conversations: list[list[int]]) -> None:
    tree = prefix_tree(conversations)
    prefixes = {tuple(each[: end + 1]) for each in conversations for end in range(len(each))}
    assert len(tree) == len(prefixes)
    found: dict[int, tuple[int, ...]] = {}
    for conversation, path in zip(conversations, tree.paths.tolist(), strict=True):
        nodes = path[: len(conversation)]
        assert nodes == sorted({*nodes})  # parents come first
        assert tree.tokens[nodes].tolist() == conversation
        assert tree.positions[nodes].tolist() == [*range(len(conversation))]
        for end, node in enumerate(nodes):
            assert found.setdefault(node, tuple(conversation[: end + 1])) == tuple(
                conversation[: end + 1]
            )
    assert {*found.values()} == prefixes


@pytest.mark.usefixtures("blocks")
@given(CONVERSATIONS, st.none() | st.integers(1, 5))
def test_every_node_sees_its_own_path(conversations: list[list[int]], window: int | None) -> None:
    tree = prefix_tree(conversations)
    asking = torch.cat([block.queries.flatten() for block in tree.blocks])
    assert asking[tree.order].tolist() == [*range(len(tree))]
    seen = [
        keys[mask].tolist()
        for block in tree.blocks
        for keys in block.keys
        for mask in block_mask(block, window)
    ]
    path_of = {
        node: path[: end + 1]
        for conversation, path in zip(conversations, tree.paths.tolist(), strict=True)
        for end, node in enumerate(path[: len(conversation)])
    }
    for node, place in enumerate(tree.order.tolist()):
        assert seen[place] == path_of[node][-window if window else 0 :]


@pytest.mark.parametrize("heads", [2, 6])
@pytest.mark.parametrize("window", [None, 3])
@pytest.mark.parametrize("scaling", [None, 0.3])
def test_products_of_matrices_are_attention(
    heads: int, window: int | None, scaling: float | None
) -> None:
    tree = prefix_tree([[0, 1, 2, 1, 0], [0, 1, 2, 2, 2], [0, 1, 1, 1, 1]])
    (block,) = tree.blocks
    mask = block_mask(block, window)
    generator = torch.Generator().manual_seed(0)

    def states(of: int, width: int = 4) -> Tensor:
        size = (3, of, mask.shape[-1], width)
        return torch.randn(size, generator=generator, dtype=torch.double, requires_grad=True)

    query, key, value = states(heads), states(2), states(2, 5)
    expected = scaled_dot_product_attention(
        query, key, value, attn_mask=mask, scale=scaling, enable_gqa=heads > 2
    )
    found = by_products(query, key, value, mask, scaling)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    direction = torch.randn(expected.shape, generator=generator, dtype=torch.double)
    gradients = [
        torch.autograd.grad((each * direction).sum(), (query, key, value))
        for each in (found, expected)
    ]
    for own, other in zip(*gradients, strict=True):
        torch.testing.assert_close(own, other, rtol=0, atol=1e-12)


def test_conversations_that_are_the_same_cost_nothing() -> None:
    tree = prefix_tree([[1, 2, 3]] * 50 + [[1, 2, 4]])
    assert tree.tokens.tolist() == [1, 2, 3, 4]
    assert sum(block.queries.shape[0] for block in tree.blocks) <= 2 * len(tree.blocks)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("family", PUBLISHED)
@torch.no_grad()
def test_states_are_those_of_separate_conversations_in_every_family(
    base_of: BaseOf, family: str
) -> None:
    """With grouped keys, and with windows that conversations slide through."""
    base = base_of(family)
    model = load_model(base.path, "cpu").model.double()
    generator = torch.Generator().manual_seed(0)
    trunk = torch.randint(20, 300, (60,), generator=generator).tolist()
    cuts = [(7, 0), (30, 5), (30, 40), (59, 30), (60, 0)]
    conversations = [
        trunk[:kept] + torch.randint(20, 300, (more,), generator=generator).tolist()
        for kept, more in cuts
    ]
    tree = prefix_tree(conversations)
    assert len(tree) == 60 + 5 + 40 + 30
    states = hidden_states(model, tree)
    for conversation, path in zip(conversations, tree.paths, strict=True):
        alone = model.get_decoder()(torch.tensor([conversation])).last_hidden_state[0]
        torch.testing.assert_close(states[path[: len(conversation)]], alone, rtol=1e-10, atol=1e-12)


def learner(base: LanguageModel, game: str, dtype: torch.dtype) -> Policy:
    policy = Policy(load_model(base.path, "cpu"), build_game(game, 4))
    policy.add_learner(rank=2, alpha=8.0, seed=0)
    policy.put(LEARNER, random_weights(policy, scale=0.1))
    policy.model.to(dtype)
    for module in policy.model.modules() if dtype == torch.float64 else ():
        if type(module).__name__.endswith("RMSNorm"):
            module.forward = partial(norm, module)  # transformers' own is in single precision
    return policy


def norm(module: Any, states: Tensor) -> Tensor:
    """The root-mean-square norm of these families, in the precision of the states."""
    gemma = "Gemma" in type(module).__name__
    small = module.eps if gemma else module.variance_epsilon
    scaled = states * torch.rsqrt(states.square().mean(-1, keepdim=True) + small)
    return scaled * (1 + module.weight if gemma else module.weight)


def sampled(policy: Policy) -> list[Trajectory]:
    """Trajectories of groups of matches, which begin alike."""
    agent = Agent("learner", adapter=LEARNER)
    matches = [policy.game.start(number // 3) for number in range(6)]
    player = play_batch(
        matches,
        [(agent, agent)] * len(matches),
        Players(policy.game),
        PolicySampler(policy, in_order(0), max_new_tokens=6),
    )
    assert player is not None
    return [player.trajectory(match, seat) for match in matches for seat in SEATS]


def gradient(
    policy: Policy, batches: Sequence[Sequence[Trajectory]], **changes: Any
) -> tuple[Tensor, float]:
    """Gradient and loss of an update with some credit, batch by batch."""
    policy.model.zero_grad()
    rows = sum(map(len, batches))
    credit = torch.randn(rows, 4, generator=torch.Generator().manual_seed(1)).double()
    settings = training_settings(
        **{"kl_coefficient": 0.1, "entropy_coefficient": 0.05, "temperature": 0.8, **changes}
    )
    total = sum(len(each.positions) for batch in batches for each in batch)
    first, loss = 0, 0.0
    for batch in batches:
        part = credit[first : first + len(batch)]
        loss += add_gradients(policy, batch, part, settings, total=total)["loss"]
        first += len(batch)
    parts = [each.grad.flatten() for each in policy.model.parameters() if each.grad is not None]
    return torch.cat(parts), loss


VARIANTS: dict[str, dict[str, Any]] = {
    "merged": {},
    "not merged": {"merge_adapter": False},
    "activation checkpointing": {"activation_checkpointing": True, "merge_adapter": False},
    "micro-batches": {"micro_batch_tokens": 250},
    "importance ratios": {"sampler": "vllm"},
}


@pytest.mark.parametrize(
    ("game", "family", "variant", "dtype"),
    [
        *((game, "tiny", variant, torch.float64) for game in GAMES for variant in VARIANTS),
        *(("split", family, "not merged", torch.float64) for family in PUBLISHED),
        *((game, "tiny", "merged", torch.float32) for game in GAMES),
    ],
)
def test_gradients_are_those_of_separate_conversations(
    tiny: LanguageModel,
    base_of: BaseOf,
    game: str,
    family: str,
    variant: str,
    dtype: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tree_module, "BLOCK", 16)
    changes = VARIANTS[variant]
    policy = learner(tiny if family == "tiny" else base_of(family), game, dtype)
    if changes.get("activation_checkpointing"):
        enable_activation_checkpointing(policy.language_model.model)
    trajectories = [each.copy() for each in sampled(policy)]
    if "sampler" in changes:  # another one, whose log-probabilities are a little off
        generator = torch.Generator().manual_seed(2)
        for each in trajectories:
            each.sampled = (-1.5 * torch.rand(len(each.positions), generator=generator)).tolist()
    together, loss = gradient(policy, [trajectories], **changes)
    separate, expected = gradient(policy, [[each] for each in trajectories], **changes)
    tokens = [each.tokens for each in trajectories]
    assert len({*map(tuple, tokens)}) > 1
    assert len(prefix_tree(tokens)) < 0.95 * sum(map(len, tokens))  # the rules, at least
    bound = 1e-10 if dtype == torch.float64 else 1e-5
    assert (together - separate).norm() < bound * separate.norm()
    assert loss == pytest.approx(expected, rel=bound, abs=bound)


@pytest.mark.parametrize("estimator", ["forward", "reverse"])
def test_a_divergence_that_is_only_measured_is_that_of_the_first_conversations(
    estimator: str, tiny: LanguageModel
) -> None:
    policy, first = learner(tiny, "split", torch.float64), 5
    trajectories = sampled(policy)
    credit = torch.ones(len(trajectories), 4).double()
    expected, found = (
        add_gradients(
            policy,
            trajectories[:conversations],
            credit[:conversations],
            training_settings(
                kl_coefficient=coefficient, kl_estimator=estimator, micro_batch_tokens=100
            ),
            total=1,
            measured=first,
        )
        for conversations, coefficient in ((first, 1.0), (len(trajectories), 0.0))
    )
    assert 0 < found["kl_tokens"] == expected["kl_tokens"]
    assert found["kl"] == pytest.approx(expected["kl"], rel=1e-10)
