"""vLLM as the sampler of trainings and of the evaluation."""
