"""Training on a tiny model: it learns, survives interruption at any moment, and leaves the rest alone."""

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml
from peft import PeftModel
from peft.utils import load_peft_weights
from tests.unit.replying_server import ReplyingServer

from social_dilemmas.errors import UserError
from social_dilemmas.games import build_game, game_of
from social_dilemmas.method import train as trainer_module
from social_dilemmas.method.credit import CREDITS, discounted_returns
from social_dilemmas.method.opponents import PastAgents, past_agent
from social_dilemmas.method.train import Trainer
from social_dilemmas.policy.adapters import LEARNER, adapter_weights, put_adapter
from social_dilemmas.policy.model import load_model

GAME: dict[str, Any] = {"name": "prisoners_dilemma", "rounds": 3, "rules": {}}
SETTINGS: dict[str, Any] = {
    "credit": "advantage_alignment",
    "matches": 8,
    "group_size": 4,
    "discount": 0.9,
    "reward_scale": 5,
    "beta": 0.5,
    "iterations": 4,
    "lora_rank": 2,
    "lora_alpha": 4,
    "learning_rate": 0.01,
    "learning_rate_decay": "none",
    "gradient_clip": 1.0,
    "temperature": 1.0,
    "max_new_tokens": 6,
    "micro_batch": 8,
    "micro_batch_tokens": None,
    "gradient_checkpointing": False,
    "processes": 1,
    "sampler": "trainer",
    "fold_adapter": True,
    "kl_coefficient": 0.0,
    "kl_estimator": "forward",
    "entropy_coefficient": 0.0,
    "baseline": "group",
    "critic": {},
    "buffer": {"size": 0, "every": 1, "probability": 0.5, "draw": "group"},
    "checkpoint_every": 1,
}
BUFFER = {"size": 2, "every": 1, "probability": 0.7, "draw": "group"}
CRITIC = {"learning_rate": 0.05, "steps": 3, "trace_decay": 0.9}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "buffer": {"buffer": BUFFER},
    "rare checkpoints": {"checkpoint_every": 2, "fold_adapter": False},
    "coefficients": {
        "kl_coefficient": 0.1,
        "entropy_coefficient": 0.05,
        "kl_estimator": "reverse",
        "learning_rate_decay": "linear",
        "buffer": {**BUFFER, "draw": "match"},
    },
    "batch baseline": {"baseline": "batch"},
    "critic": {"baseline": "critic", "critic": CRITIC},
    "critic, buffer, no folding": {
        "baseline": "critic",
        "critic": CRITIC,
        "buffer": BUFFER,
        "fold_adapter": False,
    },
    "against a frozen adapter": {"opponent": "frozen"},
    "against a frozen adapter, no folding": {"opponent": "frozen", "fold_adapter": False},
    "against the model": {"opponent": {"name": "warm_start", "adapter": None}},
    "against a script": {"opponent": {"name": "random"}},
}
SAME_BUT_FOR_ROUNDING = ["against a frozen adapter", "against a frozen adapter, no folding"]
OUTCOMES = [
    *("iteration", "payoff", "payoff_opponent", "welfare_share", "invalid_rate", "loss", "entropy"),
    *("kl", "gradient_norm", "tokens", "seconds_sampling", "seconds_training"),
]


