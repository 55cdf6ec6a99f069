"""The scripted player that shows what greed alone yields in a game."""

from social_dilemmas.agents.scripted.player import scripted_player_names

GREEDY_PLAYERS = ("always_b", "greedy")


def greedy_player_name(game: str) -> str | None:
    """The name of a game's greedy scripted player, if it has one."""
    known = scripted_player_names(game)
    return next((name for name in GREEDY_PLAYERS if name in known), None)
