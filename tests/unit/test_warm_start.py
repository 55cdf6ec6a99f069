"""The warm start: a model learns the population's choices, and only those."""

import math
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from social_dilemmas.config.schema.warm_start import WarmStart
from social_dilemmas.config.settings import CloneSettings
from social_dilemmas.errors import UserError
from social_dilemmas.games import build_game, game_names
from social_dilemmas.method.behaviour import OUTCOMES
from social_dilemmas.method.clone import replies_of_player, run_clone
from social_dilemmas.method.warm_start import demonstrations, run_warm_start, schedule
from social_dilemmas.policy.model import LanguageModel, load_model
from social_dilemmas.policy.policy import Policy
from social_dilemmas.policy.trajectory import Trajectory

SETTINGS: dict[str, Any] = {
    **{"population": {"always_defect": 1.0}, "noise": 0.0, "steps": 12, "matches": 8},
    **{"learning_rate": 0.01, "max_new_tokens": 6, "evaluation_matches": 8},
}
LORA = {"method": "lora", "lora_rank": 4, "lora_alpha": 16.0, "learning_rate": 0.02}
POPULATIONS = {
    "prisoners_dilemma": {"always_cooperate": 0.5, "tit_for_tat": 0.5},
    "split": {"greedy": 0.5, "reciprocator": 0.5},
    "trust_and_split": {"greedy_lying": 0.5, "reciprocator": 0.5},
    "deal_or_no_deal": {"greedy_lying": 0.5, "reciprocator": 0.5},
}
ANY_ACTIONS = {"second_action": 0.5, "tit_for_tat": 0.5}


def run(base: Path, output: Path, name: str = "prisoners_dilemma", **changes: Any) -> Path:
    output.mkdir(exist_ok=True)
    run_warm_start(
        base=base,
        game={"name": name, "rounds": 3},
        settings=WarmStart(**{**SETTINGS, **changes}),
        output=output / "model",
        metrics=output / "metrics.csv",
        behaviour=output / "behaviour.csv",
    )
    return output


def losses(output: Path) -> pd.DataFrame:
    return pd.read_csv(output / "metrics.csv")


def behaviour(output: Path) -> dict[str, float]:
    return dict(pd.read_csv(output / "behaviour.csv").itertuples(index=False, name=None))


def test_a_warm_start_that_leaves_the_finite_numbers_ends(base_model: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"warm start, step \d: .* isn't finite any more"):
        run(base_model, tmp_path, learning_rate=1e38)
    assert not (tmp_path / "model").exists()


def test_in_half_precision_all_weights_are_learned_as_well(
    base_model: Path, tmp_path: Path
) -> None:
    """With steps so small that adding them to a bfloat16 weight mostly leaves it as it is."""
    gained: dict[str, float] = {}
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        model = load_model(base_model)
        model.model.to(dtype)
        model.save(tmp_path / f"base-{name}")
        output = run(tmp_path / f"base-{name}", tmp_path / name, learning_rate=1e-4, steps=40)
        gained[name] = losses(output)["loss"].iloc[0] - losses(output)["held_out_loss"].iloc[-1]
        assert load_model(output / "model").model.dtype == dtype
    assert gained["float32"] > 0.05
    assert gained["bfloat16"] == pytest.approx(gained["float32"], rel=0.1)


