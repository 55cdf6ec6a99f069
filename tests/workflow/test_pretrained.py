"""The pretrained scale with its real model, as small as can be: from the package to an opponent at the terminal."""

import subprocess
import sys

import pandas as pd
import pytest
import yaml
from tests.unit.hostile import assert_harmless
from tests.workflow.conftest import Workflow, copy_workflow
from transformers import AutoTokenizer

from social_dilemmas.policy.chat import ChatFormat

GAME, MODEL = "prisoners_dilemma_b", "smollm2_135m"
RUN = f"results/pretrained/training/{GAME}/{MODEL}/advantage_alignment/seed-0"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """Two iterations of two matches of two rounds, where the letter B cooperates."""
    workflow = copy_workflow(tmp_path_factory.mktemp("pretrained"))
    config = workflow.config("config/pretrained.yaml")
    config["games"] = [{**game, "rounds": 2} for game in config["games"]]
    config["warm_start"]["evaluation_matches"] = 2
    config["training"] |= {"iterations": 2, "matches": 2, "group_size": 2}
    (workflow.folder / "config" / "pretrained.yaml").write_text(yaml.safe_dump(config))
    workflow.run("--cores", "1", "--configfile", "config/pretrained.yaml", "--", f"{RUN}/adapter")
    return workflow


def test_it_learns_against_itself_and_the_untrained_model(trained: Workflow) -> None:
    assert (trained.folder / RUN / "adapter" / "adapter_model.safetensors").is_file()
    metrics = (trained.folder / RUN / "metrics.csv").read_text().splitlines()
    assert len(metrics) == 3
    log = (trained.folder / "results/pretrained/logs/base" / f"{MODEL}.log").read_text()
    assert "shape" not in log  # it is the one that the configuration says


def test_it_imitates_scripted_players_before_it_talks(trained: Workflow) -> None:
    """Two steps of an adapter that is merged into the model, in the scale of further games."""
    config = trained.config("config/pretrained_games.yaml")
    (game,) = (each for each in config["games"] if each["name"] == "trust_and_split")
    once = {"steps": 1, "matches": 1}
    game["warm_start"] |= {**once, "evaluation_matches": 1}
    game["warm_start"]["primer"] |= once
    config["games"] = [{**game, "rounds": 1}]
    (trained.folder / "config" / "pretrained_games.yaml").write_text(yaml.safe_dump(config))
    results = "results/pretrained_games"
    started = f"{results}/warm_start/trust_and_split/{MODEL}"
    options = "--cores", "1", "--configfile", "config/pretrained_games.yaml"
    trained.run(*options, "--", f"{started}/model")
    behaviour = pd.read_csv(trained.folder / started / "behaviour.csv", index_col="quantity")
    assert 0 <= behaviour["value"]["coins_upper_hand"] <= 10
    before, after = (
        trained.folder / folder / "model.safetensors"
        for folder in (f"{results}/base/{MODEL}", f"{started}/model")
    )
    assert before.read_bytes() != after.read_bytes()


def test_no_message_of_very_many_holds_a_control_token(trained: Workflow) -> None:
    tokenizer = AutoTokenizer.from_pretrained(trained.folder / "results/pretrained/base" / MODEL)
    marks = [entry.content for entry in tokenizer.added_tokens_decoder.values()]
    assert {"<|im_start|>", "<|endoftext|>", "<repo_name>"} <= {*marks}
    assert_harmless(ChatFormat(tokenizer), marks, 100_000)


def test_a_visitor_plays_against_it(trained: Workflow) -> None:
    played = subprocess.run(
        [
            *(sys.executable, "tools/play.py", "--scale", "pretrained", "--seed", "1"),
            *("--game", GAME, "--against", "advantage_alignment"),
        ],
        cwd=trained.folder,
        env={"PYTHONPATH": "workflow/scripts", "PYTHONDONTWRITEBYTECODE": "1"},
        input="B\nA\n",
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "Round 2" in played
    assert "points" in played
