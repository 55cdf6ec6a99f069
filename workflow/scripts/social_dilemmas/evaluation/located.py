"""Agents of a job, with their adapters where the job finds them."""

from collections.abc import Iterable
from dataclasses import replace

from social_dilemmas.agents.agent import Agent


def located(agents: Iterable[Agent], adapters: Iterable[str]) -> list[Agent]:
    """The agents with `adapters`, the job's inputs, in place of those that its parameters name.

    The inputs are in the order of `Fixture.adapters`. A storage, a module's prefix or other `pathvars` move them.
    """
    agents = list(agents)
    names = sorted({agent.adapter for agent in agents if agent.adapter})
    places = dict(zip(names, map(str, adapters), strict=True))
    return [
        replace(agent, adapter=places[agent.adapter]) if agent.adapter else agent
        for agent in agents
    ]
