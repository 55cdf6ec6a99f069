"""What a job needs, reckoned from the configuration alone, before anything is there or has run.

Plain arithmetic; no torch. Room by room: `shape` counts what a model holds, `conversation` how long a game's
conversations are, `memory` and `work` what a job does with both, `jobs` puts them together for every kind of job.
"""
