"""Everything that plays. The scripted players of a game stand in the module of the game's name."""