def run(
    base: Path,
    output: Path,
    seed: int = 0,
    game: Any = GAME,
    code: str = "",
    opponent: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Path:
    settings = {**SETTINGS, **changes}
    Trainer(base, game, settings, seed, output, opponent=opponent, code=code).run()
    return output


def frozen_agent(adapter: Path) -> dict[str, Any]:
    """An opponent that plays with this adapter."""
    return {"name": "naive", "adapter": str(adapter)}


def variant_of(name: str, frozen: Path) -> dict[str, Any]:
    """Changes of a variant, with the frozen agent in its place."""
    changes = VARIANTS[name]
    return (
        {**changes, "opponent": frozen_agent(frozen)}
        if changes.get("opponent") == "frozen"
        else changes
    )


def weights(output: Path) -> bytes:
    return (output / "adapter" / "adapter_model.safetensors").read_bytes()


def metrics(output: Path) -> list[dict[str, str]]:
    """All columns but those that tell the time."""
    with (output / "metrics.csv").open() as file:
        return [
            {name: value for name, value in row.items() if not name.startswith("seconds_")}
            for row in csv.DictReader(file)
        ]


def column(output: Path, name: str) -> list[float]:
    return [float(row[name]) for row in metrics(output)]


def interrupted(
    monkeypatch: pytest.MonkeyPatch, base: Path, output: Path, iteration: int, **changes: Any
) -> None:
    """A run that is broken off after it has sampled the matches of an iteration."""
    update = Trainer._update

    def breaking(self: Trainer, experience: Any, at: int) -> Any:
        if at == iteration:
            raise KeyboardInterrupt
        return update(self, experience, at)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_update", breaking)
        with pytest.raises(KeyboardInterrupt):
            run(base, output, **changes)
    assert not (output / "adapter").exists()


def iterations_done(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Filled with the iterations that are run from now on."""
    done: list[int] = []
    iterate = Trainer._iterate

    def counting(self: Trainer, iteration: int) -> dict[str, float | int]:
        done.append(iteration)
        return iterate(self, iteration)

    monkeypatch.setattr(Trainer, "_iterate", counting)
    return done


@pytest.fixture(scope="module")
def frozen(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained adapter of another rank and scale than the learner's."""
    output = tmp_path_factory.mktemp("frozen")
    run(base_model, output, seed=5, lora_rank=3, lora_alpha=24, learning_rate=0.05)
    return output / "adapter"


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_interrupted_run_ends_in_the_same_bytes(
    variant: str, base_model: Path, frozen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = variant_of(variant, frozen)
    whole = run(base_model, tmp_path / "whole", **changes)
    broken = tmp_path / "broken"
    interrupted(monkeypatch, base_model, broken, 2, **changes)
    assert len(metrics(broken)) == 2
    interrupted(monkeypatch, base_model, broken, 3, **changes)
    run(base_model, broken, **changes)
    assert weights(broken) == weights(whole)
    assert metrics(broken) == metrics(whole)
    assert [row["iteration"] for row in metrics(broken)] == ["0", "1", "2", "3"]
    assert (broken / "config.yaml").read_text() == (whole / "config.yaml").read_text()


def test_the_variants_differ(base_model: Path, frozen: Path, tmp_path: Path) -> None:
    """Or else the test above would show little."""
    found: dict[str, dict[str, Any]] = {}
    for name in VARIANTS:
        output = run(base_model, tmp_path / name, **variant_of(name, frozen))
        found[name] = load_peft_weights(str(output / "adapter"), device="cpu")

    def distance(one: str, other: str) -> float:
        return max((found[one][key] - found[other][key]).abs().max().item() for key in found[one])

    assert (
        distance("plain", "rare checkpoints") < 1e-4
    )  # unfolded adapters only change the rounding
    assert distance(*SAME_BUT_FOR_ROUNDING) < 1e-4
    distinct = VARIANTS.keys() - {"rare checkpoints", SAME_BUT_FOR_ROUNDING[1]}
    for one, other in combinations(sorted(distinct), 2):
        assert distance(one, other) > 1e-3, (one, other)


def test_only_what_is_left_is_done_again(
    base_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(monkeypatch, base_model, tmp_path, 3)
    done = iterations_done(monkeypatch)
    run(base_model, tmp_path)
    assert done == [3]


def test_a_damaged_checkpoint_costs_an_iteration_and_no_more(
    base_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    whole = run(base_model, tmp_path / "whole")
    broken = tmp_path / "broken"
    interrupted(monkeypatch, base_model, broken, 3)
    damaged = broken / "checkpoints" / "iteration-000003" / "learner.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-20])
    run(base_model, broken)
    assert weights(broken) == weights(whole)
    assert metrics(broken) == metrics(whole)
    assert any("damaged checkpoint" in record.getMessage() for record in caplog.records)


PROGRAM = """
import json, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from social_dilemmas.method.train import Trainer

arguments = json.loads(sys.argv[1])
paths = {name: Path(arguments[name]) for name in ("model", "output")}
Trainer(**{**arguments, **paths}).run()
"""


@pytest.mark.parametrize(
    "variant",
    [{"buffer": BUFFER, "baseline": "critic", "critic": CRITIC}, {"opponent": "frozen"}],
    ids=["critic and buffer", "against a frozen adapter"],
)
def test_a_killed_process_is_made_good(
    variant: dict[str, Any], base_model: Path, frozen: Path, tmp_path: Path
) -> None:
    changes: dict[str, Any] = {"iterations": 20, "checkpoint_every": 2, **variant}
    opponent = frozen_agent(frozen) if changes.pop("opponent", None) else None
    broken = tmp_path / "broken"
    arguments = {
        **{"model": str(base_model), "game": GAME, "settings": {**SETTINGS, **changes}},
        **{"seed": 0, "output": str(broken), "opponent": opponent},
    }
    scripts = Path(trainer_module.__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, json.dumps(arguments)],
        env={**os.environ, "PYTHONPATH": str(scripts), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not (broken / "checkpoints" / "iteration-000004").exists():
        assert process.poll() is None, "it ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 4 <= len(metrics(broken)) < 20
    run(base_model, broken, opponent=opponent, **changes)
    whole = run(base_model, tmp_path / "whole", opponent=opponent, **changes)
    assert weights(broken) == weights(whole)
    assert metrics(broken) == metrics(whole)


@pytest.mark.parametrize(("code", "left"), [("edited", [0, 1, 2, 3]), ("as before", [3])])
def test_edited_code_starts_anew(
    base_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    left: list[int],
) -> None:
    interrupted(monkeypatch, base_model, tmp_path, 3, code="as before")
    done = iterations_done(monkeypatch)
    run(base_model, tmp_path, code=code)
    assert done == left


def test_a_finished_run_leaves_no_checkpoints(base_model: Path, tmp_path: Path) -> None:
    run(base_model, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"adapter", "metrics.csv", "config.yaml"}


@pytest.mark.parametrize(
    "changes", [{"micro_batch": 3}, {"micro_batch_tokens": 99}, {"gradient_checkpointing": True}]
)
def test_a_run_goes_on_with_settings_that_need_less_memory(
    base_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    interrupted(monkeypatch, base_model, tmp_path, 3)
    done = iterations_done(monkeypatch)
    run(base_model, tmp_path, **changes)
    assert done == [3]


@pytest.mark.parametrize("changes", [{"seed": 1}, {"beta": 0.4}, {"learning_rate": 0.02}])
def test_other_settings_start_anew(
    base_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    interrupted(monkeypatch, base_model, tmp_path / "reused", 3)
    run(base_model, tmp_path / "reused", **changes)
    fresh = run(base_model, tmp_path / "fresh", **changes)
    assert weights(tmp_path / "reused") == weights(fresh)
    assert metrics(tmp_path / "reused") == metrics(fresh)


def test_the_same_run_gives_the_same_bytes_and_another_seed_others(
    base_model: Path, tmp_path: Path
) -> None:
    first, again, other = (
        run(base_model, tmp_path / name, seed) for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert weights(first) == weights(again)
    assert weights(first) != weights(other)
    assert metrics(first)[0] != metrics(other)[0]


@pytest.mark.parametrize("credit", CREDITS)
@pytest.mark.parametrize("name", ["prisoners_dilemma", "split", "trust_and_split"])
def test_every_credit_runs_in_every_game(
    base_model: Path, tmp_path: Path, name: str, credit: str
) -> None:
    game = {**GAME, "name": name}
    output = run(base_model, tmp_path, game=game, credit=credit, iterations=2)
    rows = metrics(output)
    behaviours = [*build_game(name, 1).behaviours]
    with (output / "metrics.csv").open() as file:
        assert next(csv.reader(file)) == [*OUTCOMES, *behaviours]
    assert [row["iteration"] for row in rows] == ["0", "1"]
    for row in rows:
        assert all(math.isfinite(float(row[key])) for key in row if key not in behaviours)
        assert float(row["invalid_rate"]) == 0
        assert 0 < float(row["welfare_share"]) <= 1
        assert float(row["entropy"]) > 0
        assert float(row["gradient_norm"]) > 0
        assert int(row["tokens"]) > 8 * 2 * 3
    assert float(rows[0]["kl"]) == pytest.approx(0, abs=1e-6)
    assert abs(float(rows[1]["kl"])) > 1e-7
    check_settings(output, {**SETTINGS, "credit": credit, "iterations": 2}, game)


def check_settings(output: Path, settings: Mapping[str, Any], game: Mapping[str, Any]) -> None:
    written = yaml.safe_load((output / "config.yaml").read_text())
    assert written["settings"] == settings
    assert written["game"] == game
    assert written["seed"] == 0


def test_credits_lead_to_different_agents(base_model: Path, tmp_path: Path) -> None:
    found = [weights(run(base_model, tmp_path / credit, credit=credit)) for credit in CREDITS]
    assert len({*found}) == len(CREDITS)


@pytest.mark.parametrize(
    ("credit", "better", "best"), [("naive", "payoff", 5), ("sum_of_rewards", "payoff_opponent", 3)]
)
def test_learning_pays(
    base_model: Path, tmp_path: Path, credit: str, better: str, best: float
) -> None:
    """Naive play learns to defect against a cooperator, the sum of rewards to cooperate with it."""
    changes: dict[str, Any] = {
        "iterations": 15,
        "learning_rate": 0.03,
        "matches": 32,
        "group_size": 32,
    }
    opponent = {"name": "always_a"}
    found = column(run(base_model, tmp_path, credit=credit, opponent=opponent, **changes), better)
    assert found[0] < best - 0.25
    assert sum(found[-4:]) / 4 > best - 0.12


def test_nothing_is_learnt_where_nothing_can_be_done_better(
    base_model: Path, tmp_path: Path
) -> None:
    """With equal rewards in the group there is no credit, and no gradient."""
    rules = {"reward": 3e-9, "punishment": 2e-9, "temptation": 4e-9, "sucker": 1e-9}
    game = {**GAME, "rules": rules}
    output = run(base_model, tmp_path, game=game, credit="naive", iterations=1)
    assert column(output, "gradient_norm")[0] < 1e-7


def test_micro_batches_change_nothing_but_rounding(base_model: Path, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"kl_coefficient": 0.1, "entropy_coefficient": 0.05, "iterations": 2}
    small = run(base_model, tmp_path / "small", micro_batch=3, **changes)
    large = run(base_model, tmp_path / "large", micro_batch=64, **changes)
    for one, other in zip(metrics(small), metrics(large), strict=True):
        assert one.keys() == other.keys()
        for key in ("loss", "entropy", "kl", "gradient_norm", "payoff"):
            assert float(one[key]) == pytest.approx(float(other[key]), rel=1e-3, abs=1e-6)


def test_coefficients_pull(base_model: Path, tmp_path: Path) -> None:
    """A strong bonus raises entropy; a strong KL term keeps the agent near the reference."""
    changes: dict[str, Any] = {"iterations": 12, "learning_rate": 0.03, "credit": "naive"}
    changes["opponent"] = {"name": "always_a"}
    free = run(base_model, tmp_path / "free", **changes)
    near = run(base_model, tmp_path / "near", kl_coefficient=10.0, **changes)
    wide = run(base_model, tmp_path / "wide", entropy_coefficient=10.0, **changes)
    assert column(near, "kl")[-1] < 0.2 * column(free, "kl")[-1]
    assert column(wide, "entropy")[-1] > column(free, "entropy")[-1] + 0.1
    assert column(wide, "entropy")[-1] > 0.92 * math.log(2)


def test_the_learning_rate_falls_to_nothing(base_model: Path, tmp_path: Path) -> None:
    settings = {**SETTINGS, "learning_rate_decay": "linear", "iterations": 4}
    trainer = Trainer(base_model, GAME, settings, 0, tmp_path)
    assert [trainer._decay(iteration) for iteration in range(4)] == [1, 0.75, 0.5, 0.25]
    constant = Trainer(base_model, GAME, SETTINGS, 0, tmp_path)
    assert [constant._decay(iteration) for iteration in (0, 3)] == [1, 1]


def test_a_frozen_opponent_stays_as_it_is(base_model: Path, frozen: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in frozen.iterdir() if path.is_file()}
    trainer = Trainer(base_model, GAME, SETTINGS, 0, tmp_path, opponent=frozen_agent(frozen))
    assert {name for name, p in trainer.model.named_parameters() if p.requires_grad} == {
        name for name, _ in trainer.model.named_parameters() if f".{LEARNER}." in name
    }
    first = adapter_weights(trainer.model)
    trainer.run()
    stored = load_peft_weights(str(frozen), device="cpu")
    held = adapter_weights(trainer.model, "opponent")
    assert held.keys() == stored.keys()
    assert all(torch.equal(held[key], stored[key]) for key in held)
    assert {path.name: path.read_bytes() for path in frozen.iterdir() if path.is_file()} == before
    learnt = adapter_weights(trainer.model)
    assert all(not torch.equal(first[key], learnt[key]) for key in first)


def test_a_frozen_opponent_plays_as_it_was_trained(
    base_model: Path, frozen: Path, tmp_path: Path
) -> None:
    """With its own rank and scale, whatever the learner's are."""
    trainer = Trainer(base_model, GAME, SETTINGS, 0, tmp_path, opponent=frozen_agent(frozen))
    tokens = torch.tensor([[3, 14, 15, 9, 2, 6]])
    plain = PeftModel.from_pretrained(load_model(base_model, "cpu").model, str(frozen)).eval()
    with torch.no_grad():
        found = trainer.model(tokens, adapter_names=["opponent"]).logits
        torch.testing.assert_close(found, plain(tokens).logits, atol=1e-5, rtol=0)
        base = trainer.model(tokens, adapter_names=["__base__"]).logits
    assert (found - base).abs().max() > 0.01


def test_against_a_fixed_opponent_only_the_learner_s_seat_is_trained(
    base_model: Path, frozen: Path, tmp_path: Path
) -> None:
    for opponent in (
        frozen_agent(frozen),
        {"name": "grim"},
        {"name": "warm_start", "adapter": None},
    ):
        trainer = Trainer(base_model, GAME, SETTINGS, 0, tmp_path, opponent=opponent)
        experience = trainer._play(0)
        assert len(experience.seats) == SETTINGS["matches"]
        assert [seat for _, seat in experience.seats] == [0] * 4 + [1] * 4
    whole = Trainer(base_model, GAME, SETTINGS, 0, tmp_path)._play(0)
    assert len(whole.seats) == 2 * SETTINGS["matches"]


def test_another_opponent_in_the_same_place_starts_anew(
    base_model: Path, frozen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "place"
    place.symlink_to(frozen)
    reused = tmp_path / "reused"
    interrupted(monkeypatch, base_model, reused, 3, opponent=frozen_agent(place))
    other = run(base_model, tmp_path / "other", seed=6, learning_rate=0.05) / "adapter"
    place.unlink()
    place.symlink_to(other)
    run(base_model, reused, opponent=frozen_agent(place))
    fresh = run(base_model, tmp_path / "fresh", opponent=frozen_agent(place))
    assert weights(reused) == weights(fresh)


def test_past_agents_play_with_their_own_weights(base_model: Path, tmp_path: Path) -> None:
    """A past agent that surely opens otherwise than the learner does so, in its own seat."""
    buffer = {**BUFFER, "probability": 1.0}
    settings = {**SETTINGS, "buffer": buffer, "temperature": 1e-4, "matches": 8, "group_size": 1}
    trainer = Trainer(base_model, GAME, settings, 0, tmp_path)
    chat = trainer._language_model.chat
    opening = torch.tensor([chat.opening(game_of(GAME).start(0).turns()[0].prompt)])
    options = {letter: chat.encode_text(f"<{letter}>")[0] for letter in "AB"}

    def opens_with(name: str) -> str:
        with torch.no_grad():
            logits = trainer.model(opening, adapter_names=[name]).logits[0, -1]
        return max(options, key=lambda letter: logits[options[letter]].item())

    learner = opens_with(LEARNER)
    for seed in range(50):
        generator = torch.Generator().manual_seed(seed)
        other = {
            key: torch.randn(value.shape, generator=generator)
            for key, value in adapter_weights(trainer.model).items()
        }
        put_adapter(trainer.model, other, past_agent(1))
        if opens_with(past_agent(1)) != learner:
            break
    past = opens_with(past_agent(1))
    assert past != learner
    trainer._add_past_agent(1, other)
    for iteration in (1, 2):
        for match, seat in trainer._play(iteration).seats:
            assert match.history[0].actions[seat] == learner
            assert match.history[0].actions[1 - seat] == past


def test_payoffs_are_those_of_self_play_also_with_past_agents(
    base_model: Path, tmp_path: Path
) -> None:
    buffer = {**BUFFER, "every": 1, "probability": 1.0}
    Trainer(base_model, GAME, {**SETTINGS, "buffer": buffer, "iterations": 2}, 0, tmp_path).run()
    metrics = pd.read_csv(tmp_path / "metrics.csv")
    payoffs = metrics[["payoff", "payoff_opponent", "welfare_share"]]
    assert payoffs.iloc[0].notna().all()  # there is no past agent yet
    assert payoffs.iloc[1].isna().all()
    assert metrics["cooperation"].notna().all()


def test_the_buffer_fills_and_forgets(base_model: Path, tmp_path: Path) -> None:
    settings = {**SETTINGS, "buffer": {**BUFFER, "every": 2, "size": 2}, "iterations": 7}
    trainer = Trainer(base_model, GAME, settings, 0, tmp_path)
    trainer.run()
    assert isinstance(trainer._opponents, PastAgents)
    assert trainer._opponents.iterations == [4, 6]
    assert [*trainer._past_agents] == [4, 6]
    assert {*trainer.model.peft_config} == {LEARNER, past_agent(4), past_agent(6)}
    for iteration in (4, 6):
        held = adapter_weights(trainer.model, past_agent(iteration))
        kept = trainer._past_agents[iteration]
        assert all(torch.equal(held[key], kept[key]) for key in kept)
    four, six, now = (
        trainer._past_agents[4],
        trainer._past_agents[6],
        adapter_weights(trainer.model),
    )
    assert any(not torch.equal(four[key], six[key]) for key in four)
    assert any(not torch.equal(six[key], now[key]) for key in six)
    assert all(
        p.requires_grad == (f".{LEARNER}." in n) for n, p in trainer.model.named_parameters()
    )


def test_an_opponent_of_another_base_model_is_refused(
    base_model: Path, frozen: Path, tmp_path: Path
) -> None:
    language_model = load_model(base_model, "cpu")
    with torch.no_grad():
        next(language_model.model.parameters()).mul_(1.01)
    language_model.save(tmp_path / "other")
    with pytest.raises(UserError, match="trained for another base model") as caught:
        run(tmp_path / "other", tmp_path / "run", opponent=frozen_agent(frozen))
    assert str(caught.value).startswith(f"{frozen}: ")
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="not an adapter directory"):
        run(base_model, tmp_path / "run", opponent=frozen_agent(tmp_path / "nowhere"))
    assert not (tmp_path / "run" / "adapter").exists()


def test_a_missing_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a complete model directory"):
        run(tmp_path / "nowhere", tmp_path / "run")


def test_an_unknown_scripted_opponent_is_refused(base_model: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown player 'nobody'"):
        run(base_model, tmp_path, opponent={"name": "nobody"})


def test_what_was_used_is_written_down(base_model: Path, frozen: Path, tmp_path: Path) -> None:
    for name, opponent in (("alone", None), ("frozen", frozen_agent(frozen))):
        output = run(base_model, tmp_path / name, iterations=1, opponent=opponent)
        written = yaml.safe_load((output / "config.yaml").read_text())
        assert written["opponent"] == opponent
        assert written["model"] == str(base_model)


@pytest.mark.parametrize("baseline", ["group", "batch"])
@pytest.mark.parametrize("credit", ["naive", "advantage_alignment"])
def test_the_baseline_is_taken_from_the_group_or_from_all_rows_of_the_seat(
    base_model: Path, tmp_path: Path, baseline: str, credit: str
) -> None:
    """By explicit sums over the other rows, in a game whose groups differ in what can be had."""
    settings = {**SETTINGS, "credit": credit, "baseline": baseline, "group_size": 2}
    trainer = Trainer(base_model, {**GAME, "name": "split"}, settings, 0, tmp_path)
    experience = trainer._play(0)
    seats = [seat for _, seat in experience.seats]
    ids = experience.groups.tolist() if baseline == "group" else seats
    advantages = []
    for rewards in (experience.rewards, experience.other_rewards):
        returns = [
            [
                sum(0.9 ** (later - now) * row[later] / 5 for later in range(now, len(row)))
                for now in range(len(row))
            ]
            for row in rewards.tolist()
        ]
        others = [
            [other for other, its_id in enumerate(ids) if its_id == own_id and other != row]
            for row, own_id in enumerate(ids)
        ]
        advantages.append(
            torch.tensor(
                [
                    [
                        value - sum(returns[other][now] for other in others[row]) / len(others[row])
                        for now, value in enumerate(returns[row])
                    ]
                    for row in range(len(ids))
                ]
            )
        )
    expected = CREDITS[credit](*advantages, beta=0.5 if credit != "naive" else 0, discount=0.9)
    torch.testing.assert_close(trainer._credit_of(experience), expected, atol=1e-4, rtol=1e-4)


def test_the_two_baselines_agree_where_all_matches_are_one_group_of_one_seat(
    base_model: Path, tmp_path: Path
) -> None:
    found = []
    for baseline in ("group", "batch"):
        settings = {**SETTINGS, "baseline": baseline, "group_size": 8}
        trainer = Trainer(base_model, GAME, settings, 0, tmp_path, opponent={"name": "random"})
        found.append(trainer._credit_of(trainer._play(0)))
    torch.testing.assert_close(found[0], found[1])


def test_a_critic_that_expects_nothing_gives_returns_and_then_learns(
    base_model: Path, tmp_path: Path
) -> None:
    settings = {**SETTINGS, "credit": "naive", "baseline": "critic", "critic": CRITIC}
    trainer = Trainer(base_model, GAME, settings, 0, tmp_path)
    experience = trainer._play(0)
    first = trainer._credit_of(experience)
    decayed = discounted_returns(experience.rewards / 5, 0.9 * CRITIC["trace_decay"])
    torch.testing.assert_close(first, decayed)
    for _ in range(60):
        last = trainer._credit_of(experience)
    around_means = first - first.mean(0)  # what is left by the best guess that knows the round only
    assert last.square().mean() < 1.1 * around_means.square().mean()


@pytest.mark.parametrize("changes", [{}, {"baseline": "critic", "critic": CRITIC}])
def test_matches_of_different_lengths_can_be_learned_from(
    base_model: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    """Nothing is credited after the end of the shorter ones."""
    game = {**GAME, "rounds": {"least": 1, "most": 4}}
    settings = {**SETTINGS, "group_size": 2, **changes}
    trainer = Trainer(base_model, game, settings, 0, tmp_path)
    experience = trainer._play(0)
    lengths = torch.tensor([match.rounds for match, _ in experience.seats])
    assert len({*lengths.tolist()}) > 1
    for _ in range(3):  # the critic learns
        credit = trainer._credit_of(experience)
        past_the_end = torch.arange(credit.shape[1]) >= lengths[:, None]
        assert not credit[past_the_end].any()
        assert credit[~past_the_end].any()
    trainer.run()
    assert all(math.isfinite(value) for value in column(tmp_path, "loss"))


def test_learning_against_a_player_behind_a_server(
    base_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has one seat, and what it said before an interruption isn't asked for again."""
    with ReplyingServer(lambda _: "<B>") as server:
        opponent = {
            "name": "remote",
            "api_player": server.player(),
            "cache": str(tmp_path / "cache.sqlite"),
        }
        changes: dict[str, Any] = {"opponent": opponent, "iterations": 3, "matches": 4}
        whole = run(base_model, tmp_path / "whole", **changes)
        asked = len(server.asked)
        assert asked == 3 * 4 * GAME["rounds"]
        interrupted(monkeypatch, base_model, tmp_path / "broken", 1, **changes)
        run(base_model, tmp_path / "broken", **changes)
    assert len(server.asked) == asked
    usage = json.loads((whole / "usage.json").read_text())
    assert (usage["name"], usage["completion_tokens"]) == ("remote", 0)
    assert usage["requests"] >= asked
    assert weights(tmp_path / "broken") == weights(whole)
    assert metrics(tmp_path / "broken") == metrics(whole)
    # Facing B always, a round is worth 0 or 1, and 5 or 1 to the other.
    for own, other in zip(column(whole, "payoff"), column(whole, "payoff_opponent"), strict=True):
        assert other == pytest.approx(5 - 4 * own, abs=1e-4)
