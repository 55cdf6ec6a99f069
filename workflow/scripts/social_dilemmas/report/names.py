"""Names as people read them, and the order in which agents are listed."""

from collections.abc import Iterable

from social_dilemmas.agents.agent import LEARNER_SUFFIX, is_learner
from social_dilemmas.games import named_game

AGENTS = {
    "warm_start": "Before RL",
    "naive": "Naive RL",
    "sum_of_rewards": "Sum of rewards",
    "advantage_alignment": "Advantage Alignment",
    "cloned_reciprocator": "Cloned reciprocator",
    "cloned_tit_for_tat": "Cloned tit for tat",
    "group_normalised": "Normalised (GRPO)",
    "clipped_steps": "Clipped steps (PPO)",
    "always_cooperate": "Always-cooperate",
    "always_defect": "Always-defect",
    "tit_for_tat": "Tit for tat",
    "win_stay_lose_shift": "Win-stay, lose-shift",
    "grim": "Grim",
    "greedy": "Greedy",
    "greedy_lying": "Greedy, lying",
    "welfare_maximising": "Cooperator",
    "welfare_maximising_lying": "Cooperator, lying",
    "reciprocator": "Reciprocator",
    "reciprocator_lying": "Reciprocator, lying",
    "fair_half": "Half of everything",
    "fair_half_lying": "Half of everything, lying",
    "random": "Random",
    "tit_for_tat_like": "Tit-for-tat-like",
    "grim_like": "Grim-like",
    "everyone": "Everyone",
    "kl_forward": "KL forward",
    "kl_reverse": "KL reverse",
}
"""Agents in the order of all tables and figures; others follow in alphabetical order."""


def readable(agent: str) -> str:
    """The name of an agent for a label."""
    if is_learner(agent):
        return f"{readable(agent.removesuffix(LEARNER_SUFFIX))} learner"
    return AGENTS.get(agent, agent.replace("_", " ").capitalize())


def in_order(agents: Iterable[str]) -> list[str]:
    """The agents, each once, as they are listed everywhere."""
    places = {name: place for place, name in enumerate(AGENTS)}
    return sorted(set(agents), key=lambda name: (places.get(name, len(places)), name))


def game_title(game: str) -> str:
    """The title of a game."""
    return named_game(game).title


def settings_note(games: Iterable[str]) -> str:
    """A sentence that marks results of games in which settings of training differ by algorithm; empty without any."""
    titles = ", ".join(map(game_title, games))
    return f"Settings of training differ by algorithm in {titles}." if titles else ""
