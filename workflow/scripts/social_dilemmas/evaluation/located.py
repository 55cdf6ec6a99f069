"""Agents of a job, with their adapters where the job finds them."""

from collections.abc import Iterable
from dataclasses import replace

from social_dilemmas.agents.agent import Agent, adapters_of


def located(agents: Iterable[Agent], adapters: Iterable[str]) -> list[Agent]:
    """The agents with `adapters`, the job's inputs, in place of those that its parameters name.

    The inputs are in the order of `adapters_of`. A storage, a module's prefix or other `pathvars` move them.
    """
    agents = list(agents)
    places = dict(zip(adapters_of(agents), map(str, adapters), strict=True))
    return [
        replace(agent, adapter=places[agent.adapter]) if agent.adapter else agent
        for agent in agents
    ]
