"""Trained agents for others: model cards beside every adapter, and the folder of `make publish`."""
