"""A language model as a policy: chat format, token masks, sampling, adapters, trajectories."""
