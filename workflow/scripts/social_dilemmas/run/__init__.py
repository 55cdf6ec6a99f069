"""What a job of the workflow needs around the method: its log, checkpoints, ranks, resources, fingerprint."""
