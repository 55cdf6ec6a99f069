"""Training in two processes: the same as in one, and what happens when one of them dies."""

import csv
import json
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from peft.utils import load_peft_weights
from tests.unit.replying_server import ReplyingServer

from social_dilemmas.errors import UserError
from social_dilemmas.method.train import train
from social_dilemmas.run.launch import launch
from social_dilemmas.run.ranks import Ranks

pytestmark = pytest.mark.slow  # every process imports torch anew

GAME: dict[str, Any] = {"name": "trust_and_split", "rounds": {"least": 2, "most": 4}, "rules": {}}
SETTINGS: dict[str, Any] = {
    **{"credit": "advantage_alignment", "discount": 0.9, "reward_scale": 50, "beta": 0.5},
    **{"matches": 8, "group_size": 4, "iterations": 5, "lora_rank": 2, "lora_alpha": 4},
    **{"learning_rate": 0.001, "learning_rate_decay": "none", "gradient_clip": 1.0},
    **{"temperature": 1.0, "max_new_tokens": 6, "sampler": "trainer", "processes": 1},
    **{"micro_batch": 4, "micro_batch_tokens": None, "gradient_checkpointing": False},
    **{"fold_adapter": True, "kl_coefficient": 0.0, "kl_estimator": "forward"},
    **{"entropy_coefficient": 0.01, "baseline": "group", "critic": {}, "checkpoint_every": 1},
    "buffer": {"size": 0, "every": 1, "probability": 0.5, "draw": "group"},
}
VARIANTS: dict[str, dict[str, Any]] = {
    "groups within a process": {},
    # The third group lies in both processes' shares.
    "a group in both, a buffer": {
        **{"matches": 12, "kl_coefficient": 0.1},
        "buffer": {"size": 2, "every": 1, "probability": 0.7, "draw": "group"},
    },
    "against a script, whole batch, critic": {
        **{"opponent": {"name": "random"}, "baseline": "critic", "matches": 7, "group_size": 7},
        "micro_batch": 3,
        "critic": {"learning_rate": 0.05, "steps": 3, "trace_decay": 0.9},
    },
}


def trained(base: Path, output: Path, processes: int, **changes: Any) -> Path:
    opponent = changes.pop("opponent", None)
    settings = {**SETTINGS, **changes, "processes": processes}
    train(model=base, game=GAME, settings=settings, seed=0, output=output, opponent=opponent)
    return output


def metrics(output: Path) -> list[dict[str, float]]:
    """All columns but those that tell the time."""
    with (output / "metrics.csv").open() as file:
        return [
            {name: float(value) for name, value in row.items() if not name.startswith("seconds_")}
            for row in csv.DictReader(file)
        ]


def assert_equal(one: Path, other: Path) -> None:
    """As the goal of the project has it: adapter weights to 1e-5, and the same metrics."""
    weights = [load_peft_weights(str(path / "adapter"), device="cpu") for path in (one, other)]
    assert weights[0].keys() == weights[1].keys()
    for name, value in weights[0].items():
        assert (value - weights[1][name]).abs().max() < 1e-5
    rows = [metrics(path) for path in (one, other)]
    assert [row["iteration"] for row in rows[0]] == [*range(len(rows[0]))]
    for row, its_twin in zip(*rows, strict=True):
        assert row == pytest.approx(its_twin, rel=2e-4, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("variant", VARIANTS)
def test_two_processes_equal_one(
    variant: str, base_model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "social_dilemmas"):
        one, two = (trained(base_model, tmp_path / str(n), n, **VARIANTS[variant]) for n in (1, 2))
    assert_equal(one, two)
    assert {path.name for path in two.iterdir()} == {path.name for path in one.iterdir()}
    told = [record for record in caplog.records if "done in" in record.getMessage()]
    assert len(told) == 2  # by one of the two processes, and before by the only one


def test_shares_cover_everything_once() -> None:
    for count in (1, 2, 3, 5):
        for number in (5, 7, 64):
            shares = [range(number)[Processes(i, count).share(number)] for i in range(count)]
            assert [each for share in shares for each in share] == [*range(number)]
            assert max(map(len, shares)) - min(map(len, shares)) <= 1


def after_iteration(output: Path, iteration: int, act: Callable[[], None]) -> Thread:
    """Do something once that checkpoint is there."""

    def wait() -> None:
        deadline = time.monotonic() + 120
        while not (output / "checkpoints" / f"iteration-{iteration:06d}").exists():
            if time.monotonic() > deadline:
                return
            time.sleep(0.005)
        act()

    thread = Thread(target=wait, daemon=True)
    thread.start()
    return thread


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[str]]:
    """Filled with the processes that are started from now on."""
    started: list[subprocess.Popen[str]] = []
    start = launch._start_worker

    def noting(environment: Mapping[str, str]) -> subprocess.Popen[str]:
        started.append(start(environment))
        return started[-1]

    monkeypatch.setattr(launch, "_start_worker", noting)
    return started


