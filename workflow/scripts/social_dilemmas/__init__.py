"""Training and evaluating language-model agents in iterated social dilemmas."""
