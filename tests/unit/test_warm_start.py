"""The warm start: a model learns the population's choices, and only those."""

import csv
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from social_dilemmas.agents.play import play
from social_dilemmas.agents.scripted.player import scripted_player
from social_dilemmas.errors import UserError
from social_dilemmas.games import build_game, game_names
from social_dilemmas.method.warm_start import Population, Recorder, run_warm_start, schedule
from social_dilemmas.policy.model import LanguageModel, load_model

SETTINGS: dict[str, Any] = {
    "population": {"always_b": 1.0},
    "noise": 0.0,
    "steps": 12,
    "matches": 8,
    "learning_rate": 0.01,
    "method": "full",
    "max_new_tokens": 6,
    "evaluation_matches": 8,
}
LORA = {"method": "lora", "lora_rank": 4, "lora_alpha": 16, "learning_rate": 0.02}
POPULATIONS = {
    "prisoners_dilemma": {"always_a": 0.5, "tit_for_tat": 0.5},
    "split": {"greedy": 0.5, "reciprocator": 0.5},
    "trust_and_split": {"greedy_lying": 0.5, "reciprocator": 0.5},
    "deal_or_no_deal": {"greedy_lying": 0.5, "reciprocator": 0.5},
}
ANY_ACTIONS = {"second_action": 0.5, "tit_for_tat": 0.5}


