"""Agents that follow a fixed rule. Those of a game are in the module with the name of its kind."""
