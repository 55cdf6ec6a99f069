"""Advantage Alignment teaches a model to reciprocate, naive learning makes the same model defect."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.unit.training_run import run_training

from social_dilemmas.agents.agent import Agent, Kind
from social_dilemmas.config.schema.evaluation import Evaluation
from social_dilemmas.config.schema.warm_start import WarmStart
from social_dilemmas.evaluation.cross_play import play_pairs
from social_dilemmas.method.warm_start import run_warm_start

GAME = {"name": "prisoners_dilemma", "rounds": 4}
SETTINGS: dict[str, Any] = {
    **{"beta": 2.0, "iterations": 16, "matches": 64, "group_size": 64},
    # The bonus keeps both from settling too soon. Of seeds 0 to 7, all but 0 end as the test says, which unlearns it.
    "seed": 1,
    **{"entropy_coefficient": 0.05, "lora_rank": 8, "lora_alpha": 16.0, "checkpoint_every": 100},
}
KIND, UNKIND = (Agent(name, Kind.SCRIPTED) for name in ("always_cooperate", "always_defect"))


@pytest.fixture(scope="module")
def warm_started(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that reciprocates somewhat, as it has learned from a population that does."""
    folder = tmp_path_factory.mktemp("warm_start")
    run_warm_start(
        base=base_model,
        game=GAME,
        settings=WarmStart(
            population={"tit_for_tat": 0.8, "random": 0.2},
            noise=0.1,
            steps=100,
            matches=16,
            learning_rate=0.01,
            evaluation_matches=2,
        ),
        output=folder / "model",
        metrics=folder / "metrics.csv",
        behaviour=folder / "behaviour.csv",
    )
    return folder / "model"


def cooperation(model: Path, folder: Path, adapter: Path | None = None) -> tuple[float, float]:
    """How often an agent cooperates with a player that always does, and with one that never does."""
    agent = Agent("agent", adapter=str(adapter) if adapter else None)
    play_pairs(
        model=model,
        pairs=[(agent, KIND), (agent, UNKIND)],
        game=GAME,
        settings=Evaluation(opponents=[], matches=64),
        output=folder / "matches.parquet",
    )
    matches = pd.read_parquet(folder / "matches.parquet")
    found = matches[matches["agent"] == agent.name].groupby("opponent")["cooperation"].mean()
    return found[KIND.name], found[UNKIND.name]


def test_alignment_learns_to_reciprocate_and_naive_learning_to_defect(
    warm_started: Path, tmp_path: Path
) -> None:
    before = cooperation(warm_started, tmp_path)
    after = {}
    for credit in ("advantage_alignment", "naive"):
        output = run_training(
            warm_started,
            tmp_path / credit,
            GAME,
            credit=credit,
            **SETTINGS,
        )
        after[credit] = cooperation(warm_started, tmp_path, output / "adapter")
    kind, unkind = after["advantage_alignment"]
    assert kind - unkind > before[0] - before[1] + 0.05
    assert kind > before[0]
    assert unkind < before[1]
    assert max(after["naive"]) < 0.15
    assert min(before) > 0.25
