"""Strategies of the Axelrod library."""