def test_a_killed_process_ends_the_run_which_goes_on_when_run_again(
    workers: list[subprocess.Popen[str]], base_model: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    killer = after_iteration(broken, 3, lambda: os.kill(workers[1].pid, signal.SIGKILL))
    with pytest.raises(UserError, match=r"process 2 of the 2 .*\(SIGKILL\)") as caught:
        trained(base_model, broken, 2, iterations=10)
    killer.join()
    assert "\n" not in str(caught.value)
    assert all(worker.returncode is not None for worker in workers)
    assert not (broken / "adapter").exists()
    kept = sorted((broken / "checkpoints").glob("iteration-??????"))[-1]
    assert 3 <= int(kept.name[-6:]) < 10
    assert len(metrics(broken)) >= 3
    # The rest is done by one process: a checkpoint doesn't depend on how many there were.
    trained(base_model, broken, 1, iterations=10)
    assert_equal(broken, trained(base_model, tmp_path / "whole", 1, iterations=10))


def test_a_worker_ends_with_the_process_that_started_it(base_model: Path, tmp_path: Path) -> None:
    """Even if that one had no time to end it: all that a kill leaves is a standard input that ends."""
    arguments = {"game": GAME, "settings": SETTINGS, "seed": 0, "opponent": None, "code": ""}
    job = {"model": str(base_model), "output": str(tmp_path), **arguments}
    first, _ = launch._environments(2)
    process = launch._start_worker(first)
    launch._tell(process, json.dumps(job))
    assert process.poll() is None
    launch._close(process)
    # It would have waited for the other process for hours.
    assert process.wait(timeout=60) == worker.ORPHANED


def test_a_mistake_is_told_in_one_sentence(base_model: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown player 'nobody'"):
        trained(base_model, tmp_path, 2, opponent={"name": "nobody"})


def test_a_player_behind_a_server_has_its_own_conversation_in_every_match(
    base_model: Path, tmp_path: Path
) -> None:
    """All matches are of one group, and share their seed; none may take another one's replies."""
    game = {"name": "prisoners_dilemma", "rounds": 2, "rules": {}}
    settings = {**SETTINGS, "iterations": 2, "matches": 4, "processes": 2}
    with ReplyingServer(lambda asked: "<A>" if "<A>" in asked else "<B>") as server:
        opponent = {
            "name": "remote",
            "api_player": server.player(1.0),
            "cache": str(tmp_path / "cache.sqlite"),
        }
        output = tmp_path / "run"
        train(
            model=base_model, game=game, settings=settings, seed=0, output=output, opponent=opponent
        )
    assert len(server.asked) == 2 * 4 * 2
    usage = json.loads((tmp_path / "run" / "usage.json").read_text())
    assert usage["requests"] >= 2 * 4 * 2
    assert (usage["name"], usage["cached_responses"], usage["cost"]) == ("remote", 0, 0)
