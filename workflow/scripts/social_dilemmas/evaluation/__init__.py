"""Agents that no longer learn: who plays whom, under what, and what is written down."""
