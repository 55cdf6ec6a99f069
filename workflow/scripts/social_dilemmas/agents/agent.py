"""Who plays, as plain data: one type for every agent, from the learner to a person at the terminal."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

WARM_START = "warm_start"
"""The agent that is the warm-started model itself."""

UNSEEDED = -1
"""The seed, in tables, of agents of which there is only one: scripted players, the warm start, a clone."""

LEARNER_SUFFIX, CLONE_PREFIX = "_learner", "cloned_"
"""What is put to an algorithm's or a player's name to name its learners against fixed opponents, or its clone."""


class Kind(StrEnum):
    """What an agent is."""

    MODEL = "model"
    SCRIPTED = "scripted"
    AXELROD = "axelrod"
    API = "api"
    HUMAN = "human"


@dataclass(frozen=True)
class Agent:
    """An agent that can take seats, by its name in configurations, tables and figures.

    Attributes:
        seed: of its training.
        adapter: of a MODEL: the directory of its adapter, or the name of one that the policy holds (the learner's, a
            past agent's); None for the model without an adapter.
        api, cache: of an API agent: its entry in the configuration as JSON, and the file that keeps its responses.
    """

    name: str
    kind: Kind = Kind.MODEL
    seed: int = UNSEEDED
    adapter: str | None = None
    api: str | None = None
    cache: str | None = None

    @property
    def on_model(self) -> bool:
        """Whether the policy plays for it."""
        return self.kind is Kind.MODEL

    def plain(self) -> dict[str, Any]:
        """As data for a job's parameters: what it has, and no more."""
        facts = {**asdict(self), "kind": self.kind.value}
        return {key: value for key, value in facts.items() if value not in (None, UNSEEDED)}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "Agent":
        """The agent of such data."""
        return cls(**{**plain, "kind": Kind(plain["kind"])})


def clone_name(player: str) -> str:
    """The name of a model that imitates a scripted player."""
    return f"{CLONE_PREFIX}{player}"


LEARNERS = ("first", "second")
"""What two that learn against each other are called, also in tables (`learner`); `metrics.csv` has 1 and 2."""


def learner_name(algorithm: str) -> str:
    """The name of an agent that learned against a fixed opponent, as opposed to one trained by self-play."""
    return f"{algorithm}{LEARNER_SUFFIX}"


def is_learner(agent: str) -> bool:
    """Whether an agent learned against a fixed opponent."""
    return agent.endswith(LEARNER_SUFFIX)


ITSELF, EVERYONE, WORST_CASE, OTHER_SEEDS = "itself", "everyone", "worst_case", "other_seed"
"""In tables, an agent's opponent that is the agent; all of its opponents together; the scripted player with which a run
gets least; the agent's runs with other seeds."""


def is_taken(name: str) -> bool:
    """Whether no agent may have this name, since tables use it."""
    return is_learner(name) or name in (ITSELF, EVERYONE, WORST_CASE, OTHER_SEEDS)


def adapters_of(agents: Iterable[Agent]) -> list[str]:
    """Directories of the adapters that agents have, each once, in alphabetical order."""
    return sorted({agent.adapter for agent in agents if agent.adapter})
