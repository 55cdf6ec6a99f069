"""Whom agents meet under what they weren't trained on: one who always cooperates, and one who always defects."""

from social_dilemmas.agents.scripted.player import scripted_player_names

COOPERATOR, DEFECTOR = "cooperator", "defector"
ROLES = {
    "always_cooperate": COOPERATOR,
    "always_defect": DEFECTOR,
    "first_action": COOPERATOR,
    "second_action": DEFECTOR,
}
"""Scripted players of matrix games in these roles: the first action of a table cooperates, the second defects."""


def extremes(kind: str) -> list[str]:
    """The names of both players in a kind of matrix game; none in other games."""
    return [name for name in scripted_player_names(kind) if name in ROLES]
