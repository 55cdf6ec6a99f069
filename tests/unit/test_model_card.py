"""Model cards: what they say of an adapter, before and after anything is known of its scores."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.torch import save_file

from social_dilemmas.policy.adapters import attach_learner, save_adapter
from social_dilemmas.policy.model import load_model, model_fingerprint
from social_dilemmas.report.model_card import (
    CARD,
    BaseModel,
    model_card,
    parameter_count,
    table,
)

RECORD: dict[str, Any] = {
    "seed": 42,
    "model": "somewhere",
    "game": {"name": "split", "rounds": 10, "rules": {"quantity": 10}},
    "settings": {
        "credit": "advantage_alignment",
        "iterations": 125,
        "matches": 64,
        "group_size": 8,
        "lora_rank": 2,
        "lora_alpha": 8,
        "learning_rate": 0.002,
        "discount": 0.9,
        "reward_scale": 100,
        "beta": 1.5,
        "kl_coefficient": 0.0,
        "entropy_coefficient": 0.0,
        "buffer": {"size": 0},
    },
    "opponent": None,
}
HUB = BaseModel("someone/a-model", "0123", 7_000_000_000, "abc123", "someone/a-model")


def front_matter(card: str) -> dict[str, Any]:
    """What the hub reads of a card."""
    found: dict[str, Any] = yaml.safe_load(card.split("---\n")[1])
    return found


@pytest.fixture(scope="module")
def saved(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = attach_learner(load_model(base_model, "cpu"), rank=2, alpha=8, seed=0)
    output = tmp_path_factory.mktemp("saved") / "adapter"
    save_adapter(model, base_model, output, RECORD)
    return output


def test_a_saved_adapter_has_a_card_of_its_own(saved: Path, base_model: Path) -> None:
    card = (saved / CARD).read_text()
    assert "More Information Needed" not in card
    assert "# Advantage Alignment in Split, seed 42" in card
    for fact in ("in self-play", "beta 1.5", "125 iterations", "rank 2", "10 rounds", "MIT"):
        assert fact in card
    assert "KL coefficient" not in card  # it is zero
    assert model_fingerprint(base_model) in card
    assert "no evidence about large language models" in card
    assert front_matter(card)["license"] == "mit"
    assert "base_model" not in front_matter(card)  # the hub refuses paths there


def test_the_same_adapter_is_saved_as_the_same_bytes(
    saved: Path, base_model: Path, tmp_path: Path
) -> None:
    model = attach_learner(load_model(base_model, "cpu"), rank=2, alpha=8, seed=0)
    save_adapter(model, base_model, tmp_path, RECORD)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in saved.iterdir()}
    for path in saved.iterdir():
        if path.name != CARD:  # it names its folder
            assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name
    layers = json.loads((saved / "adapter_config.json").read_text())["target_modules"]
    assert layers == sorted(layers)


def test_a_model_of_the_hub_keeps_its_name_and_its_licence() -> None:
    card = model_card("Naive RL", RECORD, HUB, "adapter", "## Scores\n\nmany")
    facts = front_matter(card)
    assert facts["base_model"] == HUB.name
    assert facts["license"] == "other"
    assert 'from_pretrained(base, revision="abc123")' in card
    assert "https://huggingface.co/someone/a-model" in card
    assert "no evidence" not in card
    assert card.endswith("## Scores\n\nmany\n")


def test_the_opponent_and_the_buffer_are_named() -> None:
    settings = {**RECORD["settings"], "buffer": {"size": 28}}
    card = model_card(
        "Naive RL learner",
        {**RECORD, "settings": settings, "opponent": {"name": "welfare_maximising"}},
        HUB,
        "adapter",
    )
    assert "against Cooperator" in card
    assert "self-play" not in card
    assert "28 past agents" in card


@pytest.mark.parametrize(("rank", "allowed"), [(2, 8), (8, 8), (12, 16), (64, 64)])
def test_vllm_is_asked_for_a_rank_that_it_knows(rank: int, allowed: int) -> None:
    record = {**RECORD, "settings": {**RECORD["settings"], "lora_rank": rank}}
    assert f"--max-lora-rank {allowed} " in model_card("Naive RL", record, HUB, "adapter")


def test_parameters_are_counted_over_all_files(tmp_path: Path) -> None:
    import torch

    save_file({"a": torch.zeros(2, 3), "b": torch.zeros(())}, tmp_path / "1.safetensors")
    save_file({"c": torch.zeros(5)}, tmp_path / "2.safetensors", {"format": "pt"})
    assert parameter_count(tmp_path) == 2 * 3 + 1 + 5


def test_tables_are_markdown() -> None:
    assert table(["", "b"], [["1", "2"]]) == "| | b |\n| --- | --- |\n| 1 | 2 |"
