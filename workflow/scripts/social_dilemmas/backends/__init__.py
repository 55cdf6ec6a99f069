"""Inference servers that sample in place of the trained model."""
