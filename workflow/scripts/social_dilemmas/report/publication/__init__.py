"""Results prepared for others: `make publish`."""