@pytest.mark.parametrize("changes", [{}, LORA], ids=["full", "lora"])
def test_a_model_learns_to_play_like_the_population(
    base_model: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    """What is written is an ordinary model directory."""
    output = run(base_model, tmp_path, **changes)
    rows = losses(output)
    assert len(rows) == 12
    assert rows["loss"].iloc[0] > 0.2
    assert rows["held_out_loss"].iloc[:-1].isna().all()
    assert (rows[["loss", "held_out_loss"]].iloc[-1] < 0.3 * rows["loss"].iloc[0]).all()
    found = behaviour(output)
    assert found["cooperation"] < 0.15
    assert found["payoff"] == pytest.approx(1, abs=0.2)
    assert found["invalid_rate"] == 0

    model, base = (
        AutoModelForCausalLM.from_pretrained(path) for path in (output / "model", base_model)
    )
    assert model.state_dict().keys() == base.state_dict().keys()
    tokens = torch.tensor([[3, 14, 15]])
    with torch.no_grad():
        loaded = load_model(output / "model", "cpu").model
        assert torch.equal(model(tokens).logits, loaded(tokens).logits)
        assert (model(tokens).logits - base(tokens).logits).abs().max() > 0.01
    one, other = (
        AutoTokenizer.from_pretrained(path).encode("Reply with <A> or <B> and nothing else.")
        for path in (output / "model", base_model)
    )
    assert one == other
    assert not list(output.rglob("*adapter*"))


@pytest.mark.parametrize("name", game_names())
def test_the_loss_falls_in_every_game(base_model: Path, tmp_path: Path, name: str) -> None:
    output = run(
        base_model, tmp_path, name, population=POPULATIONS.get(name, ANY_ACTIONS), noise=0.1
    )
    found = losses(output)["loss"]
    assert found.iloc[-3:].mean() < 0.85 * found.iloc[0]
    assert [*behaviour(output)] == [*OUTCOMES, *build_game(name, 1).behaviours]


def test_the_same_settings_give_the_same_bytes(base_model: Path, tmp_path: Path) -> None:
    first, again = (run(base_model, tmp_path / name, noise=0.1, steps=4) for name in "ab")
    other = run(base_model, tmp_path / "c", noise=0.2, steps=4)
    for name in ("model/model.safetensors", "metrics.csv", "behaviour.csv"):
        assert (first / name).read_bytes() == (again / name).read_bytes()
    assert (first / "metrics.csv").read_bytes() != (other / "metrics.csv").read_bytes()


@pytest.mark.parametrize("changes", [{}, LORA], ids=["full", "lora"])
def test_passes_of_any_size_teach_the_same(
    base_model: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    changes = {**changes, "steps": 4, "noise": 0.2}
    one, many = (
        losses(run(base_model, tmp_path / str(most), micro_batch_tokens=most, **changes))
        for most in (10_000, 150)
    )
    for name in ("loss", "held_out_loss"):
        found = one[name].tolist()
        assert many[name].tolist() == pytest.approx(found, rel=1e-3, nan_ok=True)
    assert one["loss"].iloc[-1] < 0.9 * one["loss"].iloc[0]


def test_a_primer_is_learned_before(base_model: Path, tmp_path: Path) -> None:
    """With its own players, rounds and steps; what follows is the game at its own length."""
    primer = {"population": {"always_cooperate": 1.0}, "rounds": 1, "steps": 12, "matches": 4}
    plain, primed = (
        run(base_model, tmp_path / name, steps=2, primer=chosen)
        for name, chosen in (("plain", None), ("primed", primer))
    )
    rows = losses(primed)
    assert rows["step"].tolist() == [*range(14)]
    assert [*rows.index[rows["held_out_loss"].notna()]] == [11, 13]
    assert rows["loss"].iloc[11] < 0.3 * rows["loss"].iloc[0]
    assert rows["loss"].iloc[12] > 2 * losses(plain)["loss"].iloc[0]  # it has learned to cooperate
    assert behaviour(primed)["cooperation"] > 2 * behaviour(plain)["cooperation"]


def test_an_unknown_player_is_refused(base_model: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown player 'nobody'; known players: always_cooperate"):
        run(base_model, tmp_path, population={"nobody": 1.0})


def test_a_missing_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a complete model directory"):
        run(tmp_path / "nowhere", tmp_path)


def drawn(
    model: LanguageModel, name: str, count: int, purpose: str = "test", **weights: float
) -> list[Trajectory]:
    settings = WarmStart(population=weights, noise=0.0, steps=1)
    return demonstrations(Policy(model, build_game(name, 3)), settings, count, purpose)


@pytest.mark.parametrize("name", game_names())
def test_only_a_player_s_own_choices_are_in_the_loss(tiny: LanguageModel, name: str) -> None:
    """Neither prompts nor what the grammar forces."""
    masks = tiny.masks(build_game(name, 3))
    control = {tiny.tokenizer.convert_tokens_to_ids(mark) for mark in ("<|user|>", "<|assistant|>")}
    trajectories = drawn(tiny, name, 4, random=1.0)
    assert len(trajectories) == 8
    for trajectory in trajectories:
        chosen = {*trajectory.positions}
        assert {*trajectory.rounds} == {0, 1, 2}
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


def test_the_population_is_drawn_by_its_weights(tiny: LanguageModel) -> None:
    draw = partial(drawn, tiny, "prisoners_dilemma", always_cooperate=3, always_defect=1)
    trajectories = draw(400)
    assert len(trajectories) == 800
    (cooperate,) = tiny.chat.encode_text("<A>")
    share = sum(t.tokens[t.positions[0]] == cooperate for t in trajectories) / 800
    assert share == pytest.approx(0.75, abs=4 * math.sqrt(0.75 * 0.25 / 800))
    assert draw(5) == trajectories[:10]
    assert draw(400, "another test") != trajectories


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
    assert losses(output).empty
    assert behaviour(output).keys() >= {"payoff", "cooperation"}
    (output / "model" / weights).unlink()
    assert (base_model / weights).is_file()


def test_a_clone_learns_its_player_s_replies_and_no_others(tiny: LanguageModel) -> None:
    """A defector among cooperators that slip: all its choices are B, whichever seat it has."""
    settings = CloneSettings(
        player="always_defect", population={"always_cooperate": 1.0}, noise=0.5, steps=1
    )
    policy = Policy(tiny, build_game("prisoners_dilemma", 3))
    trajectories = replies_of_player(policy, settings, 6, "test")
    assert len(trajectories) == 6
    (defect,) = tiny.chat.encode_text("<B>")
    for trajectory in trajectories:
        assert [trajectory.tokens[place] for place in trajectory.positions] == [defect] * 3
    heard = {tuple(trajectory.tokens) for trajectory in trajectories}
    assert len(heard) > 2  # the others did slip


def test_a_clone_is_an_adapter_of_the_model(base_model: Path, tmp_path: Path) -> None:
    settings = {
        **SETTINGS,
        **LORA,
        "population": {"always_cooperate": 1.0},
        "player": "always_defect",
    }
    run_clone(
        model=base_model,
        game={"name": "prisoners_dilemma", "rounds": 3},
        settings=CloneSettings(**settings),
        output=tmp_path / "adapter",
        metrics=tmp_path / "metrics.csv",
    )
    rows = losses(tmp_path)
    assert rows["held_out_loss"].iloc[-1] < 0.3 * rows["loss"].iloc[0]
    policy = Policy(load_model(base_model), build_game("prisoners_dilemma", 3))
    policy.load(str(tmp_path / "adapter"))
    assert policy.adapters == ["frozen-0"]
