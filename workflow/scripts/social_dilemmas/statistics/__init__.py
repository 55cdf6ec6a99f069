"""From matches and metrics to tidy tables with intervals."""
