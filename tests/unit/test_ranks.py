"""Training in two ranks: the same as in one, and what happens when one of them dies."""

import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread
from typing import Any

import pandas as pd
import pytest
from peft.utils import load_peft_weights
from tests.unit.rank_functions import fail_in_rank_1
from tests.unit.replying_server import ReplyingServer
from tests.unit.training_run import BUFFER, CRITIC, RANDOM, metrics, run_training

from social_dilemmas.agents.agent import Agent, Kind
from social_dilemmas.errors import UserError
from social_dilemmas.run import launch as launcher
from social_dilemmas.run.launch import launch
from social_dilemmas.run.ranks import Ranks

pytestmark = pytest.mark.slow  # every process imports torch anew

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(launcher.__file__).parents[2]
GAME: dict[str, Any] = {"name": "trust_and_split", "rounds": {"least": 2, "most": 4}}
CHANGES: dict[str, Any] = {
    **{
        "micro_batch_tokens": 400,
        "reward_scale": 50.0,
        "learning_rate": 0.001,
        "entropy_coefficient": 0.01,
    },
}
VARIANTS: dict[str, dict[str, Any]] = {
    "groups within a rank": {},
    # The third group lies in both ranks' shares.
    "a group in both, a buffer": {"matches": 12, "tremble": 0.2, "buffer": BUFFER},
    "against a script, whole batch, critic": {
        **{"opponent": RANDOM, "baseline": "critic", "matches": 7, "group_size": 7},
        **{"micro_batch_tokens": 300, "critic": CRITIC},
    },
}


def trained(base: Path, output: Path, world_size: int, **changes: Any) -> Path:
    return run_training(base, output, GAME, **{**CHANGES, **changes, "world_size": world_size})


def assert_equal(one: Path, other: Path) -> None:
    """As the goal of the project has it: adapter weights to 1e-5, and the same metrics."""
    weights = [load_peft_weights(str(path / "adapter"), device="cpu") for path in (one, other)]
    assert weights[0].keys() == weights[1].keys()
    for name, value in weights[0].items():
        assert (value - weights[1][name]).abs().max() < 1e-5
    pd.testing.assert_frame_equal(metrics(one), metrics(other), rtol=2e-4, atol=1e-6)
    assert metrics(one)["iteration"].tolist() == [*range(len(metrics(one)))]


@pytest.mark.parametrize("variant", VARIANTS)
def test_two_ranks_equal_one(
    variant: str, base_model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "social_dilemmas"):
        one, two = (trained(base_model, tmp_path / str(n), n, **VARIANTS[variant]) for n in (1, 2))
    assert_equal(one, two)
    assert {path.name for path in two.iterdir()} == {path.name for path in one.iterdir()}
    done = [record for record in caplog.records if "done in" in record.getMessage()]
    assert len(done) == 2  # from one of the two ranks, and before from the only one


def test_shares_cover_everything_once() -> None:
    for count in (1, 2, 3, 5):
        for number in (5, 7, 64):
            shares = [range(number)[Ranks(i, count).share(number)] for i in range(count)]
            assert [each for share in shares for each in share] == [*range(number)]
            assert max(map(len, shares)) - min(map(len, shares)) <= 1


def kill_rank_1_after(checkpoint: Path) -> None:
    deadline = time.monotonic() + 300
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    _, second = sorted(each.pid or 0 for each in multiprocessing.active_children())
    os.kill(second, signal.SIGKILL)


def test_a_killed_rank_ends_the_run_which_goes_on_when_run_again(
    base_model: Path, tmp_path: Path
) -> None:
    broken, changes = tmp_path / "broken", {"iterations": 10, "matches": 4}
    checkpoints = broken / "checkpoints"
    Thread(target=kill_rank_1_after, args=(checkpoints / "iteration-000003",), daemon=True).start()
    with pytest.raises(UserError, match=r"process 2 of the 2 .*\(SIGKILL\)") as caught:
        trained(base_model, broken, 2, **changes)
    assert "\n" not in str(caught.value)
    assert not multiprocessing.active_children()
    assert not (broken / "adapter").exists()
    kept = sorted(checkpoints.glob("iteration-??????"))[-1]
    assert 3 <= int(kept.name[-6:]) < 10
    assert len(metrics(broken)) >= 3
    # One rank does the rest: a checkpoint doesn't depend on how many there were.
    trained(base_model, broken, 1, **changes)
    assert_equal(broken, trained(base_model, tmp_path / "whole", 1, **changes))


@pytest.mark.parametrize(
    ("error", "kind", "sentence"),
    [
        (UserError("unknown player 'nobody'"), UserError, "unknown player 'nobody'"),
        (ValueError("no such key"), RuntimeError, "ValueError: no such key"),
    ],
)
def test_a_failure_is_the_sentence_of_the_rank_that_failed_first(
    error: Exception, kind: type[Exception], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT))  # where ranks find this file
    with pytest.raises(kind) as caught:
        launch(fail_in_rank_1, 2, error=error)
    assert str(caught.value) == sentence


JOB = """
import sys
from pathlib import Path
from social_dilemmas.run.launch import launch
from tests.unit.rank_functions import wait_in_rank_1
launch(wait_in_rank_1, 2, folder=Path(sys.argv[1]))
"""


def test_ranks_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    """Even if that is killed; and one that waits for the other would do so for hours."""
    path = os.pathsep.join([str(SCRIPTS), str(ROOT)])
    command = [sys.executable, "-c", JOB, str(tmp_path)]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}) as job:
        files = [tmp_path / "0", tmp_path / "1"]
        while not all(file.exists() and file.read_text() for file in files):
            assert job.poll() is None
            time.sleep(0.05)
        job.kill()
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{file.read_text()}").exists() for file in files):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_player_behind_a_server_has_its_own_conversation_in_every_match(
    base_model: Path, tmp_path: Path
) -> None:
    """All matches are of one group, and share their seed; none may take another one's replies."""
    game = {"name": "prisoners_dilemma", "rounds": 2}
    with ReplyingServer(lambda asked: "<A>" if "<A>" in asked else "<B>") as server:
        player, cache = (
            json.dumps(server.player(prompt_price=1.0, completion_price=1.0)),
            str(tmp_path / "cache.sqlite"),
        )
        opponent = Agent("remote", Kind.API, api=player, cache=cache)
        changes: dict[str, Any] = {"iterations": 2, "matches": 4, "world_size": 2}
        output = run_training(base_model, tmp_path / "run", game, opponent=opponent, **changes)
    assert len(server.asked) == 2 * 4 * 2
    usage = json.loads((output / "usage.json").read_text())
    assert usage["requests"] >= 2 * 4 * 2
    assert (usage["name"], usage["cached_responses"], usage["cost"]) == ("remote", 0, 0)
