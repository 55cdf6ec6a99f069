"""Which scripted players stand for what: for greed, cooperation, reciprocity or lies."""

from social_dilemmas.agents.scripted.player import (
    ScriptedPlayer,
    scripted_player,
    scripted_player_names,
)

GREEDY_PLAYERS = ("always_defect", "greedy")
"""They show what greed alone yields in a game."""
COOPERATORS = ("always_cooperate", "welfare_maximising")
"""Two of them reach the welfare optimum."""
RECIPROCAL_PLAYERS = ("tit_for_tat", "reciprocator")
"""They return what was done to them."""
LYING = "_lying"
"""The end of the names of those whose messages aren't true."""
COOPERATOR, DEFECTOR = "cooperator", "defector"
EXTREMES = {
    "always_cooperate": COOPERATOR,
    "always_defect": DEFECTOR,
    "first_action": COOPERATOR,
    "second_action": DEFECTOR,
}
"""Players of matrix games that do the same whatever happens: a table's first action cooperates, its second defects."""


def greedy_player_name(game_name: str) -> str | None:
    """The name of a game's greedy player, if it has one."""
    known = scripted_player_names(game_name)
    return next((name for name in GREEDY_PLAYERS if name in known), None)


def reference_player(game_name: str) -> ScriptedPlayer:
    """A game's greedy player; where it has none, the one that plays at random."""
    return scripted_player(game_name, greedy_player_name(game_name) or "random")


def players_in_role(game_name: str, role: str) -> list[str]:
    """A game's scripted players that are its `greedy` one, its `cooperator`, a `liar` or, for `worst_scripted`, any;
    none for any other role.
    """
    known = scripted_player_names(game_name)
    roles = {
        "greedy": [name for name in known if name in GREEDY_PLAYERS],
        "cooperator": [name for name in known if name in COOPERATORS],
        "liar": [name for name in known if name.endswith(LYING)],
        "worst_scripted": known,
    }
    return roles.get(role, [])


def extremes(game_name: str) -> list[str]:
    """Both players of a matrix game that are in `EXTREMES`; none in other games."""
    return [name for name in scripted_player_names(game_name) if name in EXTREMES]
