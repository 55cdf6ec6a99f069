"""Who plays: the names by which agents are known everywhere, in configurations, paths and tables."""

WARM_START = "warm_start"
"""The agent that is the warm-started model itself."""

LEARNER_SUFFIX = "_learner"


def learner_name(algorithm: str) -> str:
    """The name of an agent that learned against a fixed opponent, as opposed to one trained by self-play."""
    return f"{algorithm}{LEARNER_SUFFIX}"


def is_learner(agent: str) -> bool:
    """Whether an agent learned against a fixed opponent."""
    return agent.endswith(LEARNER_SUFFIX)
