"""What plays for agents that are language models: the model itself, or a vLLM server."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from social_dilemmas.agents.agent import Agent, adapters_of
from social_dilemmas.agents.play import Sampler
from social_dilemmas.config.schema.evaluation import Evaluation
from social_dilemmas.games.game import Game
from social_dilemmas.policy.context import check_context
from social_dilemmas.policy.model import load_model
from social_dilemmas.policy.policy import Policy
from social_dilemmas.policy.sampler import NamesOf, PolicySampler
from social_dilemmas.policy.trajectory import TrajectoryPlayer

SamplerOf = Callable[[NamesOf], Sampler[TrajectoryPlayer]]
"""Gives what samples for conversations, by the names of their random streams."""


def load_policy(
    model: Path, game: Game, agents: Iterable[Agent], sampler: str = "trainer"
) -> Policy:
    """The policy that plays for those of the agents that are the model; where a server samples, without adapters.

    Raises:
        UserError: the model or an adapter isn't there, or the adapter belongs to another base model.
    """
    if sampler == "vllm":
        return Policy(load_model(model, "cpu"), game)
    policy = Policy(load_model(model), game)
    for adapter in adapters_of(agents):
        policy.load(adapter)
    return policy


def by_policy(policy: Policy, settings: Evaluation) -> SamplerOf:
    """Sampling by the policy itself."""
    return partial(
        PolicySampler,
        policy,
        temperature=settings.temperature,
        max_new_tokens=settings.max_new_tokens,
        merge_adapter=settings.merge_adapter,
    )


@contextmanager
def sampling(
    policy: Policy,
    settings: Evaluation,
    *,
    game: Mapping[str, Any],
    agents: Iterable[Agent],
    output: Path,
) -> Iterator[SamplerOf]:
    """Sampling by whatever the settings say; a server that this starts is ended, its log lies beside `output`.

    `game` is the game's entry in the configuration. Raises UserError if a conversation may be too long for the model,
    if the server can't be started or reached, isn't the right one or is lost, and for adapters as `load_policy`.
    """
    check_context(policy, settings.max_new_tokens)
    if settings.sampler == "trainer":
        yield by_policy(policy, settings)
        return
    # Found by name, so that code which isn't used isn't part of a fingerprint.
    backend = import_module("social_dilemmas.backends.vllm.agents")
    folder, adapters = output.with_name(f"vllm-{output.stem}"), adapters_of(agents)
    with backend.AgentsSampler(
        policy, settings, game=game, adapters=adapters, folder=folder
    ) as server:
        yield server.named
