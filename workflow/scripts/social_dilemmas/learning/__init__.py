"""Learning from played matches: credit, loss, opponents and the training loop."""
