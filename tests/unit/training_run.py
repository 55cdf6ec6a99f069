"""Trainings that are small enough for tests, and their results."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from social_dilemmas.method.train import train
from social_dilemmas.run.launch import launch

SETTINGS: dict[str, Any] = {
    **{"credit": "advantage_alignment", "discount": 0.9, "reward_scale": 5, "beta": 0.5},
    **{"matches": 4, "group_size": 2, "iterations": 3, "lora_rank": 2, "lora_alpha": 4},
    **{"learning_rate": 0.01, "learning_rate_decay": "none", "gradient_clip": 1.0},
    **{"temperature": 0.8, "max_new_tokens": 5, "sampler": "trainer", "processes": 1, "vllm": {}},
    **{"micro_batch": 3, "micro_batch_tokens": None, "gradient_checkpointing": False},
    **{"fold_adapter": True, "kl_coefficient": 0.0, "kl_estimator": "forward"},
    **{"entropy_coefficient": 0.0, "baseline": "group", "critic": {}, "checkpoint_every": 10},
    "buffer": {"size": 0, "every": 1, "probability": 0.5, "draw": "group"},
}


def run_training(
    model: Path,
    output: Path,
    game: Mapping[str, Any],
    opponent: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Path:
    """Train with `SETTINGS` and these changes; gives `output`."""
    settings = {**SETTINGS, **changes}
    run = {"model": model, "game": game, "settings": settings, "opponent": opponent}
    launch(train, settings["processes"], **run, seed=0, output=output)
    return output


def metrics(output: Path) -> pd.DataFrame:
    """All columns except those of seconds."""
    return pd.read_csv(output / "metrics.csv").filter(regex="^(?!seconds_)")