def run(base: Path, output: Path, name: str = "prisoners_dilemma", **changes: Any) -> Path:
    output.mkdir(exist_ok=True)
    run_warm_start(
        base=base,
        game={"name": name, "rounds": 3, "rules": {}},
        settings={**SETTINGS, **changes},
        output=output / "model",
        metrics=output / "metrics.csv",
        behaviour=output / "behaviour.csv",
    )
    return output


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("changes", [{}, LORA], ids=["full", "lora"])
def test_a_model_learns_to_play_like_the_population(
    base_model: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    output = run(base_model, tmp_path, **changes)
    losses = [float(row["loss"]) for row in rows(output / "metrics.csv")]
    assert len(losses) == 12
    assert losses[0] > 0.2
    assert losses[-1] < 0.3 * losses[0]
    held_out = [float(row["held_out_loss"]) for row in rows(output / "metrics.csv")]
    assert all(math.isnan(loss) for loss in held_out[:-1])
    assert held_out[-1] < 0.3 * losses[0]
    behaviour = {
        row["quantity"]: float(row["value"] or "nan") for row in rows(output / "behaviour.csv")
    }
    assert behaviour["cooperation"] < 0.15
    assert behaviour["payoff"] == pytest.approx(1, abs=0.2)
    assert behaviour["invalid_rate"] == 0


@pytest.mark.parametrize("changes", [{}, LORA], ids=["full", "lora"])
def test_what_comes_out_is_an_ordinary_model_directory(
    base_model: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    output = run(base_model, tmp_path, **changes) / "model"
    model = AutoModelForCausalLM.from_pretrained(output)
    base = AutoModelForCausalLM.from_pretrained(base_model)
    assert model.state_dict().keys() == base.state_dict().keys()
    assert not any("lora" in name for name in model.state_dict())
    tokens = torch.tensor([[3, 14, 15]])
    with torch.no_grad():
        assert torch.equal(model(tokens).logits, load_model(output, "cpu").model(tokens).logits)
        assert (model(tokens).logits - base(tokens).logits).abs().max() > 0.01
    text = "Reply with <A> or <B> and nothing else."
    assert AutoTokenizer.from_pretrained(output).encode(text) == AutoTokenizer.from_pretrained(
        base_model
    ).encode(text)
    assert not list(output.rglob("*adapter*"))


@pytest.mark.parametrize("name", game_names())
def test_the_loss_falls_in_every_game(base_model: Path, tmp_path: Path, name: str) -> None:
    output = run(
        base_model, tmp_path, name, population=POPULATIONS.get(name, ANY_ACTIONS), noise=0.1
    )
    losses = [float(row["loss"]) for row in rows(output / "metrics.csv")]
    assert sum(losses[-3:]) / 3 < 0.85 * losses[0]
    found = [row["quantity"] for row in rows(output / "behaviour.csv")]
    outcomes = ["payoff", "payoff_opponent", "welfare_share", "invalid_rate"]
    assert found == [*outcomes, *build_game(name, 1).behaviours]


def test_the_same_settings_give_the_same_bytes(base_model: Path, tmp_path: Path) -> None:
    first, again = (run(base_model, tmp_path / name, noise=0.1, steps=4) for name in "ab")
    other = run(base_model, tmp_path / "c", noise=0.2, steps=4)
    for name in ("model/model.safetensors", "metrics.csv", "behaviour.csv"):
        assert (first / name).read_bytes() == (again / name).read_bytes()
    assert (first / "metrics.csv").read_bytes() != (other / "metrics.csv").read_bytes()


def test_an_unknown_player_is_refused(base_model: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown player 'nobody'; known players: always_a"):
        run(base_model, tmp_path, population={"nobody": 1.0})


def test_a_missing_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a complete model directory"):
        run(tmp_path / "nowhere", tmp_path)


@pytest.mark.parametrize("name", game_names())
def test_only_a_player_s_own_choices_are_in_the_loss(tiny: LanguageModel, name: str) -> None:
    """What it was told, and what the grammar forces, is not."""
    game = build_game(name, 3)
    masks = tiny.masks(game)
    recorders = [
        Recorder(scripted_player(name, who), tiny.chat, masks) for who in ("random", "random")
    ]
    matches = [game.start(seed) for seed in range(4)]
    play(matches, [(recorders[0], recorders[1])] * 4)
    control = {tiny.tokenizer.convert_tokens_to_ids(mark) for mark in ("<|user|>", "<|assistant|>")}
    for seat, recorder in enumerate(recorders):
        assert {*recorder.trajectories} == {(match, seat) for match in matches}
        for trajectory in recorder.trajectories.values():
            chosen = {*trajectory.positions}
            speaker = None
            for position, token in enumerate(trajectory.tokens):
                if token in control:
                    speaker = tiny.chat.decode((token,))
                if position in chosen:
                    assert speaker == "<|assistant|>"
                    assert token != tiny.chat.end_token
            for position, state in zip(trajectory.positions, trajectory.states, strict=True):
                assert masks.allowed[state, trajectory.tokens[position]]
                assert masks.forced[state] is None


def test_a_recorder_says_what_its_player_says(tiny: LanguageModel) -> None:
    game = build_game("split", 3)
    match, same = game.start(0), game.start(0)
    player = scripted_player("split", "reciprocator")
    recorder = Recorder(player, tiny.chat, tiny.masks(game))
    play([match], [(recorder, recorder)])
    play([same], [(player, player)])
    assert match.history == same.history


def test_the_population_is_drawn_by_its_weights(tiny: LanguageModel) -> None:
    game = build_game("prisoners_dilemma", 1)
    masks = tiny.masks(game)
    weights = {"always_a": 3.0, "always_b": 1.0}
    population = Population(game, weights, 0.0, tiny.chat, masks)
    trajectories = population.trajectories(400, "test")
    assert len(trajectories) == 800
    (cooperate,) = tiny.chat.encode_text("<A>")
    share = sum(t.tokens[t.positions[0]] == cooperate for t in trajectories) / 800
    assert share == pytest.approx(0.75, abs=4 * math.sqrt(0.75 * 0.25 / 800))
    assert population.trajectories(5, "test") == trajectories[:10]
    assert population.trajectories(400, "another test") != trajectories


def test_the_learning_rate_rises_and_falls() -> None:
    rates = [schedule(step, 200) for step in range(200)]
    assert rates[0] == pytest.approx(0.05)
    assert rates[19:120] == [1.0] * 101
    assert rates[160] == pytest.approx(0.5)
    assert rates[:20] == sorted(rates[:20])
    assert rates[120:] == sorted(rates[120:], reverse=True)
    assert min(rates) > 0


def test_without_steps_the_model_is_the_base_model(base_model: Path, tmp_path: Path) -> None:
    output = run(base_model, tmp_path / "none", steps=0, population={})
    weights = "model.safetensors"
    assert (output / "model" / weights).read_bytes() == (base_model / weights).read_bytes()
    assert load_model(output / "model", device="cpu").path == output / "model"
    assert rows(output / "metrics.csv") == []
    assert {row["quantity"] for row in rows(output / "behaviour.csv")} >= {"payoff", "cooperation"}
    (output / "model" / weights).unlink()
    assert (base_model / weights).is_file()
