"""A workflow in which vLLM draws all tokens: training, cross-play and transcripts, from the model to the figures."""

import json
from pathlib import Path

import pandas as pd
from tests.vllm.conftest import SHAPE
from tests.workflow.conftest import copy_workflow

from social_dilemmas.config.schema.training import Vllm

PAIR = "transcripts/trust_and_split/embedded/naive-vs-naive.json"
WANTED = ("fig_learning_curves", "fig_cross_play", "transcripts")


def test_a_workflow_on_vllm(vllm: Vllm, tmp_path: Path) -> None:
    workflow = copy_workflow(tmp_path)
    config = workflow.config("config/smoke.yaml")
    served = {"sampler": "vllm", "vllm": vllm.model_dump(exclude_unset=True)}
    (game,) = (each for each in config["games"] if each["name"] == "trust_and_split")
    game["rules"]["message_limit"] = 40
    game["training"] |= served
    game["evaluation"] |= served
    game["exploitability"] = {"learners": {}}
    game["transcripts"] = {"pairs": [["naive", "naive"]]}
    config["models"][0] |= SHAPE
    config |= {"games": [game], "algorithms": config["algorithms"][:1]}
    config |= {"seeds": [0], "further_seeds": []}
    none: dict[str, list[str]] = {"games": [], "variants": []}
    config |= {"ablations": none, "rivals": none, "prior_sweep": {"games": []}}
    config |= {"two_learners": {"games": [], "pairs": []}, "tournament": {"strategies": []}}
    workflow.configure(config)
    workflow.run("--cores", "1", *WANTED)
    results = tmp_path / "results" / "smoke"
    metrics = pd.read_csv(
        results / "training/trust_and_split/embedded/naive/seed-0" / "metrics.csv"
    )
    assert (metrics["sampler_difference"] < 1e-4).all()
    played = pd.read_parquet(results / "cross_play/trust_and_split/embedded/matches.parquet")
    assert {*played["agent"]} >= {"warm_start", "naive", "greedy"}
    match, *_ = json.loads((results / PAIR).read_text())["matches"]
    for said in match["rounds"][0]["replies"]:  # of both seats
        assert all(reply["log_probability"] <= 0 for reply in said)
    assert not list(results.rglob("vllm-*"))
    assert workflow.planned(*WANTED) == {}
